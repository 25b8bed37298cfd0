"""A schedule of faults is data, and happens at its times."""

import asyncio

import pytest

import simulation
from simulation import Network
from simulation.faults import (
    Heal,
    HostFault,
    NameFailure,
    Partition,
    Planned,
    PowerCut,
    inject,
)
from simulation.host import State
from simulation.trace import Kind


def test_each_fault_happens_at_its_time():
    async def main(network: Network) -> None:
        a, b, c = network.host("a"), network.host("b"), network.host("c")
        schedule = [
            Planned(9, PowerCut("c")),
            Planned(1, HostFault("freeze", "a")),
            Planned(2, HostFault("restore", "a")),
            Planned(3, HostFault("refuse", "b")),
            Planned(4, HostFault("blackhole", "b")),
            Planned(5, HostFault("kill", "a")),
            Planned(6, HostFault("boot", "a")),
            Planned(7, Partition(("a",), ("b", "c"))),
            Planned(8, Heal()),
            Planned(10, NameFailure("a")),
            Planned(11, NameFailure("a", fails=False)),
        ]
        seen: list[object] = []
        async with asyncio.TaskGroup() as group:
            group.create_task(inject(network, schedule))
            for second in range(12):
                await asyncio.sleep(second + 0.5 - asyncio.get_running_loop().time())
                seen.append((a.state, b.state, c.state, network.is_open(a, c)))
                if second == 10:
                    with pytest.raises(OSError, match="Temporary failure"):
                        network.names.resolve("a")
        run, frozen = State.RUNNING, State.FROZEN
        assert seen[:3] == [(run, run, run, True), (frozen, run, run, True), (run, run, run, True)]
        assert [states[1] for states in seen[3:5]] == [State.REFUSING, State.SILENT]
        assert [states[0] for states in seen[5:7]] == [State.KILLED, run]
        assert [states[3] for states in seen[7:10]] == [False, True, False]
        assert network.names.resolve("a") == (a.address,)
        faults = [(e.sent, e.note) for e in network.history() if e.kind is Kind.FAULT]
        assert faults[:3] == [(1.0, "a frozen"), (2.0, "a running"), (3.0, "b refusing")]
        assert faults[-1] == (9.0, "c lost")

    simulation.run(main, seed=0)
