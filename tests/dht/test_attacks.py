"""What strangers do to whole nodes: crowds around a hash (R12), replies aimed at a victim (R13)."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

import simulation
from dht.contact import Contact
from dht.krpc import (
    FindNode,
    Get,
    GetPeers,
    KrpcError,
    Ping,
    Query,
    Response,
    SampleInfohashes,
    encode_query,
    encode_response,
    parse,
)
from dht.node_id import NodeId
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash
from simulation import Host, Network
from tests.dht.large_network import Population, WideWorld, node_of, populate
from tests.dht.world import PORT, Stranger

pytestmark = pytest.mark.slow

PEER_PORT = 4_000
HASH = InfoHash(b"a swarm, 20 bytes...")


class Sybil(Stranger):
    """Answers everything, knows nobody but its own crowd, and stores nothing."""

    node_id: NodeId
    rng: random.Random
    crowd: Sequence["Sybil"] = ()
    endpoint: Endpoint

    @classmethod
    async def at(cls, host: Host, node_id: NodeId) -> "Sybil":
        loop = asyncio.get_running_loop()
        _, sybil = await loop.create_datagram_endpoint(cls, local_addr=(host.address, PORT))
        sybil.node_id, sybil.rng = node_id, host.rng
        sybil.endpoint = Endpoint(host.address, PORT)
        return sybil

    def datagram_received(self, data: bytes, addr: Any) -> None:
        try:
            message = parse(data)
        except KrpcError:
            return
        if isinstance(message, Query):
            named = self.rng.sample(self.crowd, 8)
            nodes = b"".join(Contact(each.node_id, each.endpoint).compact() for each in named)
            reply = Response(message.transaction, self.node_id, nodes=nodes, token=b"thank you")
            self.transport.sendto(encode_response(reply), addr)

    def knock(self, node: Endpoint, target: bytes) -> None:
        """Become known."""
        query = Query(self.rng.randbytes(4), self.node_id, FindNode(target))
        self.transport.sendto(encode_query(query), node)


async def gather_around(population: Population, target: InfoHash, reach: float) -> list[Sybil]:
    """A hundred Sybils on addresses from everywhere, where `reach` honest nodes are to be expected.

    It makes itself known to all nodes that an honest lookup could come across near the target.
    """
    rng = population.rng
    width = int((1 << 160) * reach / len(population.members))
    sybils = []
    for _ in range(100):
        number = int.from_bytes(target, "big") ^ rng.randrange(1, width)
        host = population.world.host()
        sybils.append(await Sybil.at(host, NodeId(number.to_bytes(20, "big"))))
    near = population.closest(target, k=24)
    for sybil in sybils:
        sybil.crowd = sybils
        for member in near:
            sybil.knock(member.endpoint, target)
    return sybils


async def eclipse(network: Network) -> tuple[int, int]:
    """How many of how many seekers found the honest peer."""
    rng = network.random("eclipse")
    async with WideWorld(network, latency=0.025) as world:
        population = await populate(world, 1_000, rng)
        targets = [InfoHash(rng.randbytes(20)) for _ in range(6)]
        reaches = [0.01, 1.0, 8.0] * 2
        crowds = [await gather_around(population, *each) for each in zip(targets, reaches)]
        await asyncio.sleep(30.0)
        found = trials = 0
        for target, reach, crowd in zip(targets, reaches, crowds):
            holder, *seekers = rng.sample(population.members, 21)
            await holder.dht.announce(target, PEER_PORT)
            results = await asyncio.gather(*(each.dht.get_peers(target) for each in seekers))
            peer = Endpoint(holder.host.address, PEER_PORT)
            found += sum(peer in result.peers for result in results)
            trials += len(results)
            sybils = {sybil.node_id for sybil in crowd}
            for result in results if reach < 1.0 else ():
                assert {c.id for c in result.closest[:8]} <= sybils, "they are in between"
            for sybil in crowd:
                sybil.close()
        return found, trials


def test_r12_a_hundred_sybils_around_a_hash_do_not_hide_the_honest_peer():
    found, trials = simulation.run(eclipse, seed=1)
    assert trials == 120
    assert found >= 0.99 * trials


QUERIES = {
    "ping": Ping(),
    "find_node": FindNode(HASH),
    "get_peers": GetPeers(HASH),
    "scrape": GetPeers(HASH, (), False, True),
    "get": Get(HASH),
    "samples": SampleInfohashes(HASH),
}


@pytest.mark.parametrize("burst", [1, 40])
def test_r13_a_forged_source_gets_at_most_three_times_what_was_sent_in_its_name(burst: int):
    async def main(network: Network) -> None:
        rng = network.random("amplification")
        async with WideWorld(network) as world:
            population = await populate(world, 60, rng)
            reflector = population.members[0]
            node = node_of(reflector)
            now = asyncio.get_running_loop().time()
            for number in range(300):
                compact = bytes((30, number // 250, number % 250, 1, 16, 0))
                node.peers.announce(HASH, compact, seed=number % 2 == 0, now=now)
            ratios = {}
            for number, (name, body) in enumerate(QUERIES.items()):
                victim = await Stranger.on(world.host())
                welcome = NodeId(node.table.own_id[:-1] + bytes((number,)))
                query = encode_query(Query(b"abcd", welcome, body))
                for _ in range(burst):
                    victim.send(query, reflector.endpoint)
                await asyncio.sleep(60.0)
                received = [len(data) for data, _ in victim.received]
                assert len(received) == burst + 1, "answers, and a ping to see who that is"
                ratios[name] = sum(received) / (burst * len(query))
                victim.close()
            assert max(ratios.values()) <= 3.0, ratios

    simulation.run(main, seed=2)
