"""Run the fuzz targets: `python -m fuzz [TARGET]... [--runs N] [--seed S]`.

Every input is a mutation of a target's seeds. An exception that leaves `execute`, or an input that
takes longer than the watchdog allows, is printed with the input and the command fails.
"""

import argparse
import importlib
import pkgutil
import random
import sys
import time
from types import ModuleType

import fuzz.targets
from fuzz.mutation import mutate

SLOWEST_SECONDS_PER_KIB = 0.010
"""A parser slower than this on any input is a denial of service (B10)."""
NOISE_SECONDS = 0.5
"""A pause this long may be the machine's, not the parser's: such an input is timed again."""


def names() -> list[str]:
    """The names of all targets, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(fuzz.targets.__path__))


def load(name: str) -> ModuleType:
    """The target's module."""
    return importlib.import_module(f"fuzz.targets.{name}")


def run(target: ModuleType, *, runs: int, seed: int) -> float:
    """Execute `runs` mutated inputs; returns executions per second. What is raised flies."""
    rng = random.Random(seed)
    seeds: list[bytes] = list(target.SEEDS)
    for data in seeds:
        target.execute(data)
    pool = list(seeds)
    clock = time.perf_counter
    begun = clock()
    for number in range(runs):
        data = mutate(rng.choice(pool), rng.choice(seeds), rng)
        started = clock()
        try:
            target.execute(data)
        except BaseException:
            print(f"run {number}, seed {seed}: {data!r}", file=sys.stderr)
            raise
        if clock() - started > SLOWEST_SECONDS_PER_KIB * (1 + len(data) / 1024):
            _time_again(target, data)
        if number % 64 == 0 and len(data) < 4096:  # drift: mutations of mutations
            if len(pool) < 256:
                pool.append(data)
            else:
                pool[rng.randrange(len(seeds), 256)] = data
    return runs / (clock() - begun)


def _time_again(target: ModuleType, data: bytes) -> None:
    best = NOISE_SECONDS
    for _ in range(3):
        started = time.perf_counter()
        target.execute(data)
        best = min(best, time.perf_counter() - started)
    allowed = SLOWEST_SECONDS_PER_KIB * (1 + len(data) / 1024)
    if best > allowed:
        raise AssertionError(f"{best:.3f} s for {len(data)} bytes, {allowed:.3f} allowed: {data!r}")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(names()))
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for name in options.targets or names():
        rate = run(load(name), runs=options.runs, seed=options.seed)
        print(f"{name}: {options.runs:,} executions, {rate:,.0f}/s", flush=True)


if __name__ == "__main__":
    main()
