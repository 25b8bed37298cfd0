"""B18: decoding and encoding beside bencodepy, in the same run: `python -m benchmarks.bencode`.

Four messages of the field. Rounds take turns between the two programs; a figure is the median of
the ratios of one round, with the least and the greatest. Both results are compared once a shape.
"""

import argparse
import gc
import importlib.metadata
import platform
import random
import statistics
import time
from collections.abc import Callable
from functools import partial

import bencodepy  # type: ignore[import-untyped]  # the package ships no types

from formats import bencode
from formats.bencode import METAINFO, WIRE, Value

SLICE_SECONDS = 0.02
"""What one program runs before it is the other's turn: long beside a timer, short beside noise."""


def shapes() -> dict[str, dict[bytes, Value]]:
    """Two DHT replies, a query (BEP 5) and a torrent of 5,000 files (BEP 3)."""
    rng = random.Random(18)
    nodes: dict[bytes, Value] = {
        b"id": rng.randbytes(20),
        b"nodes": rng.randbytes(8 * 26),
        b"token": rng.randbytes(8),
    }
    values: list[Value] = [rng.randbytes(6) for _ in range(50)]
    reply: dict[bytes, Value] = {b"ip": rng.randbytes(6), b"t": b"aa", b"v": b"LT01", b"y": b"r"}
    query: dict[bytes, Value] = {
        b"id": rng.randbytes(20),
        b"info_hash": rng.randbytes(20),
        b"noseed": 1,
    }
    files: list[Value] = [
        {
            b"length": rng.randrange(1 << 22),
            b"path": [b"disc-%02d" % (n % 50), b"file-%05d.flac" % n],
        }
        for n in range(5_000)
    ]
    info: dict[bytes, Value] = {
        b"files": files,
        b"name": b"five thousand files",
        b"piece length": 1 << 19,
        b"pieces": rng.randbytes(20 * 18_000),
    }
    return {
        "query": {b"a": query, b"q": b"get_peers", b"t": b"aaa", b"v": b"LT01", b"y": b"q"},
        "nodes reply": {b"r": nodes, **reply},
        "values reply": {b"r": {**nodes, b"values": values}, **reply},
        "torrent": {b"announce": b"http://tracker.example/announce", b"info": info},
    }


def rate(function: Callable[[], object], runs: int) -> float:
    """Calls a second."""
    started = time.perf_counter()
    for _ in range(runs):
        function()
    return runs / (time.perf_counter() - started)


def compare(
    ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int
) -> tuple[float, float, str]:
    """Median rates of both, and the ratio of ours to theirs as text."""
    assert ours() == theirs()
    runs = max(1, round(SLICE_SECONDS * rate(theirs, 1 + round(0.01 * rate(theirs, 1)))))
    pairs = [(rate(ours, runs), rate(theirs, runs)) for _ in range(rounds)]
    ratios = [mine / yours for mine, yours in pairs]
    text = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
    return (
        statistics.median(mine for mine, _ in pairs),
        statistics.median(yours for _, yours in pairs),
        text,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bencode", description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    version = importlib.metadata.version("bencode.py")
    print(f"Python {platform.python_version()}, bencode.py {version}, {options.rounds} rounds")
    print(f"{'':21} {'bytes':>7} {'ours/s':>9} {'theirs/s':>9}  ratio (min-max)")
    gc.disable()  # its pauses fall on either side at random
    for name, value in shapes().items():
        data = bencodepy.encode(value)
        limits = METAINFO if name == "torrent" else WIRE
        for verb, ours, theirs in (
            ("decode", partial(bencode.decode, data, limits), partial(bencodepy.decode, data)),
            ("encode", partial(bencode.encode, value), partial(bencodepy.encode, value)),
        ):
            mine, yours, ratio = compare(ours, theirs, rounds=options.rounds)
            print(f"{verb} {name:14} {len(data):7} {mine:9,.0f} {yours:9,.0f}  {ratio}")


if __name__ == "__main__":
    main()
