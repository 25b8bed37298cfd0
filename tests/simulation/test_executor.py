"""Blocking work: in order, late, with its exceptions."""

import asyncio

import pytest

import simulation
from simulation import Network


def now() -> float:
    return asyncio.get_running_loop().time()


def test_executor_jobs_run_in_order_and_deliver_late():
    seen: list[int] = []

    async def main(network: Network) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, simulation.SimulatedEventLoop)
        loop.executor.latency = 0.5
        jobs = [loop.run_in_executor(None, seen.append, n) for n in range(3)]
        await asyncio.gather(*jobs)
        assert now() == 0.5

        def slow() -> str:
            loop.executor.spend(2.0)
            return "done"

        assert await loop.run_in_executor(None, slow) == "done"
        assert now() == 3.0
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 // 0)
        assert now() == 3.5

    simulation.run(main, seed=0)
    assert seen == [0, 1, 2]
