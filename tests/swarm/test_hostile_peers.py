"""Peers with bad habits: the others are hardly slower for it, and nothing grows without end."""

import asyncio
from functools import cache

import pytest

from node.peer.connection import LEAST_WRITE_LIMIT, WRITE_STALL_TIMEOUT
from node.torrent.members import SESSIONS_PER_IP
from node.torrent.session import BURST_BYTES
from simulation import Network
from tests.swarm.content import KIB, MIB, content
from tests.swarm.strangers import (
    Boaster,
    Flapper,
    Flooder,
    Garbage,
    Hoarder,
    Impostor,
    LureImpostor,
    NeverReads,
    NeverUnchokes,
    Rejecter,
    Stranger,
)
from tests.swarm.world import Member, World, run

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
    LureImpostor,
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


@pytest.mark.parametrize("first_copy", [False, True], ids=["two seeds", "first copy"])
@pytest.mark.parametrize("habit", HABITS)
def test_p7_p9_p10_p12_a_bad_habit_costs_the_others_at_most_half_as_much_again(habit, first_copy):
    clean = seconds_to_complete(None, first_copy=first_copy)
    assert seconds_to_complete(habit, first_copy=first_copy) <= 1.5 * clean


@pytest.mark.parametrize("habit", [Impostor, LureImpostor])
def test_p16_who_comes_first_under_the_seeds_id_does_not_keep_the_seed_out(habit):
    """It talks to every leecher before the seed can."""

    async def main(network: Network) -> None:
        async with World(network, content(3 * MIB, piece=64 * KIB)) as world:
            await world.tracker()
            seed = await world.seed(up=SLOW_UP)
            leechers = await world.leechers(LEECHERS, up=SLOW_UP)
            network.partition(seed.host, [leecher.host for leecher in leechers])
            impostor = world.stranger(habit)
            stolen = seed.torrent.context.peer_id

            def under_the_id(leecher: Member) -> list[str]:
                return [
                    session.connection.remote.host
                    for session in leecher.torrent.sessions
                    if session.peer_id == stolen
                ]

            await world.until(lambda: all(under_the_id(leecher) for leecher in leechers))
            for leecher in leechers:
                assert under_the_id(leecher) == [impostor.host.address]
                assert leecher.torrent.status().pieces == 0
            network.heal()
            both = [impostor.host.address, seed.host.address]
            await world.until(
                lambda: any(under_the_id(leecher) == both for leecher in leechers), within=90
            )
            start = world.now()
            await world.complete(leechers)
            assert world.now() - start <= 1.5 * seconds_to_complete(None, first_copy=True)

    run(main)


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
            await world.until(lambda: world.watcher.largest_write_buffer > LEAST_WRITE_LIMIT)
            stuck = next(c for c in stranger.conversations if not c.transport.is_reading())
            await world.until(lambda: not stuck.is_open)
            assert WRITE_STALL_TIMEOUT <= world.now() - start <= WRITE_STALL_TIMEOUT + 15
            buffer = 2 * LEAST_WRITE_LIMIT + BURST_BYTES
            assert world.watcher.largest_write_buffer <= buffer
            for member in (seed, *leechers):
                assert member.uploaded <= len(world.content.data) + 2 * buffer

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
