"""One seed, many leechers, a tracker: the ordinary case."""

from math import floor, log2

import pytest

from simulation import Network
from tests.swarm.content import MIB, content
from tests.swarm.world import UP, World, run
from tracker.announce import SwarmCounts


@pytest.mark.slow
def test_thirty_leechers_get_right_copies_and_the_seed_sends_each_piece_once_before_twice():
    async def main(network: Network) -> None:
        async with World(network, content(2 * MIB)) as world:
            await world.tracker()
            seed = await world.seed()
            assert seed.torrent.disclosure.is_first_copy
            leechers = await world.leechers(30)
            await world.until(lambda: not seed.torrent.disclosure.is_first_copy)
            assert seed.uploaded <= 1.25 * len(world.content.data)
            await world.complete(leechers, within=10)
            for leecher in leechers:
                assert leecher.disk.files == {("payload",): world.content.data}
            received = sum(leecher.torrent.down.total for leecher in leechers)
            assert sum(leecher.torrent.status().wasted for leecher in leechers) <= 0.15 * received
            await world.until(lambda: counts(world).complete == 31, within=60)
            assert counts(world).downloaded == 30

    run(main)


def counts(world: World) -> SwarmCounts:
    """What the tracker thinks of the swarm."""
    info_hash = world.content.metainfo.info_hash
    return world.trackers["tracker"].swarms.scrape([info_hash])[info_hash]


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_small_swarm_by_many_seeds(seed):
    async def main(network: Network) -> None:
        async with World(network, content(MIB)) as world:
            await world.tracker()
            await world.seed()
            await world.complete(await world.leechers(4), within=10)

    run(main, seed=seed)


@pytest.mark.parametrize("seed", range(1, 4))
def test_b5_the_first_copy_of_a_small_torrent_is_shared_out_at_once(seed):
    """Near the bound of Mundinger, Weber and Weiss (2008): T* = F/u (1 + floor(log2 N) / pieces).

    The torrent is as small as what a lone peer may have open (`WINDOW_BYTES`): if whoever comes
    first were given all of it, the seed would send most of it three times over.
    """
    leechers, size = 8, 2 * MIB

    async def main(network: Network) -> None:
        async with World(network, content(size)) as world:
            await world.tracker()
            origin = await world.seed()
            joined = await world.leechers(leechers)
            start = await world.until(lambda: any(leecher.torrent.down.total for leecher in joined))
            took = await world.complete(joined) - start
            bound = size / UP * (1 + floor(log2(leechers)) / world.content.metainfo.piece_count)
            assert took <= 1.6 * bound
            assert origin.uploaded <= 2 * size

    run(main, seed=seed)
