"""Sets of tasks have one order in every run."""

import asyncio

import simulation
from simulation import Network


def test_a_task_group_cancels_in_an_order_that_follows_from_history():
    async def main(network: Network) -> list[int]:
        cancelled: list[int] = []

        async def child(number: int) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                cancelled.append(number)

        try:
            async with asyncio.timeout(1), asyncio.TaskGroup() as group:
                for number in range(50):
                    group.create_task(child(number))
        except TimeoutError:
            pass
        return cancelled

    first = simulation.run(main, seed=0)
    ballast = [bytearray(n * 31) for n in range(1_000)]  # other memory addresses
    assert simulation.run(main, seed=0) == first
    assert sorted(first) == list(range(50))
    del ballast


def test_sets_of_futures_keep_their_order_too():
    async def main(network: Network) -> list[int]:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(20)]
        return [futures.index(future) for future in set(futures)]

    assert simulation.run(main, seed=0) == simulation.run(main, seed=0)


def test_pending_tasks_come_in_the_order_of_their_creation():
    async def main(network: Network) -> list[str]:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            for number in range(12):
                group.create_task(asyncio.sleep(1), name=f"number {number}")
            return [task.get_name() for task in simulation.tasks.pending_tasks(loop)][1:]

    assert simulation.run(main, seed=0) == [f"number {number}" for number in range(12)]
