"""The body of a tracker's HTTP reply, bounded before and after decompression (C3)."""

import zlib
from typing import TYPE_CHECKING

from tracker.errors import TrackerError

if TYPE_CHECKING:
    from aiohttp import ClientResponse

_PLAIN = ("", "identity")
_COMPRESSED = ("gzip", "x-gzip", "deflate")
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_CHUNK = 65536


async def read_body(response: "ClientResponse", *, limit: int) -> bytes:
    """The decoded body, up to `limit` bytes. Raises TrackerError when it is longer or damaged.

    A gigabyte of zeros is a megabyte of gzip: output is bounded while it is made.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _PLAIN + _COMPRESSED:
        raise TrackerError("the reply has an unknown content encoding")
    inflate = None if encoding in _PLAIN else zlib.decompressobj(_GZIP_OR_ZLIB)
    received, body = 0, bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        received += len(chunk)
        try:
            body += chunk if inflate is None else inflate.decompress(chunk, limit + 1 - len(body))
        except zlib.error:
            raise TrackerError("the reply's compression is damaged") from None
        if received > limit or len(body) > limit:
            raise TrackerError(f"the reply is larger than {limit} bytes")
    return bytes(body)
