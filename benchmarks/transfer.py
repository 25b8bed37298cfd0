"""B1 and B22: 1 GiB from one seed process to one leech process, beside libtorrent.

Plaintext TCP on loopback, tmpfs, 1 MiB pieces, the seed on one core, the leech on another; rounds
interleave the programs and the figures are medians of the ratios of a round. `whole` runs from the
moment the leech is told of the seed until it is complete, `steady` from its first verified piece.
"""

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import libtorrent

PROGRAMS = {
    "everswarm": ("benchmarks.transfer_everswarm", "default"),
    "libtorrent default": ("benchmarks.transfer_libtorrent", "default"),
    "libtorrent tuned": ("benchmarks.transfer_libtorrent", "tuned"),
}
MIB = 1 << 20


def pin(core: int) -> Callable[[], None] | None:
    """A preexec function that keeps a process on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2:
        return None
    return lambda: os.sched_setaffinity(0, {core})


def start(name: str, role: str, where: tuple[Path, Path], port: int) -> subprocess.Popen[str]:
    """Start one process of a program."""
    module, tuning = PROGRAMS[name]
    torrent, directory = where
    command = [sys.executable, "-m", module, role, tuning, str(torrent), str(directory), str(port)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=pin(0 if role == "seed" else 1),
    )


def read(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next JSON line a process says."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args} ended with {process.wait()}")
    result: dict[str, Any] = json.loads(line)
    return result


def one_run(name: str, torrent: Path, data: Path, size: int) -> dict[str, float]:
    """One download; returns its figures. The result is compared with the source."""
    target = Path(tempfile.mkdtemp(dir=data.parent, prefix="leech-"))
    seed = start(name, "seed", (torrent, data.parent), 0)
    try:
        port = read(seed)["port"]
        leech = start(name, "leech", (torrent, target), port)
        result = read(leech)
        leech.communicate()
        seed_cpu = float(json.loads(seed.communicate("\n")[0])["cpu"])
        with open(target / data.name, "rb") as got, open(data, "rb") as sent:
            same = (
                hashlib.file_digest(got, "sha1").digest()
                == hashlib.file_digest(sent, "sha1").digest()
            )
        if not same:
            raise RuntimeError(f"{name} delivered something else")
    finally:
        seed.kill()
        shutil.rmtree(target)
    return {
        "whole MB/s": size / (result["done"] - result["started"]) / 1e6,
        "steady MB/s": (size - MIB) / (result["done"] - result["first"]) / 1e6,
        "first piece s": result["first"] - result["started"],
        "leech CPU s": result["cpu"],
        "seed CPU s": seed_cpu,
        "waste %": 100 * (result["received"] / size - 1),
    }


def make(folder: Path, size: int) -> tuple[Path, Path]:
    """Random data and its torrent."""
    from formats.create import TorrentSpec, create  # here: the children do not need it

    data = folder / "payload.bin"
    with open(data, "wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))

    async def hashed() -> bytes:
        with ThreadPoolExecutor(2) as executor:
            spec = TorrentSpec(paths=(data,), piece_length=MIB)
            return (await create(spec, executor=executor)).torrent

    torrent = folder / "payload.torrent"
    torrent.write_bytes(asyncio.run(hashed()))
    return torrent, data


def touch_memory(folder: Path, size: int) -> None:
    """Use the memory that the runs will use: on a virtual machine its first use is slow."""
    warm = folder / "warm"
    warm.write_bytes(bytes(size))
    warm.unlink()


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=1024, help="MiB")
    parser.add_argument("--only", choices=list(PROGRAMS), help="one program, no ratios")
    options = parser.parse_args()
    size = options.size * MIB
    shm = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=shm if shm.is_dir() else None))
    names = [options.only] if options.only else list(PROGRAMS)
    rounds: list[dict[str, dict[str, float]]] = []
    try:
        touch_memory(folder, 3 * size)
        torrent, data = make(folder, size)
        for number in range(options.rounds):
            rounds.append({name: one_run(name, torrent, data, size) for name in names})
            print(f"round {number + 1} of {options.rounds} done", file=sys.stderr)
    finally:
        shutil.rmtree(folder)
    report(names, rounds, options.size)


def report(names: list[str], rounds: list[dict[str, dict[str, float]]], mib: int) -> None:
    """Medians, and medians of the ratios with their extremes."""
    print(f"B1, B22: {mib} MiB, one seed, one leech, libtorrent {libtorrent.__version__}")
    keys = list(rounds[0][names[0]])
    print(f"{'median':20}" + "".join(f"{key:>15}" for key in keys))
    for name in names:
        medians = [statistics.median(r[name][key] for r in rounds) for key in keys]
        print(f"{name:20}" + "".join(f"{value:15.2f}" for value in medians))
    for name in names[1:]:
        for key in ("whole MB/s", "steady MB/s", "leech CPU s", "seed CPU s"):
            ratios = sorted(r[names[0]][key] / r[name][key] for r in rounds)
            middle = statistics.median(ratios)
            print(f"{key} / {name}: {middle:.2f}x ({ratios[0]:.2f}-{ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
