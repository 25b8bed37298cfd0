"""Finding a first node while hosts are dead, names fail, and the network is away."""

import asyncio

import simulation
from dht.bootstrap import SourceKind
from dht.contact import Family
from simulation import Network
from tests.dht.world import PORT, Member, Stranger, World

DEAD = tuple((f"99.{number}.7.1", PORT) for number in range(1, 7))
SETTLE = 10.0


def contacts(member: Member) -> int:
    return len(member.dht.nodes[Family.V4].table)


def test_d15_dead_and_unresolvable_hosts_do_not_hide_the_living_one():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(10)
            await asyncio.sleep(SETTLE)
            hosts = (*DEAD, ("no.such.name", PORT), (members[4].host.name, PORT))
            newcomer = await world.member(bootstrap=hosts).start()
            assert await world.until(lambda: contacts(newcomer) >= 5, within=15) < 10
            errors = {source.host: source.error for source in newcomer.dht.status().bootstrap}
            assert errors[members[4].host.name] is None
            assert str(errors["no.such.name"]).startswith("the name was not resolved")

    simulation.run(main, seed=1)


def test_d15_every_host_dead_says_so_and_the_first_to_wake_is_found():
    async def main(network: Network) -> None:
        async with World(network) as world:
            sleeper = world.host("sleeper")
            lonely = await world.member(bootstrap=(*DEAD, ("sleeper", PORT))).start()
            await asyncio.sleep(300)
            assert str(lonely.dht.status().problem).startswith(
                "none of 7 bootstrap hosts has answered: check that UDP gets out"
            )
            asked = [source.asked for source in lonely.dht.status().bootstrap]
            assert all(7 <= times <= 20 for times in asked), "with back-off, without an end"
            assert not (await lonely.dht.get_peers(bytes(20))).peers
            helper = world.member()
            helper.host = sleeper
            await helper.start(listen=((sleeper.address, PORT),))
            assert await world.until(lambda: lonely.dht.is_ready, within=60) < 30
            assert lonely.dht.status().problem is None

    simulation.run(main, seed=2)


def test_a_few_are_asked_at_once_and_built_in_hosts_only_when_those_are_silent():
    async def main(network: Network) -> None:
        async with World(network) as world:
            (known,) = await world.grow(1)
            built_in = world.host("built in")
            options = {"built_in_hosts": (("built in", PORT),)}
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=(built_in.address, PORT)
            )
            lucky = await world.member(bootstrap=((known.host.name, PORT),), **options).start()
            unlucky = await world.member(bootstrap=DEAD, **options).start()
            await asyncio.sleep(1)
            assert [s.asked for s in unlucky.dht.status().bootstrap] == [1, 1, 1, 1, 0, 0, 0]
            await asyncio.sleep(2)
            sources = {s.kind: s.asked for s in unlucky.dht.status().bootstrap}
            assert sources["built in"] == 1
            assert lucky.dht.is_ready
            transport.close()

    simulation.run(main, seed=3)


def test_names_and_their_failures_are_said():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member = await world.member(bootstrap=(("nowhere.example", PORT),)).start()
            await asyncio.sleep(1)
            assert "could be resolved: check the name server" in str(member.dht.status().problem)
            slow = await world.member(bootstrap=(("slow", PORT),)).start()
            network.names.latency = 60.0
            await asyncio.sleep(10)
            (source,) = slow.dht.status().bootstrap
            assert source.error == "the name was not resolved within 5 seconds"
            network.names.latency = 0.0
            nobody = await world.member().start()
            assert "no node is known: name one" in str(nobody.dht.status().problem)

    simulation.run(main, seed=4)


def test_nodes_of_torrents_and_port_messages_lead_in():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(6)
            for from_peer in (False, True):
                newcomer = await world.member().start()
                newcomer.dht.add_node(members[2].host.address, 0, from_peer=from_peer)
                newcomer.dht.add_node(members[2].host.address, PORT, from_peer=from_peer)
                newcomer.dht.add_node(members[2].host.address, PORT, from_peer=not from_peer)
                assert await world.until(lambda: contacts(world.members[-1]) >= 4, within=10) < 3
                (source,) = newcomer.dht.status().bootstrap
                assert source.kind == (SourceKind.PEER if from_peer else SourceKind.TORRENT)

    simulation.run(main, seed=5)


def test_sources_are_bounded_and_configured_ones_stay():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member = await world.member(bootstrap=DEAD).start()
            for number in range(1_100):
                member.dht.add_node(f"50.{number >> 8}.{number & 255}.1", PORT)
            sources = member.dht.status().bootstrap
            assert len(sources) == 1_000
            assert sum(source.kind == "configured" for source in sources) == len(DEAD)

    simulation.run(main, seed=6)


def test_x3_hearsay_does_not_aim_us_at_our_own_network():
    async def main(network: Network) -> None:
        async with World(network) as world:
            inside = network.host("inside", address="192.168.1.1")
            router = await Stranger.on(inside)
            member = await world.member().start()
            for host in ("192.168.1.1", "inside", "127.0.0.1", "::ffff:192.168.1.1"):
                member.dht.add_node(host, PORT, from_peer=host == "127.0.0.1")
            await asyncio.sleep(60)
            assert router.received == []
            for source in member.dht.status().bootstrap:
                assert source.error == "it has no address that we could or should ask"
            router.close()

    simulation.run(main, seed=7)
