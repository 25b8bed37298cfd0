"""One node with very many torrents on a simulated network."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from dht.peer_store import PeerLimits
from formats.endpoint import Endpoint, pack
from formats.identifiers import InfoHash
from simulation import Network
from tests.dht.large_network import Population, WideWorld, node_of, populate
from tests.dht.world import GENEROUS, Member

PEER_PORT = 4_000

ROOM = PeerLimits(swarms=100_000, swarms_of_host=100_000)
"""A few nodes have to hold what ten million share otherwise."""

SOUGHT = 10
"""Torrents that are looked for in every minute."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What announcing took and brought. `missing` are minutes after the first round."""

    first_round: float
    """Minutes until every torrent was stored."""
    packets: float
    """Queries of announcing per second, in the mean over the minutes after that."""
    not_found: list[int]
    """When a lookup did not bring a torrent's peer."""
    not_stored: list[int]
    """When one of all torrents was at none of the eight nodes closest to it."""


async def measure(
    network: Network, *, nodes: int, torrents: int, packet_rate: float, minutes: int
) -> Figures:
    """Announce; from the first full round on see every minute what others find."""
    rng = network.random("torrents")
    loop = asyncio.get_running_loop()
    async with WideWorld(network, latency=0.02) as world:
        population = await populate(
            world, nodes, rng, peer_limits=ROOM, budget_limits=GENEROUS, packet_rate=packet_rate
        )
        holder = population.members[0]
        hashes = [InfoHash(rng.randbytes(20)) for _ in range(torrents)]
        started = loop.time()
        for info_hash in hashes:
            holder.dht.add_torrent(info_hash, PEER_PORT)
        while holder.dht.status().announces.never_stored:
            await asyncio.sleep(10.0)
        begun, sent = loop.time(), _queries(holder)
        not_found: list[int] = []
        not_stored: list[int] = []
        for minute in range(1, minutes + 1):
            await asyncio.sleep(begun + 60.0 * minute - loop.time())
            lost = await _not_found(population, holder, rng.sample(hashes, SOUGHT))
            not_found += [minute] * lost
            not_stored += [minute] * _not_stored(population, holder, hashes)
        packets = (_queries(holder) - sent) / (loop.time() - begun)
        return Figures((begun - started) / 60.0, packets, not_found, not_stored)


async def _not_found(population: Population, holder: Member, hashes: list[InfoHash]) -> int:
    peer = Endpoint(holder.host.address, PEER_PORT)
    others = [member for member in population.members if member is not holder]
    both = zip(population.rng.choices(others, k=len(hashes)), hashes, strict=True)
    results = await asyncio.gather(*(member.dht.get_peers(each) for member, each in both))
    return sum(peer not in result.peers for result in results)


def _not_stored(population: Population, holder: Member, hashes: Iterable[InfoHash]) -> int:
    compact = pack(Endpoint(holder.host.address, PEER_PORT))
    now = asyncio.get_running_loop().time()

    def is_stored(info_hash: InfoHash) -> bool:
        nearest = population.closest(info_hash, but=holder)
        return any(compact in node_of(m).peers.peers(info_hash, 50, now=now) for m in nearest)

    return sum(not is_stored(info_hash) for info_hash in hashes)


def _queries(member: Member) -> int:
    out = member.dht.status().queries_out
    return out["get_peers"] + out["announce_peer"]
