"""The proof from outside."""

import asyncio

import simulation
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash
from simulation import Network
from tests.dht.world import World

HASH = InfoHash(b"a swarm, 20 bytes..."[:20])
SETTLE = 10.0


def test_findable_is_what_a_stranger_finds():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(20)
            await asyncio.sleep(SETTLE)
            us = members[11]
            before = await us.run(us.dht.findable(HASH, 4000))
            assert (before.found, before.peers) == (False, ())
            await us.dht.announce(HASH, 4000)
            proof = await us.run(us.dht.findable(HASH, 4000))
            assert proof.found
            assert proof.peers == (Endpoint(us.host.address, 4000),)
            assert set(proof.entries) == {members[9].endpoint, members[10].endpoint}
            assert not (await us.run(us.dht.findable(HASH, 4001))).found
            first = await members[0].run(members[0].dht.findable(HASH))
            assert first.found, "without bootstrap hosts, through far contacts"

    simulation.run(main, seed=8)
