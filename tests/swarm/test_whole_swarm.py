"""One seed, many leechers, a tracker: the ordinary case."""

import pytest

from simulation import Network
from tests.swarm.content import MIB, content
from tests.swarm.world import World, run
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
