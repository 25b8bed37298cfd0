"""B4: rechecking 1 GiB, beside libtorrent and the hash limit: `python -m benchmarks.recheck`.

Two files on tmpfs, rounds interleave the programs, figures are medians of the ratios of a round
with the least and the greatest. libtorrent has two hashing threads, its best setting here; ours has
an executor of two. The limit is SHA-1 of one warm buffer on two threads: no program can pass it.
While we hash, a coroutine asks to run every millisecond; how late it runs is the loop's stall.
"""

import argparse
import asyncio
import hashlib
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import libtorrent

from formats.metainfo import Metainfo, parse_metainfo
from node.storage.storage import Storage

MIB = 1 << 20
TICK_SECONDS = 0.001


def build(root: Path, size: int, piece_length: int) -> Path:
    """Two files of random bytes and their torrent, made by libtorrent."""
    rng = random.Random(4)
    (root / "data").mkdir()
    for name, share in (("first", 0.7), ("second", 0.3)):
        with (root / "data" / name).open("wb") as file:
            for _ in range(int(size * share) // MIB):
                file.write(rng.randbytes(MIB))
    files = libtorrent.list_files(str(root / "data"))
    creation = libtorrent.create_torrent(files, piece_length, libtorrent.create_torrent.v1_only)
    libtorrent.set_piece_hashes(creation, str(root))
    torrent = root / "t.torrent"
    torrent.write_bytes(libtorrent.bencode(creation.generate()))
    return torrent


async def _everswarm(metainfo: Metainfo, root: Path) -> tuple[float, list[float]]:
    late: list[float] = []
    loop = asyncio.get_running_loop()

    async def tick() -> None:
        while True:
            due = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            late.append(loop.time() - due)

    with ThreadPoolExecutor(2) as executor:
        storage = Storage(metainfo, root, executor=executor)
        ticker = asyncio.create_task(tick())
        started = time.perf_counter()
        verified = await storage.check()
        seconds = time.perf_counter() - started
        ticker.cancel()
        await storage.close()
    assert verified == (1 << metainfo.piece_count) - 1
    return seconds, late


def everswarm(torrent: Path, root: Path) -> tuple[float, list[float]]:
    """Seconds of our recheck, and how late each tick of the loop was."""
    return asyncio.run(_everswarm(parse_metainfo(torrent.read_bytes()), root))


def libtorrent_recheck(torrent: Path, root: Path) -> float:
    """Seconds from adding the torrent until libtorrent seeds."""
    session = libtorrent.session(
        {
            "listen_interfaces": "127.0.0.1:0",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "hashing_threads": 2,
            "checking_mem_usage": 2048,
            "alert_mask": libtorrent.alert.category_t.status_notification,
        }
    )
    params = libtorrent.load_torrent_file(str(torrent))
    params.save_path = str(root)
    started = time.perf_counter()
    handle = session.add_torrent(params)
    while not handle.status().is_seeding:
        session.wait_for_alert(5)
        session.pop_alerts()
    seconds = time.perf_counter() - started
    del handle, session  # waits for its threads
    return seconds


def limit(size: int) -> float:
    """Seconds that two threads need to hash `size` bytes that are in their cache."""
    buffer = random.Random(4).randbytes(MIB)

    def half() -> None:
        for _ in range(size // MIB // 2):
            hashlib.sha1(buffer, usedforsecurity=False).digest()

    with ThreadPoolExecutor(2) as executor:
        started = time.perf_counter()
        for job in [executor.submit(half), executor.submit(half)]:
            job.result()
        return time.perf_counter() - started


def spread(values: list[float]) -> str:
    """Median (least to greatest)."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def measure(size: int, piece_length: int, rounds: int) -> None:
    """Run the rounds and print the table."""
    root = Path(
        tempfile.mkdtemp(prefix="recheck-", dir="/dev/shm" if sys.platform == "linux" else None)
    )
    try:
        torrent = build(root, size, piece_length)
        times: dict[str, list[float]] = {"everswarm": [], "libtorrent": [], "limit": []}
        late: list[float] = []
        for _ in range(rounds):
            seconds, stalls = everswarm(torrent, root)
            times["everswarm"].append(seconds)
            late += stalls
            times["libtorrent"].append(libtorrent_recheck(torrent, root))
            time.sleep(0.2)  # what is left of its threads is not ours to measure
            times["limit"].append(limit(size))
    finally:
        shutil.rmtree(root)
    print(f"recheck of {size // MIB} MiB, pieces of {piece_length >> 10} KiB, {rounds} rounds;")
    print(f"libtorrent {libtorrent.version} with 2 hashing threads; load {os.getloadavg()[0]:.1f}")
    for name, seconds_of in times.items():
        print(f"  {name:<11} GB/s {spread([size / seconds / 1e9 for seconds in seconds_of])}")
    for rival in ("libtorrent", "limit"):
        pairs = zip(times[rival], times["everswarm"], strict=True)
        print(f"  everswarm / {rival:<11} {spread([theirs / ours for theirs, ours in pairs])}")
    late.sort()
    p99 = late[int(len(late) * 0.99)] * 1000
    print(f"  loop stall p99 {p99:.1f} ms, worst {late[-1] * 1000:.1f} ms, of {len(late)} ticks")


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recheck", description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB (default 1024)")
    parser.add_argument("--piece-length", type=int, default=1024, help="KiB (default 1024)")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    measure(options.size * MIB, options.piece_length << 10, options.rounds)


if __name__ == "__main__":
    main()
