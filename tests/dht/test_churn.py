"""Nodes that come and go, and a network that was two: what was announced stays findable."""

import asyncio
import math

import pytest

import simulation
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash
from simulation import Network
from tests.dht.large_network import Population, WideWorld, populate
from tests.dht.world import PORT, Member

pytestmark = pytest.mark.slow

HOUR = 3_600.0
MEDIAN_SESSION = HOUR / 2
"""Sessions are memoryless."""

PEER_PORT = 4_000


async def one_after_another(population: Population, member: Member) -> None:
    """A place in the network: whoever holds it leaves in the end, and a newcomer takes it."""
    rng = population.rng
    while True:
        await asyncio.sleep(rng.expovariate(math.log(2) / MEDIAN_SESSION))
        population.remove(member)
        await (member.stop() if rng.random() < 0.5 else member.kill())
        doors = rng.sample(population.members, 2)
        known = tuple((door.endpoint.host, PORT) for door in doors)
        member = await population.world.member(bootstrap=known).start()
        population.add(member)


async def finds(seeker: Member, info_hash: InfoHash, holder: Member) -> bool:
    found = await seeker.dht.get_peers(info_hash)
    return Endpoint(holder.host.address, PEER_PORT) in found.peers


async def churn(network: Network, nodes: int) -> list[tuple[float, bool]]:
    rng = network.random("churn")
    async with WideWorld(network, latency=0.025, loss=0.005) as world:
        population = await populate(world, nodes, rng)
        stable, places = population.members[:4], population.members[4:]
        torrents = [(InfoHash(rng.randbytes(20)), holder) for holder in stable for _ in range(5)]
        for info_hash, holder in torrents:
            holder.dht.add_torrent(info_hash, PEER_PORT)
        samples = []
        async with asyncio.TaskGroup() as group:
            lives = [group.create_task(one_after_another(population, each)) for each in places]
            for minute in range(5, 6 * 60, 10):
                await asyncio.sleep(minute * 60.0 - asyncio.get_running_loop().time())
                for info_hash, holder in torrents:
                    seeker = rng.choice([each for each in population.members if each is not holder])
                    samples.append((minute, await finds(seeker, info_hash, holder)))
            for life in lives:
                life.cancel()
        assert len(world.members) > 6 * nodes, "the network is another one several times over"
    return samples


def test_churn_of_half_an_hour_for_six_hours_leaves_every_hash_findable():
    samples = simulation.run(lambda network: churn(network, 34), seed=1)
    assert len(samples) == 36 * 20
    assert [minute for minute, found in samples if not found] == []


def test_a_partition_of_an_hour_heals():
    async def main(network: Network) -> None:
        rng = network.random("partition")
        async with WideWorld(network, latency=0.025) as world:
            population = await populate(world, 50, rng)
            left, right = population.members[:20], population.members[20:]
            torrents = [(InfoHash(rng.randbytes(20)), side[0]) for side in (left, right)]
            for info_hash, holder in torrents:
                holder.dht.add_torrent(info_hash, PEER_PORT)
            await asyncio.sleep(60.0)
            network.partition([each.host for each in left], [each.host for each in right])
            await asyncio.sleep(HOUR)
            own = [await finds(side[1], *each) for side, each in zip((left, right), torrents)]
            other = [await finds(side[1], *each) for side, each in zip((right, left), torrents)]
            assert (own, other) == ([True, True], [False, False])
            network.heal()

            async def all_find_all() -> bool:
                found = [await finds(each, *torrents[0]) for each in right]
                return all(found + [await finds(each, *torrents[1]) for each in left])

            async with asyncio.timeout(10 * 60.0):
                while not await all_find_all():
                    await asyncio.sleep(60.0)
            await asyncio.sleep(HOUR)
            assert await all_find_all(), "for good"

    simulation.run(main, seed=2)
