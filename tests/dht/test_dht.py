"""Whole DHT nodes on the simulated internet."""

import asyncio

import pytest

import simulation
from dht.contact import Family
from dht.rpc import NoAnswerError
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash
from simulation import Network
from tests.dht.world import PORT, World

HASH = InfoHash(b"a swarm, 20 bytes..."[:20])
SETTLE = 10.0
"""Virtual seconds after which a small network knows itself."""


def test_what_one_announces_all_others_find():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(30)
            await asyncio.sleep(SETTLE)
            assert await members[3].dht.announce(HASH, 4000) >= 8
            announced = Endpoint(members[3].host.address, 4000)
            for member in members:
                told: list[Endpoint] = []
                found = await member.dht.get_peers(HASH, on_peers=told.extend)
                assert found.peers == (announced,) == tuple(told)
                assert found.nodes_asked <= 16
                assert found.first_peer_seconds is not None
                assert found.first_peer_seconds <= found.seconds <= 1.0
                assert len(found.closest) >= 8
                assert {c.endpoint for c in found.closest} <= found.tokens.keys()

    simulation.run(main, seed=1)


def test_get_peers_right_after_the_start_waits_for_a_first_contact():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(12)
            await asyncio.sleep(SETTLE)
            await members[0].dht.announce(HASH, 4000, seed=True)
            newcomer = await world.member(bootstrap=((members[5].host.name, PORT),)).start()
            assert not newcomer.dht.is_ready
            found = await newcomer.dht.get_peers(HASH)
            assert found.peers == (Endpoint(members[0].host.address, 4000),)
            assert found.seconds < 1.0
            assert (await newcomer.dht.get_peers(HASH, noseed=True)).peers == ()

    simulation.run(main, seed=2)


def test_find_node_and_ping():
    async def main(network: Network) -> None:
        async with World(network, latency=0.05) as world:
            members = await world.grow(20)
            await asyncio.sleep(SETTLE)
            dht = members[4].dht
            node_id, seconds = await dht.ping(members[9].endpoint)
            assert node_id == members[9].dht.node_ids[Family.V4]
            assert seconds == pytest.approx(0.2)
            target = bytes(20)
            everybody = {m.dht.node_ids[Family.V4] for m in members if m is not members[4]}
            nearest = sorted(everybody)[:8]
            assert [contact.id for contact in await dht.find_node(target)] == nearest
            with pytest.raises(NoAnswerError, match=r"^99\.1\.1\.1:1 did not answer$"):
                await dht.ping(Endpoint("99.1.1.1", 1))
            with pytest.raises(NoAnswerError, match="no address from which"):
                await dht.ping(Endpoint("2600::1", 1))

    simulation.run(main, seed=3)


def test_an_isolated_network_of_two_forms_and_lasts_without_any_outside_host():
    async def main(network: Network) -> None:
        async with World(network) as world:
            first = await world.member().start()
            second = await world.member(bootstrap=((first.host.address, PORT),)).start()
            both_know = lambda: first.dht.is_ready and second.dht.is_ready  # noqa: E731
            assert await world.until(both_know, within=5) < 2
            assert await first.dht.announce(HASH, 4000) == 1
            assert await second.dht.announce(HASH, 5000) == 1
            peers = {Endpoint(first.host.address, 4000), Endpoint(second.host.address, 5000)}
            assert set((await first.dht.get_peers(HASH)).peers) == peers
            assert set((await second.dht.get_peers(HASH)).peers) == peers
            await asyncio.sleep(3 * 3600)
            for member in (first, second):
                (status,) = member.dht.status().families
                assert (status.good, status.read_only) == (1, False)

    simulation.run(main, seed=4)


def test_d15_contacts_saved_are_enough_to_come_back():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(20)
            await asyncio.sleep(SETTLE)
            member = members[8]
            saved, node_ids = member.dht.save(), member.dht.node_ids
            assert len(member.dht.contacts()) > 10
            await member.stop()
            await member.start(saved=saved, bootstrap=())
            assert member.dht.node_ids == node_ids, "kept while it fits the address"
            assert await member.dht.wait_ready(3)
            await asyncio.sleep(5)
            assert len(member.dht.nodes[Family.V4].table) > 10
            kinds = {source.kind for source in member.dht.status().bootstrap}
            assert kinds == {"saved"}

    simulation.run(main, seed=9)


def test_d15_a_damaged_saved_state_is_said_and_survived():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member = await world.member(saved=b"rubbish").start()
            assert str(member.dht.status().saved_problem).startswith("not a saved DHT state")

    simulation.run(main, seed=10)


def test_two_runs_of_one_seed_are_alike():
    async def main(network: Network) -> str:
        async with World(network, loss=0.05) as world:
            members = await world.grow(12)
            await members[3].dht.announce(HASH, 4000)
            await asyncio.sleep(60)
        return network.digest()

    assert simulation.run(main, seed=13) == simulation.run(main, seed=13)
