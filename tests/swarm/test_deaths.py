"""Peers that die or leave: what is left completes as long as every piece is left."""

import asyncio

import pytest

from simulation import Network
from tests.swarm.content import KIB, MIB, content
from tests.swarm.world import World, run


@pytest.mark.parametrize("politely", [True, False])
@pytest.mark.parametrize("seed", range(1, 4))
def test_the_seed_leaves_when_one_copy_is_out(politely, seed):
    async def main(network: Network) -> None:
        async with World(network, content(6 * MIB, piece=64 * KIB)) as world:
            await world.tracker()
            origin = await world.seed()
            leechers = await world.leechers(8)
            await world.until(lambda: copy_is_out(world, leechers))
            assert sum(leecher.torrent.is_complete for leecher in leechers) < len(leechers) / 2
            await (origin.stop() if politely else origin.kill())
            await world.complete(leechers, within=120)

    run(main, seed=seed)


def copy_is_out(world, leechers):
    """The leechers hold every piece between them."""
    held = 0
    for leecher in leechers:
        held |= leecher.torrent.storage.verified
    return held == (1 << world.content.metainfo.piece_count) - 1


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_fifth_of_the_peers_dies_midway(seed):
    async def main(network: Network) -> None:
        async with World(network, content(3 * MIB, piece=48 * KIB)) as world:
            await world.tracker()
            await world.seed()
            leechers = await world.leechers(15)
            rng = network.random("deaths")
            dying = rng.sample(leechers, 3)
            for leecher in dying:
                await asyncio.sleep(rng.uniform(0.2, 1.5))
                await leecher.kill()
            await world.complete([leecher for leecher in leechers if leecher not in dying])

    run(main, seed=seed)


def test_a_leecher_that_was_killed_comes_back_with_what_it_had():
    async def main(network: Network) -> None:
        async with World(network, content(4 * MIB, piece=64 * KIB)) as world:
            await world.tracker()
            await world.seed()
            (leecher,) = await world.leechers(1)
            await world.until(lambda: leecher.progress > 0.5)
            await leecher.kill()
            await asyncio.sleep(30)
            await world.rejoin(leecher)
            await world.complete([leecher])
            assert leecher.torrent.down.total < 0.6 * 4 * MIB

    run(main)


@pytest.mark.parametrize("state", ["kill", "freeze", "blackhole", "refuse"])
def test_f13_a_polite_stop_in_the_middle_takes_five_seconds_at_most(state):
    """Whatever became of the tracker that would like to hear of it."""

    async def main(network: Network) -> None:
        async with World(network, content(4 * MIB, piece=64 * KIB)) as world:
            tracker = await world.tracker()
            seed = await world.seed()
            leechers = await world.leechers(3)
            await world.until(lambda: leechers[0].progress > 0.3)
            getattr(tracker, state)()
            start = world.now()
            await leechers.pop(0).stop()
            await seed.stop()
            assert world.now() - start <= 2 * 5.1
            if state != "kill":
                tracker.restore()

    run(main)


def test_everybody_stops_at_once():
    async def main(network: Network) -> None:
        async with World(network, content(4 * MIB, piece=64 * KIB)) as world:
            await world.tracker()
            await world.seed()
            leechers = await world.leechers(6)
            await world.until(lambda: leechers[0].progress > 0.3)

    run(main)
