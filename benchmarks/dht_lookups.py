"""B8: lookups in a simulated network beside the ideal lookup: `python -m benchmarks.dht_lookups`.

Whole nodes with the routing tables that BEP 5 converges to, 100 ms from everybody to everybody.
A hundred peers are announced; then other nodes look for them, fifty at a time: while all live, a
moment after 30 % left without a word, and when 2 % of all datagrams are lost as well. The ideal
lookup knows no loss; its figures are medians with three queries in flight.
"""

import argparse
import time
from functools import partial
from statistics import median

import simulation
from tests.dht.lookup_figures import Condition, Figures, measure, quantile

RTT = 0.1
"""Seconds."""

CONDITIONS = (Condition(), Condition(dead=0.3), Condition(dead=0.3, loss=0.02))

COLUMNS = (
    "dead  loss  found    RTTs p50 p95  (ideal)   queries p50 p95  (ideal)   first peer p50 p95"
)


def line(figures: Figures) -> str:
    """One condition."""
    condition = figures.condition
    round_trips, queries = figures.ratios
    first = [quantile(figures.first_peer, share) * RTT for share in (0.5, 0.95)]
    return (
        f"{condition.dead:4.0%}  {condition.loss:4.0%}  {figures.success:7.2%}"
        f"  {median(figures.round_trips):7.1f} {quantile(figures.round_trips, 0.95):4.1f}"
        f"  ({round_trips:.2f}x)  {median(figures.queries):10.0f}"
        f" {quantile([float(each) for each in figures.queries], 0.95):4.0f}"
        f"  ({queries:.2f}x)  {first[0]:10.2f} {first[1]:.2f} s"
    )


def main() -> None:
    """Measure, and print a line for each condition."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, choices=(1_000, 10_000), default=1_000)
    parser.add_argument("--lookups", type=int, default=1_000, help="under each condition")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.perf_counter()
    program = partial(
        measure,
        conditions=CONDITIONS,
        nodes=options.nodes,
        lookups=options.lookups,
        rtt=RTT,
    )
    print(f"{options.nodes} nodes, {options.lookups} lookups under each condition")
    print(COLUMNS)
    for figures in simulation.run(program, seed=options.seed):
        print(line(figures))
    print(f"real time {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
