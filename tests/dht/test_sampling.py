"""Info hashes that nodes know of (BEP 51)."""

import asyncio

import simulation
from dht.peer_store import SAMPLES_INTERVAL
from formats.identifiers import InfoHash
from simulation import Network
from tests.dht.world import World


def test_samples_are_gathered_from_all_on_the_way():
    async def main(network: Network) -> None:
        hashes = [InfoHash(bytes([number]) * 20) for number in range(12)]
        async with World(network) as world:
            members = await world.grow(16)
            await asyncio.sleep(10)
            for member, info_hash in zip(members, hashes):
                await member.dht.announce(info_hash, 4000)
            found = await members[15].dht.sample_infohashes(bytes(20))
            assert set(hashes[:4]) <= set(found.info_hashes) <= set(hashes)
            assert len(found.info_hashes) == len(set(found.info_hashes))
            assert found.totals.keys() == found.intervals.keys()
            assert len(found.totals) == found.nodes_asked >= 8
            assert set(found.intervals.values()) == {SAMPLES_INTERVAL}
            assert max(found.totals.values()) <= 12

    simulation.run(main, seed=1)
