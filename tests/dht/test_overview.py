"""What an operator sees."""

import asyncio
import json
from dataclasses import asdict

import simulation
from dht.contact import Family
from formats.identifiers import InfoHash
from simulation import Network
from tests.dht.world import World

HASH = InfoHash(b"a swarm, 20 bytes..."[:20])


def test_the_status_is_complete_and_fit_for_json():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(20)
            await asyncio.sleep(10)
            us = members[4].dht
            us.add_torrent(HASH, 4000)
            await members[5].dht.put(b"an item")
            await asyncio.sleep(10)
            status = us.status()
            assert json.loads(json.dumps(asdict(status)))["problem"] is None
            (family,) = status.families
            assert family.family == "ipv4"
            assert family.node_id == us.node_ids[Family.V4].hex()
            assert family.listen == str(us.endpoints[0])
            assert family.contacts == family.good == len(us.contacts()) >= 10
            assert (family.reachable, family.read_only) == (True, False)
            assert status.announces.torrents == 1
            assert status.announces.oldest_announce_ago is not None
            assert 0 <= status.announces.oldest_announce_ago <= 11
            assert status.queries_out["announce_peer"] >= 8
            assert sum(status.queries_in.values()) >= status.replies > 10
            assert status.bytes_in > 0 < status.bytes_out
            everybody = [member.dht.status() for member in members]
            assert sum(each.families[0].peers_stored for each in everybody) >= 8
            assert sum(each.items_stored for each in everybody) >= 8
            assert everybody[5].items_published == 1

    simulation.run(main, seed=1)
