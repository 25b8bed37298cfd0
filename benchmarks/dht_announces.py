"""Ten thousand torrents of one node on a budget of packets: `python -m benchmarks.dht_announces`.

On a simulated network of whole nodes. From the moment all are stored, every minute for more than
the half hour after which nodes forget, ten of them are looked for by others, and all of them are
looked up in the stores of the eight nodes closest to each.
"""

import argparse
import time
from functools import partial

import simulation
from tests.dht.announce_figures import measure


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--torrents", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=250.0, help="packets per second")
    parser.add_argument("--minutes", type=int, default=32)
    options = parser.parse_args()
    begun = time.perf_counter()
    program = partial(
        measure,
        nodes=options.nodes,
        torrents=options.torrents,
        packet_rate=options.rate,
        minutes=options.minutes,
    )
    figures = simulation.run(program, seed=1)
    print(f"{options.torrents:,} torrents, {options.nodes} nodes, {options.rate:.0f} packets/s")
    print(
        f"all stored after {figures.first_round:.1f} minutes; {figures.packets:.0f} packets/s then"
    )
    print(f"not found by a lookup: {len(figures.not_found)} in {options.minutes} minutes")
    print(f"not stored at any of the closest nodes: {len(figures.not_stored)}")
    print(f"real time {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
