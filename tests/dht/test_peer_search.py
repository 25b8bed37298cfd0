"""Searches for peers: what is remembered of what nodes say."""

import asyncio

import pytest

import simulation
from dht.contact import Contact, Family
from dht.krpc import Response
from dht.node_id import NodeId
from dht.peer_search import MAX_PEERS, Announcement, PeerSearch
from formats.endpoint import Endpoint, pack
from formats.identifiers import InfoHash
from simulation import Network
from tests.dht.world import World

HASH = InfoHash(b"a swarm, 20 bytes..."[:20])


def test_scrape_and_explain():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(25)
            await asyncio.sleep(10)
            for number, member in enumerate(members):
                await member.dht.announce(HASH, 4000, seed=number < 5)
            scrape = await members[7].dht.scrape(HASH)
            assert scrape.seeds == pytest.approx(5, abs=0.5)
            assert scrape.downloaders == pytest.approx(20, abs=1)
            assert scrape.nodes_answered >= 8
            steps = await members[9].dht.explain(HASH)
            assert {step.result for step in steps} == {"answered"}
            assert all(step.latency == pytest.approx(0.08) for step in steps)
            assert steps[0].asked == 0.0

    simulation.run(main, seed=1)


def test_a_peer_is_told_once_and_their_number_is_bounded():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member = await world.member().start()
            told: list[Endpoint] = []
            search = PeerSearch(member.dht.nodes.values(), HASH, on_peers=told.extend)
            liar = Contact(NodeId(bytes(20)), Endpoint("50.0.0.1", 1))
            peers = [Endpoint(f"60.0.{n >> 8}.{n & 255}", 1) for n in range(MAX_PEERS + 100)]
            for at in range(0, len(peers), 50):
                values = tuple(map(pack, peers[at : at + 50]))
                search._response(liar, Response(b"", liar.id, values=values * 2))
            assert told == peers[:MAX_PEERS]
            assert (await search.run()).peers == tuple(told)

    simulation.run(main, seed=2)


def test_what_was_announced_to_us_is_found_and_known_contacts_shorten_the_way():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(25)
            await asyncio.sleep(10)
            first = PeerSearch(members[3].dht.nodes.values(), HASH)
            found = await first.run()
            stored = await first.announce(Announcement(4000))
            assert stored == [c.endpoint for c in found.closest if c.endpoint in found.tokens]
            holder = next(m for m in members if m.endpoint == stored[0])
            local = await holder.dht.get_peers(HASH)
            assert local.first_peer_seconds == 0.0
            wrong_family = Contact(NodeId(bytes(20)), Endpoint("2600::1", 1))
            again = PeerSearch(
                members[3].dht.nodes.values(), HASH, contacts=[*found.closest, wrong_family]
            )
            assert (await again.run()).closest == found.closest
            assert members[3].dht.nodes[Family.V4].rpc.in_flight == 0

    simulation.run(main, seed=3)
