"""Rate limits are kept, and used: within a tenth, from outside, over the whole transfer."""

import asyncio

import pytest

from node.torrent.options import TorrentOptions
from simulation import Network
from tests.swarm.content import KIB, MIB, content
from tests.swarm.world import World, run

SIZE = 6 * MIB
RATE = 400_000


def seconds(seed_options, leecher_options, *, leechers=1):
    """Virtual, from the first byte to the last."""

    async def main(network: Network) -> float:
        async with World(network, content(SIZE, piece=64 * KIB)) as world:
            await world.tracker()
            fast = {"up": 50 * MIB, "down": 50 * MIB}
            await world.seed(**fast, **seed_options)
            joined = await world.leechers(leechers, **fast, **leecher_options)
            start = await world.until(lambda: any(leecher.torrent.down.total for leecher in joined))
            return await world.complete(joined) - start

    return run(main)


ASSUMED = TorrentOptions(assume_verified=True, upload_rate=RATE)


@pytest.mark.parametrize(
    ("seed_options", "leecher_options"),
    [
        ({"upload_rate": RATE}, {}),
        ({"torrent": ASSUMED}, {}),
        ({"torrent": ASSUMED, "upload_rate": 2 * RATE}, {}),
        ({}, {"download_rate": RATE}),
        ({}, {"torrent": TorrentOptions(download_rate=RATE)}),
        ({}, {"torrent": TorrentOptions(download_rate=RATE), "download_rate": 2 * RATE}),
    ],
    ids=["up node", "up torrent", "up both", "down node", "down torrent", "down both"],
)
def test_a_limit_is_kept_and_used(seed_options, leecher_options):
    taken = seconds(seed_options, leecher_options)
    assert SIZE / taken == pytest.approx(RATE, rel=0.1)


def test_an_upload_limit_holds_for_all_leechers_together():
    """Both leechers pass on what they get, so that the seed's limit is what both wait for."""
    taken = seconds({"upload_rate": RATE}, {}, leechers=4)
    assert 0.8 * RATE <= SIZE / taken <= 1.1 * RATE


def test_no_second_gets_more_than_a_burst_beyond_the_limit():
    async def main(network: Network) -> None:
        async with World(network, content(SIZE, piece=64 * KIB)) as world:
            await world.tracker()
            seed = await world.seed(up=50 * MIB, upload_rate=RATE)
            (leecher,) = await world.leechers(1, down=50 * MIB)
            await world.until(lambda: leecher.torrent.down.total > 0)
            for _ in range(10):
                before, start = seed.uploaded, world.now()
                await asyncio.sleep(1)
                assert seed.uploaded - before <= 1.25 * RATE * (world.now() - start) + 2 * 16_384
            await world.complete([leecher])

    run(main)
