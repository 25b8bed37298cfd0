import gzip
import zlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from tracker.errors import TrackerError
from tracker.http_body import read_body

LIMIT = 1000


def response(*chunks: bytes, encoding: str | None = None) -> Any:
    """As much of aiohttp's response as is read."""

    async def iter_chunked(_: int) -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    headers = {} if encoding is None else {"Content-Encoding": encoding}
    return SimpleNamespace(headers=headers, content=SimpleNamespace(iter_chunked=iter_chunked))


@pytest.mark.parametrize("encoding", [None, "", "identity", " Identity "])
async def test_c3_a_plain_body_may_be_as_long_as_the_limit(encoding: str | None) -> None:
    whole = response(b"a" * 600, b"b" * 400, encoding=encoding)
    assert await read_body(whole, limit=LIMIT) == b"a" * 600 + b"b" * 400
    with pytest.raises(TrackerError, match="larger than 1000 bytes"):
        await read_body(response(b"a" * 600, b"b" * 401, encoding=encoding), limit=LIMIT)


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("X-GZIP", gzip.compress), ("deflate", zlib.compress)],
)
async def test_c3_a_compressed_body_is_bounded_after_decompression(
    encoding: str, compress: Any
) -> None:
    data = compress(b"a" * LIMIT)
    pieces = [data[at : at + 3] for at in range(0, len(data), 3)]
    assert await read_body(response(*pieces, encoding=encoding), limit=LIMIT) == b"a" * LIMIT
    for size in LIMIT + 1, 10**7:
        with pytest.raises(TrackerError, match="larger than 1000 bytes"):
            await read_body(response(compress(b"a" * size), encoding=encoding), limit=LIMIT)


async def test_c3_compressed_bytes_count_too() -> None:
    empty_blocks = zlib.compress(b"")[:2] + b"\0\0\0\xff\xff" * 500  # deflate that yields nothing
    with pytest.raises(TrackerError, match="larger than 1000 bytes"):
        await read_body(response(empty_blocks, encoding="deflate"), limit=LIMIT)


@pytest.mark.parametrize(
    ("encoding", "sentence"), [("br", "unknown content encoding"), ("gzip", "is damaged")]
)
async def test_c3_what_cannot_be_decompressed(encoding: str, sentence: str) -> None:
    with pytest.raises(TrackerError, match=sentence):
        await read_body(response(b"no such thing", encoding=encoding), limit=LIMIT)
