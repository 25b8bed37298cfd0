"""No tracker at all: the DHT brings peers together, and a private torrent never goes there."""

import pytest

from simulation import Network
from tests.swarm.content import MIB, content
from tests.swarm.world import PORT, Member, World, run

BOOTSTRAP = "bootstrap"


async def meeting_place(world: World) -> tuple[tuple[str, int], ...]:
    """A member that only knows where others are: what a bootstrap host is."""
    member = await world.join(BOOTSTRAP, use_dht=True, use_trackers=False)
    return ((member.host.address, PORT),)


async def leechers(world: World, count: int, **options: object) -> list[Member]:
    return await world.leechers(count, use_dht=True, use_trackers=False, **options)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_swarm_without_trackers_meets_in_the_dht(seed: int):
    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB, tiers=())) as world:
            hosts = await meeting_place(world)
            await world.seed(use_dht=True, bootstrap=hosts)
            members = await leechers(world, 6, bootstrap=hosts)
            await world.complete(members, within=90)
            found = [member.torrent.sources.get("dht", 0) for member in members]
            assert sum(found) > 0

    run(main, seed=seed)


def test_the_bootstrap_host_may_die_once_others_are_known():
    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB, tiers=())) as world:
            hosts = await meeting_place(world)
            seed = await world.seed(use_dht=True, bootstrap=hosts)
            first = await leechers(world, 3, bootstrap=hosts)
            await world.complete(first, within=90)
            await world.members[0].kill()
            late = await world.join(
                "late", use_dht=True, bootstrap=((first[0].host.address, PORT),)
            )
            await world.complete([late], within=90)
            assert seed.is_alive

    run(main)


def test_all_trackers_are_dead_and_the_dht_is_enough():
    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB)) as world:
            (await world.tracker()).kill()
            hosts = await meeting_place(world)
            await world.seed(use_dht=True, bootstrap=hosts)
            members = await world.leechers(4, use_dht=True, bootstrap=hosts)
            await world.complete(members, within=90)

    run(main)


def test_peers_tell_each_other_their_dht_ports():
    """`nodes` come by PORT messages alone: nobody was given a bootstrap host (BEP 5)."""

    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB, tiers=())) as world:
            seed = await world.seed(use_dht=True)
            member = await world.join("one", use_dht=True, peers=[seed.endpoint])
            await world.complete([member], within=60)
            dht = member.torrent.context.dht
            assert dht is not None
            await world.until(lambda: dht.is_ready, within=60)

    run(main)


def test_t12_d16_a_private_torrent_is_nothing_for_the_dht():
    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB, private=True, tiers=())) as world:
            hosts = await meeting_place(world)
            seed = await world.seed(use_dht=True, bootstrap=hosts)
            (member,) = await leechers(world, 1, bootstrap=hosts)
            dht = seed.torrent.context.dht
            assert dht is not None
            await world.until(lambda: dht.is_ready)
            now = world.now()
            await world.until(lambda: world.now() > now + 120)
            assert member.progress == 0
            assert not seed.torrent.sessions
            for other in (seed, member):
                counters = other.torrent.context.dht.status()
                assert counters.queries_out.get("get_peers", 0) == 0
                assert counters.queries_out.get("announce_peer", 0) == 0
                assert not other.torrent.local_handshake().dht

    run(main)
