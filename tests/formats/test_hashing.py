"""Pieces are hashed across the ends of files, in order, whatever the number of threads."""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from formats.hashing import hash_pieces
from formats.source_files import SourceError, collect

SIZES = (0, 1, 16384, 40_000, 3, 1 << 20, 65_535)


def make(folder: Path) -> bytes:
    folder.mkdir()
    whole = b""
    for number, size in enumerate(SIZES):
        data = hashlib.shake_128(bytes([number])).digest(size)
        (folder / f"{number}").write_bytes(data)
        whole += data
    return whole


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("piece_length", [16_384, 65_536, 1 << 21])
async def test_pieces_cross_files(tmp_path: Path, threads: int, piece_length: int) -> None:
    whole = make(tmp_path / "d")
    found = collect((tmp_path / "d",))
    told: list[tuple[int, int]] = []
    with ThreadPoolExecutor(threads) as executor:
        hashes = await hash_pieces(
            found.files,
            piece_length,
            executor=executor,
            on_progress=lambda done, total: told.append((done, total)),
        )
    expected = [
        hashlib.sha1(whole[start : start + piece_length]).digest()
        for start in range(0, len(whole), piece_length)
    ]
    assert hashes.digests == b"".join(expected)
    assert told == sorted(told)
    assert told[-1] == (len(whole), len(whole))


async def test_a_file_that_shrank_is_an_error_that_names_it(tmp_path: Path) -> None:
    make(tmp_path / "d")
    found = collect((tmp_path / "d",))
    (tmp_path / "d" / "3").write_bytes(b"short")
    with pytest.raises(SourceError) as error:
        await hash_pieces(found.files, 16_384)
    assert str(tmp_path / "d" / "3") in str(error.value)


async def test_cancelled_it_stops(tmp_path: Path) -> None:
    make(tmp_path / "d")
    found = collect((tmp_path / "d",))
    task = asyncio.get_running_loop().create_task(hash_pieces(found.files, 16_384))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
