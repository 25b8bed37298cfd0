"""Faults as values: what happens, to whom, when; hosts by name, so that a schedule is data."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from simulation.network import Network


@dataclass(frozen=True, slots=True)
class HostFault:
    """One of the methods of `Host` that change what the internet sees of it."""

    kind: Literal["kill", "boot", "freeze", "refuse", "blackhole", "restore"]
    host: str

    def apply(self, network: Network) -> None:
        host = network.hosts[self.host]
        match self.kind:
            case "kill":
                host.kill()
            case "boot":
                host.boot()
            case "freeze":
                host.freeze()
            case "refuse":
                host.refuse()
            case "blackhole":
                host.blackhole()
            case "restore":
                host.restore()


@dataclass(frozen=True, slots=True)
class PowerCut:
    """The machine is gone without a word (`Host.kill(silent=True)`)."""

    host: str

    def apply(self, network: Network) -> None:
        network.hosts[self.host].kill(silent=True)


@dataclass(frozen=True, slots=True)
class Partition:
    """Cuts `a` from `b`."""

    a: tuple[str, ...]
    b: tuple[str, ...]

    def apply(self, network: Network) -> None:
        hosts = network.hosts
        network.partition([hosts[name] for name in self.a], [hosts[name] for name in self.b])


@dataclass(frozen=True, slots=True)
class Heal:
    """Undoes every partition."""

    def apply(self, network: Network) -> None:
        network.heal()


@dataclass(frozen=True, slots=True)
class NameFailure:
    """Lookups of `name` fail, or work again."""

    name: str
    fails: bool = True

    def apply(self, network: Network) -> None:
        if self.fails:
            network.names.fail(self.name)
        else:
            network.names.restore(self.name)


Fault: TypeAlias = HostFault | PowerCut | Partition | Heal | NameFailure


class Planned(NamedTuple):
    """`at` in virtual seconds from the start of the schedule."""

    at: float
    fault: Fault


async def inject(network: Network, schedule: Sequence[Planned]) -> None:
    """Applies each fault at its time; returns after the last."""
    start = network.scheduler.time()
    for planned in sorted(schedule, key=lambda planned: planned.at):
        await asyncio.sleep(start + planned.at - network.scheduler.time())
        planned.fault.apply(network)
