"""How whole nodes look up in a large simulated network, beside the ideal lookup (B8)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median

from dht.peer_search import PeersFound
from dht.routing_table import K
from formats.identifiers import InfoHash
from simulation import Network
from tests.dht.large_network import Population, WideWorld, node_of, populate
from tests.dht.world import Member

IDEAL = {
    (1_000, 0.0): (4.0, 11.0),
    (1_000, 0.3): (7.0, 15.0),
    (10_000, 0.0): (4.5, 13.0),
    (10_000, 0.3): (8.3, 17.3),
}
"""Nodes and share of the dead: median RTTs and queries of the idealised lookup with alpha 3. For
10,000 nodes between the measured 1,000 and 100,000 or 1,000,000, by the logarithm."""

AT_ONCE = 50
"""Lookups that run at the same time, each of another node."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What the network is like."""

    dead: float = 0.0
    """Share of the nodes that left without a word a moment ago."""
    loss: float = 0.0
    """Share of all datagrams that is lost."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What lookups for announced peers took. Times are in round trips."""

    nodes: int
    condition: Condition
    success: float
    """Share of the lookups that brought the peer."""
    round_trips: list[float]
    """Until the end of each lookup."""
    first_peer: list[float]
    queries: list[int]
    recall: float
    """Share of the truly closest eight among those that a lookup ended with."""

    @property
    def ratios(self) -> tuple[float, float]:
        """Median RTTs and queries over those of the ideal lookup."""
        round_trips, queries = IDEAL[self.nodes, self.condition.dead]
        return median(self.round_trips) / round_trips, median(self.queries) / queries


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def measure(
    network: Network, conditions: Sequence[Condition], *, nodes: int, lookups: int, rtt: float
) -> list[Figures]:
    """Announce a hundred peers, then look for them under one condition after the other."""
    rng = network.random("lookups")
    async with WideWorld(network, latency=rtt / 4) as world:
        population = await populate(world, nodes, rng)
        hashes = [InfoHash(rng.randbytes(20)) for _ in range(100)]
        members = rng.sample(population.members, len(hashes))
        both = zip(members, hashes, strict=True)
        stored = await asyncio.gather(*(m.dht.announce(each, 4_000) for m, each in both))
        assert min(stored) >= K
        figures = []
        for condition in conditions:
            await _bring_about(population, condition, nodes)
            figures.append(await _look_up(population, condition, hashes, (nodes, lookups, rtt)))
        return figures


async def _bring_about(population: Population, condition: Condition, nodes: int) -> None:
    live = population.members
    too_many = len(live) - round(nodes * (1.0 - condition.dead))
    await population.kill(population.rng.sample(live, too_many))
    for member in population.members:
        member.host.loss = 1.0 - (1.0 - condition.loss) ** 0.5  # lost on either side


async def _look_up(
    population: Population,
    condition: Condition,
    hashes: Sequence[InfoHash],
    scale: tuple[int, int, float],
) -> Figures:
    nodes, lookups, rtt = scale
    rng = population.rng
    results: list[PeersFound] = []
    recall: list[float] = []
    for start in range(0, lookups, AT_ONCE):
        members = rng.sample(population.members, min(AT_ONCE, lookups - start))
        wanted = rng.choices(hashes, k=len(members))
        both = list(zip(members, wanted, strict=True))
        found = await asyncio.gather(*(m.dht.get_peers(each) for m, each in both))
        for (member, info_hash), result in zip(both, found, strict=True):
            nearest = _ids(population.closest(info_hash, but=member))
            recall.append(len(nearest & {contact.id for contact in result.closest}) / K)
        results += found
    first = [each.first_peer_seconds for each in results if each.first_peer_seconds is not None]
    return Figures(
        nodes=nodes,
        condition=condition,
        success=len(first) / lookups,
        round_trips=[each.seconds / rtt for each in results],
        first_peer=[seconds / rtt for seconds in first],
        queries=[each.nodes_asked for each in results],
        recall=mean(recall),
    )


def _ids(members: Sequence[Member]) -> set[bytes]:
    return {node_of(member).table.own_id for member in members}
