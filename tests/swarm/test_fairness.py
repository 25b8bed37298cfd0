"""A seed with few slots gives everybody a share (P17)."""

import asyncio

import pytest

from simulation import Network
from tests.swarm.content import KIB, MIB, content
from tests.swarm.world import World, run


@pytest.mark.parametrize("slots", [1, 3])
def test_p17_a_seed_with_few_slots_starves_nobody(slots):
    """The leechers get most from the seed: their own uplinks are slow."""

    async def main(network: Network) -> None:
        async with World(network, content(4 * MIB, piece=64 * KIB)) as world:
            await world.tracker()
            await world.seed(up=512 * KIB, upload_slots=slots)
            leechers = await world.leechers(12, up=16 * KIB)
            await asyncio.sleep(120)
            shares = [leecher.torrent.down.total for leecher in leechers]
            assert min(shares) >= 0.25 * sum(shares) / len(shares)
            await world.complete(leechers)

    run(main)
