"""B19: making a torrent of 1 GiB, beside mktorrent, libtorrent and the hash limit in the same run.

The file is on tmpfs, pieces are of 512 KiB, rounds interleave the programs, and the figures are
medians of the ratios of a round. `everswarm` is the library in a running process, as a node uses
it; `everswarm, process` starts Python first, as mktorrent starts too. All info hashes must agree.
mktorrent hashes with a thread for each processor, so both are bound by the same limit.
"""

import argparse
import asyncio
import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import libtorrent

from formats.create import TorrentSpec, create
from formats.metainfo import parse_metainfo

PIECE_LENGTH = 512 << 10
MIB = 1 << 20


async def _create(data: Path) -> bytes:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        spec = TorrentSpec((data,), piece_length=PIECE_LENGTH)
        return (await create(spec, executor=pool)).torrent


def everswarm(data: Path) -> bytes:
    """Our library."""
    return asyncio.run(_create(data))


def everswarm_process(data: Path) -> bytes:
    """Our library in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.create", "--once", str(data)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def mktorrent(data: Path) -> bytes:
    """mktorrent with a thread for each processor, its default."""
    torrent = data.with_name("mktorrent.torrent")
    torrent.unlink(missing_ok=True)
    exponent = str(PIECE_LENGTH.bit_length() - 1)
    command = ["mktorrent", "-d", "-l", exponent, "-o", str(torrent), str(data)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return torrent.read_bytes()


def libtorrent_library(data: Path) -> bytes:
    """libtorrent's set_piece_hashes, version 1 only."""
    files = [libtorrent.create_file_entry(data.name, data.stat().st_size)]
    flags = libtorrent.create_torrent.v1_only
    torrent = libtorrent.create_torrent(files, PIECE_LENGTH, flags)
    libtorrent.set_piece_hashes(torrent, str(data.parent))
    return bytes(libtorrent.bencode(torrent.generate()))


def hash_limit(size: int) -> None:
    """SHA-1 of as many bytes on all processors, over a buffer that never leaves the cache."""
    buffer = bytes(256 << 10)
    count = os.cpu_count() or 1

    def hash_share() -> None:
        for _ in range(size // count // len(buffer)):
            hashlib.sha1(buffer)

    with ThreadPoolExecutor(count) as pool:
        for job in [pool.submit(hash_share) for _ in range(count)]:
            job.result()


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def write_file(path: Path, mebibytes: int) -> None:
    """Fill a file with bytes that no two blocks share."""
    rng = random.Random(1)
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(rng.randbytes(MIB))


def measure(data: Path, rounds: int) -> None:
    """Print the median rate of each program, and of our ratio to it."""
    size = data.stat().st_size
    makers: dict[str, Callable[[Path], bytes]] = {
        "everswarm": everswarm,
        "everswarm, process": everswarm_process,
        "libtorrent": libtorrent_library,
    }
    if shutil.which("mktorrent"):
        makers["mktorrent"] = mktorrent
    hashes = {parse_metainfo(make(data)).info_hash for make in makers.values()}
    assert len(hashes) == 1, "the programs disagree on the info hash"
    times: dict[str, list[float]] = {name: [] for name in [*makers, "hash limit"]}
    for _ in range(rounds):
        for name, make in makers.items():
            times[name].append(seconds(lambda make=make: make(data)))
        times["hash limit"].append(seconds(lambda: hash_limit(size)))
    for name, taken in times.items():
        rate = size / statistics.median(taken) / 1e9
        ratio = statistics.median(b / a for a, b in zip(times["everswarm"], taken))
        print(f"{name:20} {rate:6.2f} GB/s   everswarm is {ratio:5.2f} times as fast")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.create", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=1024, help="MiB")
    parser.add_argument("--once", type=Path, help="only make the torrent of this file")
    options = parser.parse_args()
    if options.once:
        sys.stdout.buffer.write(everswarm(options.once))
        return
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as directory:
        data = Path(directory) / "data.bin"
        write_file(data, options.size)
        measure(data, options.rounds)


if __name__ == "__main__":
    main()
