"""Who may download from us: the choker's decisions on the wire."""

import asyncio

import pytest

from node.peer.messages import KEEP_ALIVE
from node.torrent.choker import (
    INITIAL_SLOTS,
    MINIMUM_SLOTS,
    ROUND_SECONDS,
    SEED_TURN_SECONDS,
)
from simulation.network import Network
from tests.node.torrent.swarm import (
    PIECE,
    Stranger,
    Us,
    dial,
    gives,
    loop,
    made,
    play,
    sharing,
    until,
)

METAINFO, DATA = made(64)
HALF = DATA[: 32 * PIECE]


async def wanting(net: Network, us: Us, name: str) -> Stranger:
    """A leecher that is interested, on a host of its own."""
    stranger = await dial(net, us, Stranger(METAINFO), name=name)
    stranger.wants()
    await asyncio.sleep(0.5)
    return stranger


def unchoked(*strangers: Stranger) -> list[bool]:
    return [not stranger.talk.peer_choking for stranger in strangers]


@pytest.mark.parametrize("data", [HALF, DATA], ids=["leecher", "seed"])
def test_a_free_slot_is_given_at_once_and_no_more_than_there_are(data: bytes) -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, data, upload_slots=2) as us:
            strangers = [await wanting(net, us, f"peer{number}") for number in range(4)]
            assert unchoked(*strangers) == [True, True, False, False]
            silent = await dial(net, us, Stranger(METAINFO), name="silent")
            assert unchoked(silent) == [False]

    play(main)


def test_who_loses_interest_makes_room_at_once_and_is_choked_in_the_next_round() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, upload_slots=1) as us:
            one, two = [await wanting(net, us, name) for name in ("one", "two")]
            assert unchoked(one, two) == [True, False]
            one.talk.not_interested()
            one.say()
            await asyncio.sleep(0.5)
            assert unchoked(one, two) == [True, True]
            await asyncio.sleep(ROUND_SECONDS)
            assert unchoked(one, two) == [False, True]

    play(main)


def test_the_slot_of_one_that_leaves_goes_to_another_at_once() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, upload_slots=1) as us:
            one, two = [await wanting(net, us, name) for name in ("one", "two")]
            one.close()
            await until(lambda: unchoked(two) == [True], within=0.5)

    play(main)


def test_a_stop_gives_no_slots() -> None:
    """Everybody leaves at once then, and nobody is unchoked in the rush."""

    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, upload_slots=1) as us:
            strangers = [await wanting(net, us, name) for name in ("one", "two")]
        await asyncio.sleep(1)
        assert [stranger.closed for stranger in strangers] == [True, True]
        assert unchoked(*strangers) == [True, False]

    play(main)


def test_in_a_round_the_slot_goes_to_who_gives() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, upload_slots=1) as us:
            idle = await wanting(net, us, "idle")
            giver = await dial(net, us, Stranger(METAINFO, react=gives(DATA)), name="giver")
            giver.has(0b11 << 32)
            giver.wants()
            giver.unchoke()
            await until(lambda: us.torrent.status().pieces == 34)
            assert unchoked(idle, giver) == [True, False]
            await until(lambda: unchoked(idle, giver) == [False, True], within=ROUND_SECONDS + 1)
            await asyncio.sleep(2 * ROUND_SECONDS - 5)
            assert unchoked(idle, giver) == [False, True]

    play(main)


def test_p17_a_seed_gives_turns() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA, upload_slots=1) as us:
            one, two = [await wanting(net, us, name) for name in ("one", "two")]
            for before in ([True, False], [False, True]):
                since = loop().time()
                await until(lambda before=before: unchoked(one, two) == before[::-1])
                took = loop().time() - since
                one.send(KEEP_ALIVE)
                two.send(KEEP_ALIVE)
                assert SEED_TURN_SECONDS - 1 <= took <= SEED_TURN_SECONDS + ROUND_SECONDS + 1

    play(main, within=300)


def test_p17_a_second_connection_of_an_address_does_not_get_it_another_turn() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA, upload_slots=1) as us:
            one = await wanting(net, us, "one")
            two = await wanting(net, us, "two")
            greedy = await wanting(net, us, "one")
            await until(lambda: not all(unchoked(one)))
            assert unchoked(one, two, greedy) == [False, True, False]

    play(main)


def test_the_upload_limit_says_how_many_slots_there_are() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, upload_rate=1_000) as us:
            strangers = [await wanting(net, us, f"peer{n}") for n in range(INITIAL_SLOTS + 1)]
            assert sum(unchoked(*strangers)) == INITIAL_SLOTS
            await asyncio.sleep(ROUND_SECONDS + 1)
            assert sum(unchoked(*strangers)) == MINIMUM_SLOTS

    play(main)


def test_without_a_limit_nor_a_measured_rate_the_first_number_stays() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            strangers = [await wanting(net, us, f"peer{n}") for n in range(INITIAL_SLOTS + 1)]
            await asyncio.sleep(ROUND_SECONDS + 1)
            assert sum(unchoked(*strangers)) == INITIAL_SLOTS

    play(main)
