"""Networks of thousands of whole nodes, made in a second: as if they had known each other for long.

Every node has the routing table that BEP 5 converges to, round-trip times it has measured and an
idea of the network's size; what it does from then on is its own.
"""

import asyncio
import random
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from heapq import nsmallest
from typing import Any

from dht.bucket import GOOD_SECONDS
from dht.config import DhtConfig
from dht.contact import Contact, Family
from dht.family_node import FamilyNode
from dht.routing_table import K
from simulation import Host
from tests.dht.world import Member, World

START_SECONDS = 5.0
"""Over which the nodes start, so that they do not all wake at the same moments."""


class WideWorld(World):
    """Addresses from everywhere: node IDs are made of them, and should be everywhere as well."""

    def host(self, name: str | None = None, *, ipv6: bool = False) -> Host:
        assert not ipv6
        rng = self.network.random(f"address {len(self.network.hosts)}")
        octets = (rng.randrange(20, 100), *(rng.randrange(1, 255) for _ in range(3)))
        return self.network.host(
            name,
            address=".".join(map(str, octets)),
            latency=self.latency,
            loss=self.loss,
        )


class Population:
    """Nodes of one `World`, all of which started together."""

    def __init__(self, world: World, members: Sequence[Member], rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self._members = {_number(member): member for member in members}
        self._numbers = sorted(self._members)
        """Of those that there were at the start."""

    @property
    def members(self) -> list[Member]:
        """Those that live."""
        return list(self._members.values())

    def closest(self, target: bytes, *, but: Member | None = None, k: int = K) -> list[Member]:
        """The k live nodes nearest to `target`."""
        key = int.from_bytes(target, "big")
        nearest = nsmallest(k + 1, self._members, key=lambda number: number ^ key)
        return [m for m in map(self._members.__getitem__, nearest) if m is not but][:k]

    def add(self, member: Member) -> None:
        """One more that lives; it has to find its way itself."""
        self._members[_number(member)] = member

    def remove(self, member: Member) -> None:
        """One fewer."""
        del self._members[_number(member)]

    async def kill(self, members: Iterable[Member]) -> None:
        """They are gone without a word, and in the tables of the others."""
        for member in members:
            self.remove(member)
            await member.kill()

    def introduce(self, rtt: float) -> None:
        """Fill the tables, as after hours of `rtt` seconds to everybody."""
        contacts = {
            number: Contact(node_of(m).table.own_id, m.endpoint)
            for number, m in self._members.items()
        }
        now = asyncio.get_running_loop().time()
        for number, member in self._members.items():
            node = node_of(member)
            for other in self._table(number):
                seen = now - self.rng.uniform(0.0, 0.9 * GOOD_SECONDS)
                node.table.seen(contacts[other], seen, verified=True, rtt=rtt)
                node.latency.answered(contacts[other].endpoint, rtt)
            node.last_answer = now
            node.shared.ready.set()
            self._tell_size(node)

    def _table(self, own: int) -> list[int]:
        """Up to k nodes at each distance."""
        table: list[int] = []
        for bit in range(159, -1, -1):
            there = self._span((own ^ 1 << bit) >> bit << bit, bit)
            table += there if len(there) <= K else self.rng.sample(there, K)
            if len(self._span(own >> bit << bit, bit)) <= 1:
                break
        return table

    def _span(self, low: int, bits: int) -> list[int]:
        numbers = self._numbers
        return numbers[bisect_left(numbers, low) : bisect_left(numbers, low + (1 << bits))]

    def _tell_size(self, node: FamilyNode) -> None:
        """What a few lookups would have observed."""
        for _ in range(5):
            share = self.rng.gammavariate(K, 1 / len(self._members))
            edge = int(min(share, 0.99) * (1 << 160)).to_bytes(20, "big")
            target = bytes(16) + self.rng.randbytes(4)
            node.size_estimate.observed(target, [target] * (K - 1) + [edge])


def node_of(member: Member) -> FamilyNode:
    """Its node in the IPv4 network."""
    return member.dht.nodes[Family.V4]


def _number(member: Member) -> int:
    return int.from_bytes(node_of(member).table.own_id, "big")


async def populate(world: World, count: int, rng: random.Random, **changes: Any) -> Population:
    """`count` nodes that know each other, with the limits of the public network."""

    async def start(member: Member) -> None:
        await asyncio.sleep(rng.uniform(0.0, START_SECONDS))
        await member.start()

    options = {"budget_limits": DhtConfig().budget_limits} | changes
    members = [world.member(**options) for _ in range(count)]
    await asyncio.gather(*map(start, members))
    population = Population(world, members, rng)
    population.introduce(4 * world.latency)
    return population
