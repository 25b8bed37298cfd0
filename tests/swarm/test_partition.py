"""The network is cut in the middle of it, and heals."""

import asyncio

import pytest

from simulation import Network
from tests.swarm.content import KIB, MIB, content
from tests.swarm.world import World, run


@pytest.mark.parametrize("seconds", [20.0, 100.0, 400.0, 1200.0])
def test_f10_leechers_cut_off_from_the_seed_complete_after_it_heals(seconds):
    async def main(network: Network) -> None:
        async with World(network, content(4 * MIB, piece=64 * KIB)) as world:
            tracker = await world.tracker()
            seed = await world.seed()
            near, far = await world.leechers(2), [await world.join(f"far{n}") for n in range(3)]
            await world.until(lambda: all(leecher.progress > 0.1 for leecher in far))
            island = [leecher.host for leecher in far]
            network.partition([tracker, seed.host, *(n.host for n in near)], island)
            await world.complete(near)
            await asyncio.sleep(seconds)
            assert not any(leecher.torrent.is_complete for leecher in far)
            network.heal()
            start = world.now()
            await world.complete(far, within=1000)
            assert world.now() - start <= 90

    run(main)


@pytest.mark.parametrize("seed", range(1, 4))
def test_lossy_lines_that_jitter(seed):
    async def main(network: Network) -> None:
        async with World(network, content(2 * MIB)) as world:
            await world.tracker()
            await world.seed()
            leechers = await world.leechers(6)
            for host in network.hosts.values():
                host.jitter, host.loss = 0.05, 0.03
            await world.complete(leechers)

    run(main, seed=seed)
