"""Peers with bad habits: the others are hardly slower for it, and nothing grows without end."""

import asyncio
from functools import cache

import pytest

from node.peer.connection import SMALL_MESSAGE_ROOM, WRITE_LIMIT, WRITE_STALL_TIMEOUT
from node.torrent.first_copy import STALL_SECONDS
from node.torrent.torrent import SESSIONS_PER_IP
from simulation import Network
from tests.swarm.content import KIB, MIB, content
from tests.swarm.strangers import (
    Boaster,
    Flapper,
    Flooder,
    Garbage,
    Hoarder,
    Impostor,
    NeverReads,
    NeverUnchokes,
    Rejecter,
    Stranger,
)
from tests.swarm.world import World, run

LEECHERS = 6
SLOW_UP = 256 * KIB
"""Bytes per second: so that a transfer takes longer than the product's short patience."""
HABITS = [
    Stranger,
    NeverUnchokes,
    Flapper,
    Rejecter,
    Flooder,
    Garbage,
    Boaster,
    NeverReads,
    Impostor,
]


@cache
def seconds_to_complete(habit: type[Stranger] | None, *, first_copy: bool, seed: int = 1) -> float:
    """Virtual, for all leechers, with one stranger of that habit among them from the start.

    `first_copy`: the seed has the only full copy when they come; otherwise there are two.
    """

    async def main(network: Network) -> float:
        async with World(network, content(3 * MIB, piece=64 * KIB)) as world:
            await world.tracker()
            await world.seed(up=SLOW_UP)
            if not first_copy:
                await world.complete([await world.join("second seed", up=SLOW_UP)])
            if habit is not None:
                world.stranger(habit)
            await asyncio.sleep(1)
            start = world.now()
            return await world.complete(await world.leechers(LEECHERS, up=SLOW_UP)) - start

    return run(main, seed=seed)


@pytest.mark.parametrize("habit", HABITS)
def test_p7_p9_p10_p12_a_bad_habit_costs_the_others_at_most_half_as_much_again(habit):
    clean = seconds_to_complete(None, first_copy=False)
    assert seconds_to_complete(habit, first_copy=False) <= 1.5 * clean


@pytest.mark.parametrize("habit", [habit for habit in HABITS if habit is not Impostor])
def test_a_bad_habit_delays_the_first_copy_by_little_more_than_its_stall_time(habit):
    clean = seconds_to_complete(None, first_copy=True)
    assert seconds_to_complete(habit, first_copy=True) <= 1.5 * clean + STALL_SECONDS


def test_p9_who_does_not_read_is_closed_after_the_stall_and_costs_one_buffer():
    async def main(network: Network) -> None:
        async with World(network, content(8 * MIB, piece=64 * KIB)) as world:
            await world.tracker()
            seed = await world.seed()
            leechers = await world.leechers(2)
            await world.complete(leechers)
            stranger = world.stranger(NeverReads)
            start = await world.until(
                lambda: any(not c.transport.is_reading() for c in stranger.conversations)
            )
            await world.until(lambda: world.watcher.largest_write_buffer > 3 * MIB)
            stuck = next(c for c in stranger.conversations if not c.transport.is_reading())
            await world.until(lambda: not stuck.is_open)
            assert WRITE_STALL_TIMEOUT <= world.now() - start <= WRITE_STALL_TIMEOUT + 15
            assert world.watcher.largest_write_buffer <= WRITE_LIMIT + SMALL_MESSAGE_ROOM
            assert all(member.torrent.up.total < 40 * MIB for member in (seed, *leechers))

    run(main)


def test_a_stranger_that_takes_connection_after_connection_is_held_to_a_few():
    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB)) as world:
            await world.tracker()
            seed = await world.seed(max_connections=20)
            world.stranger(Hoarder)
            await asyncio.sleep(15)
            assert len(seed.torrent.sessions) == SESSIONS_PER_IP
            await world.complete(await world.leechers(3), within=20)

    run(main)
