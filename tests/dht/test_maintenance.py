"""Tables over hours: churn, outages, partitions and changed addresses."""

import asyncio

import simulation
from dht.contact import Family
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash
from simulation import Host, Network
from tests.dht.world import PORT, Member, World

HASH = InfoHash(b"a swarm, 20 bytes..."[:20])
SETTLE = 10.0


def good(member: Member) -> int:
    return member.dht.status().families[0].good


def move(host: Host, address: str) -> None:
    """The host has another address from now on; datagrams to the old one are lost."""
    network = host.network
    del network._by_address[host.address]
    host.addresses[0] = address
    network._by_address[address] = host


def test_churn_for_hours_leaves_what_is_announced_findable():
    async def main(network: Network) -> None:
        async with World(network, loss=0.02) as world:
            members = await world.grow(24)
            await asyncio.sleep(SETTLE)
            keeper = members[0]
            keeper.dht.add_torrent(HASH, 4000)
            announced = Endpoint(keeper.host.address, 4000)
            for victim in members[2:14]:
                await victim.kill()
                world.members.remove(victim)
                await world.grow(1, bootstrap=((members[1].host.address, PORT),))
                await asyncio.sleep(300)
                seeker = world.members[-1].dht
                assert (await seeker.get_peers(HASH)).peers == (announced,)
            assert good(keeper) >= 10
            report = keeper.dht.announced(HASH)
            assert report is not None
            assert report.stored >= 4

    simulation.run(main, seed=1)


def test_an_hours_partition_heals():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(20)
            await asyncio.sleep(SETTLE)
            left, right = members[:10], members[10:]
            network.partition([m.host for m in left], [m.host for m in right])
            left[0].dht.add_torrent(HASH, 4000)
            right[0].dht.add_torrent(HASH, 5000)
            await asyncio.sleep(3600)
            here, there = (
                Endpoint(side[0].host.address, port) for side, port in ((left, 4000), (right, 5000))
            )
            assert (await left[3].dht.get_peers(HASH)).peers == (here,)
            assert (await right[3].dht.get_peers(HASH)).peers == (there,)
            network.heal()
            await asyncio.sleep(1200)  # announces come round every 15 minutes
            for member in members:
                assert set((await member.dht.get_peers(HASH)).peers) == {here, there}

    simulation.run(main, seed=2)


def test_r15_after_an_outage_of_ten_minutes_all_is_announced_within_a_minute():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(16)
            await asyncio.sleep(SETTLE)
            us = members[7]
            us.dht.add_torrent(HASH, 4000)
            await asyncio.sleep(60)
            us.host.blackhole()
            await us.dht.get_peers(HASH)  # we notice because we ask
            await asyncio.sleep(600)
            status = us.dht.status()
            assert status.families[0].is_silent
            assert "nodes that used to answer are silent" in str(status.problem)
            before = us.dht.announced(HASH)
            assert before is not None
            us.host.restore()
            back = lambda: us.dht.status().problem is None  # noqa: E731
            assert await world.until(back, within=60) < 15
            again = lambda: us.dht.announced(HASH).announced > before.announced  # noqa: E731
            assert await world.until(again, within=60) < 45
            assert us.dht.status().families[0].recoveries == 1
            assert good(us) >= 10

    simulation.run(main, seed=3)


def test_r15_another_address_is_noticed_and_announced_within_a_minute():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(16)
            await asyncio.sleep(SETTLE)
            us = await world.member(bootstrap=((members[3].host.address, PORT),)).start(
                listen=(("0.0.0.0", PORT),)
            )
            us.dht.add_torrent(HASH, 4000)
            await asyncio.sleep(90)
            old_id = us.dht.node_ids[Family.V4]
            old = us.host.address
            assert (await members[5].dht.get_peers(HASH)).peers == (Endpoint(old, 4000),)
            assert us.dht.status().families[0].external_address == old
            move(us.host, "91.2.3.4")
            new = Endpoint("91.2.3.4", 4000)
            await asyncio.sleep(60)
            assert new in (await members[5].dht.get_peers(HASH)).peers
            (status,) = us.dht.status().families
            assert (status.external_address, status.recoveries) == ("91.2.3.4", 1)
            assert us.dht.node_ids[Family.V4] != old_id, "it must fit the address (BEP 42)"
            assert await us.run(us.dht.findable(HASH, 4000))

    simulation.run(main, seed=4)


def test_a_quiet_network_keeps_its_tables_good():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(12)
            await asyncio.sleep(2 * 3600)
            for member in members:
                (status,) = member.dht.status().families
                assert (status.contacts, status.bad) == (status.good, 0)
                assert status.good >= 8
                assert not status.read_only
            sent = sum(members[0].dht.status().queries_out.values())
            assert sent < 2 * 3600 / 10, "a node at rest asks less than once in ten seconds"

    simulation.run(main, seed=5)


def test_dead_contacts_leave_the_table_in_time():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(20)
            await asyncio.sleep(SETTLE)
            for victim in members[10:]:
                await victim.kill()
                world.members.remove(victim)
            await asyncio.sleep(3600)
            for member in members[:10]:
                (status,) = member.dht.status().families
                assert status.good == 9
                found = await member.dht.find_node(bytes(20))
                assert {contact.endpoint for contact in found} <= {m.endpoint for m in members[:10]}

    simulation.run(main, seed=6)


def test_r15_a_socket_that_died_is_opened_anew():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(12)
            us = members[5]
            us.dht.add_torrent(HASH, 4000)
            await asyncio.sleep(SETTLE)
            us.host.kill()
            us.host.boot()
            await us.dht.get_peers(HASH)
            assert us.dht.status().send_failures > 0
            back = lambda: us.dht.status().families[0].recoveries == 1  # noqa: E731
            assert await world.until(back, within=120) < 90
            assert us.dht.endpoints == (us.endpoint,)
            assert good(us) >= 8
            await asyncio.sleep(SETTLE)
            assert (await us.run(us.dht.findable(HASH, 4000))).found

    simulation.run(main, seed=7)


def test_an_address_that_comes_back_later_is_bound_then():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(8)
            us = members[3]
            await asyncio.sleep(SETTLE)
            old = us.host.address
            move(us.host, "91.2.3.4")
            await asyncio.sleep(60)
            assert us.dht.nodes[Family.V4].rpc.endpoint == us.endpoint._replace(host=old)
            assert us.dht.status().send_failures > 0
            move(us.host, old)
            back = lambda: us.dht.status().families[0].recoveries == 1  # noqa: E731
            assert await world.until(back, within=60) < 30

    simulation.run(main, seed=8)
