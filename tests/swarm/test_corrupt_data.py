"""Bad bytes: who sends them is banned, who does not is not, and everybody completes (P11, R10).

That no honest peer is banned (I13) is looked at all the time, in every scenario.
"""

import asyncio
from typing import Any

import pytest

from simulation import Network
from tests.swarm.content import MIB, content
from tests.swarm.lying_disk import LyingDisk
from tests.swarm.world import Member, World, run

PIECE = 65_536


async def lying(world: World, name: str, *, one_in: int, **options: Any) -> Member:
    """A whole node of ours that sends one bad block in so many."""
    liar = await world.join(name, honest=False, disk=LyingDisk, **options)
    assert isinstance(liar.disk, LyingDisk)
    liar.disk.one_in = one_in
    return liar


def lies(liar: Member) -> int:
    assert isinstance(liar.disk, LyingDisk)
    return liar.disk.lies


def bans(world: World, liar: Member) -> int:
    """How many honest members have banned it."""
    return sum(
        member.torrent.peer_list.is_banned(liar.host.address, world.now())
        for member in world.members
        if member.honest
    )


@pytest.mark.parametrize("seed", range(1, 4))
def test_p11_a_seed_that_always_lies_is_banned_by_everybody_who_asked_it(seed):
    async def main(network: Network) -> None:
        async with World(network, content(3 * MIB, piece=PIECE)) as world:
            await world.tracker()
            await world.seed()
            liar = await lying(world, "liar", one_in=1, complete=True)
            leechers = await world.leechers(6)
            await world.complete(leechers)
            assert bans(world, liar) >= 5

    run(main, seed=seed)


@pytest.mark.parametrize(("liars", "seed"), [(1, 1), (1, 2), (4, 1), (4, 2), (8, 1), (8, 2)])
def test_r10_of_ten_peers_some_lie_in_one_block_of_64(liars, seed):
    async def main(network: Network) -> None:
        async with World(network, content(2 * MIB, piece=PIECE)) as world:
            await world.tracker()
            await world.seed()
            for n in range(liars):
                await lying(world, f"liar{n}", one_in=64)
            await world.complete(await world.leechers(10 - liars))

    run(main, seed=seed)


@pytest.mark.parametrize("seed", range(1, 4))
def test_r10_liars_in_every_fourth_block_are_banned_by_most(seed):
    async def main(network: Network) -> None:
        async with World(network, content(3 * MIB, piece=PIECE)) as world:
            await world.tracker()
            await world.seed()
            liars = [await lying(world, f"liar{n}", one_in=4) for n in range(4)]
            leechers = await world.leechers(6)
            await world.complete(leechers)
            for liar in liars:
                assert lies(liar) > 0
                assert bans(world, liar) >= 3

    run(main, seed=seed)


def test_a_liar_that_was_banned_does_not_get_in_again():
    async def main(network: Network) -> None:
        async with World(network, content(2 * MIB, piece=PIECE)) as world:
            await world.tracker()
            liar = await lying(world, "liar", one_in=1, complete=True)
            (leecher,) = await world.leechers(1)
            await world.until(lambda: bans(world, liar) == 1)
            for _ in range(20):
                await asyncio.sleep(30)
                assert not leecher.torrent.sessions
            await world.seed()
            await world.complete([leecher])

    run(main)


def test_data_that_rots_on_one_seed_of_two_costs_nobody_the_download():
    """Nobody notices but the leechers, who take the rotten seed for a liar."""

    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB, piece=PIECE)) as world:
            await world.tracker()
            await world.seed()
            rotten = await world.join("rotten", complete=True, honest=False)
            rotten.disk.corrupt(("payload",), 300_000)
            await world.complete(await world.leechers(4))

    run(main)


def test_data_that_rots_on_the_only_seed_is_never_taken_for_whole():
    """The bad piece is refused by everybody, and with it, for a day, the seed: a liar, it seems."""

    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB, piece=PIECE)) as world:
            await world.tracker()
            rotten = await world.join("rotten", complete=True, honest=False)
            rotten.disk.corrupt(("payload",), 300_000)
            leechers = await world.leechers(4)
            await asyncio.sleep(120)
            for leecher in leechers:
                assert not leecher.torrent.is_complete
                assert not leecher.torrent.picker.have >> (300_000 // PIECE) & 1
            assert bans(world, rotten) > 0
            await world.seed()
            await world.complete(leechers)

    run(main)
