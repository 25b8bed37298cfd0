"""What `run` refuses to let pass."""

import asyncio
import os
import random
import time

import pytest

import simulation
from simulation import Network, SimulationError
from simulation.host import EPOCH


def complaints(main: object) -> list[str]:
    with pytest.raises(ExceptionGroup) as caught:
        simulation.run(main, seed=7)
    assert caught.value.message == "seed 7: the program is not clean"
    return [str(error) for error in caught.value.exceptions]


def test_a_task_that_outlives_its_owner():
    async def main(network: Network) -> None:
        orphans.append(asyncio.create_task(asyncio.sleep(1), name="the orphan"))

    orphans: list[object] = []
    (complaint,) = complaints(main)
    assert "the orphan" in complaint
    assert complaint.endswith("outlives its owner")


def test_a_socket_left_open():
    async def main(network: Network) -> None:
        server = network.host("server")
        await asyncio.get_running_loop().create_server(asyncio.Protocol, server.address, 80)

    assert complaints(main) == ["<TCP listener server 20.0.1.1 port 80> was left open"]


def test_an_exception_nobody_handles():
    async def main(network: Network) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: 1 // 0)
        future = loop.create_future()
        future.set_exception(KeyError("never retrieved"))
        await asyncio.sleep(0)

    assert sorted(complaints(main)) == [
        "'never retrieved'",
        "integer division or modulo by zero",
    ]


def test_virtual_time_that_runs_out():
    async def main(network: Network) -> None:
        await asyncio.sleep(61)

    with pytest.raises(TimeoutError):
        simulation.run(main, seed=0, until=60)


def test_an_error_of_the_program_is_not_hidden_by_what_it_left_behind():
    async def main(network: Network) -> None:
        orphans.append(asyncio.create_task(asyncio.sleep(1)))
        raise LookupError("the cause")

    orphans: list[object] = []
    with pytest.raises(LookupError, match="the cause"):
        simulation.run(main, seed=0)


def test_the_wall_clock_and_global_randomness_follow_the_seed_and_come_back():
    async def main(network: Network) -> tuple[float, float, bytes]:
        await asyncio.sleep(12.5)
        return time.time(), random.random(), os.urandom(8)

    state = random.getstate()
    first = simulation.run(main, seed=1)
    assert random.getstate() == state
    assert first[0] == EPOCH + 12.5
    assert simulation.run(main, seed=1) == first
    assert simulation.run(main, seed=2)[1:] != first[1:]
    assert time.time() != EPOCH + 12.5


def test_a_closed_run_raises_simulation_errors_of_one_parent():
    assert issubclass(simulation.Deadlock, SimulationError)
