"""What peers are told that we have: all of it, or from the only full copy each piece once."""

import asyncio

import pytest

from formats.metainfo import Metainfo
from node.torrent.disclosure import REVEAL_SECONDS
from node.torrent.first_copy import STALL_SECONDS, WINDOW_PIECES
from simulation.network import Network
from tests.node.torrent.swarm import (
    BLOCK,
    PIECE,
    Stranger,
    Us,
    dial,
    gives,
    made,
    play,
    sharing,
    until,
)

METAINFO, DATA = made(256)
"""64 pieces of it are open at a peer that is alone: two MiB."""
EVERYTHING = (1 << 256) - 1
SMALL, SMALL_DATA = made(8)


def revealed(stranger: Stranger) -> list[int]:
    """The pieces it heard of by `have`, in order."""
    return [int.from_bytes(payload) for kind, payload in stranger.frames if kind == "HAVE"]


def bits(pieces: list[int]) -> int:
    return sum(1 << piece for piece in pieces)


async def leecher(net: Network, us: Us, name: str, metainfo: Metainfo = METAINFO) -> Stranger:
    """One that is interested, and so unchoked and told of more than one piece."""
    stranger = await dial(net, us, Stranger(metainfo), name=name)
    stranger.has(0)
    stranger.wants()
    await asyncio.sleep(0.5)
    return stranger


def test_b5_the_first_copy_is_revealed_piece_by_piece_each_to_one_peer() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA) as us:
            assert us.torrent.disclosure.is_first_copy
            one = await leecher(net, us, "one")
            two = await leecher(net, us, "two")
            assert [kind for kind, _ in one.frames][:2] == ["EXTENDED", "HAVE_NONE"]
            assert b"upload_only" not in one.frames[0][1]
            assert (len(revealed(one)), len(revealed(two))) == (64, WINDOW_PIECES)
            assert not bits(revealed(one)) & bits(revealed(two))
            choked = await dial(net, us, Stranger(METAINFO), name="choked")
            assert len(revealed(choked)) == 1  # enough to become interested
            for shown in (12, 28, 60, 124):  # each piece it gets makes room for two
                for piece in revealed(two):
                    two.talk.have(piece)
                two.say()
                await asyncio.sleep(0.5)
                assert len(revealed(two)) == len(set(revealed(two))) == shown
                assert not bits(revealed(one)) & bits(revealed(two))
            assert len(revealed(one)) == 64

    play(main)


def test_b5_only_what_was_revealed_may_be_asked_for() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA) as us:
            stranger = await leecher(net, us, "one")
            shown = revealed(stranger)
            hidden = next(piece for piece in range(256) if piece not in shown)
            assert not stranger.talk.peer_choking
            stranger.ask((hidden, 0, BLOCK), (shown[0], 0, BLOCK))
            await until(lambda: stranger.blocks and stranger.rejected)
            assert stranger.rejected == [(hidden, 0, BLOCK)]
            assert stranger.blocks == [(shown[0], 0, BLOCK)]

    play(main)


def test_b5_what_a_peer_took_along_is_revealed_to_another() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA) as us:
            one = await leecher(net, us, "one")
            gone = bits(revealed(one))
            one.close()
            await until(lambda: not us.torrent.sessions)
            two = await leecher(net, us, "two")
            for _ in range(4):
                for piece in revealed(two):
                    two.talk.have(piece)
                two.say()
                await asyncio.sleep(0.5)
            assert bits(revealed(two)) & gone == gone

    play(main)


def test_b5_a_piece_stuck_at_a_peer_is_revealed_to_another_after_a_while() -> None:
    metainfo, data = SMALL, SMALL_DATA

    async def main(net: Network) -> None:
        async with sharing(net, metainfo, data) as us:
            one = await leecher(net, us, "one", metainfo)
            two = await leecher(net, us, "two", metainfo)
            assert len(revealed(one)) == len(revealed(two)) == WINDOW_PIECES
            assert not bits(revealed(one)) & bits(revealed(two))
            for piece in revealed(two):
                two.talk.have(piece)
            two.say()
            await asyncio.sleep(STALL_SECONDS - 3)
            assert len(revealed(two)) == WINDOW_PIECES
            await asyncio.sleep(REVEAL_SECONDS + 3)
            assert sorted(revealed(two)) == list(range(8))
            assert len(revealed(one)) == WINDOW_PIECES

    play(main)


@pytest.mark.parametrize("how", ["a bitfield", "the last piece"])
def test_b5_another_full_copy_ends_the_hiding(how: str) -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA) as us:
            one = await leecher(net, us, "one")
            other = await dial(net, us, Stranger(METAINFO), name="other")
            other.has(EVERYTHING if how == "a bitfield" else EVERYTHING - 1)
            if how == "the last piece":
                await asyncio.sleep(0.5)
                assert len(revealed(one)) == 64
                other.talk.have(0)
                other.say()
            await until(lambda: not us.torrent.disclosure.is_first_copy)
            await asyncio.sleep(0.5)
            assert sorted(revealed(one)) == list(range(256))  # each once
            assert other.closed
            late = await dial(net, us, Stranger(METAINFO), name="late")
            assert late.frames[1] == ("HAVE_ALL", b"")

    play(main)


def test_b5_the_peers_holding_a_copy_between_them_end_it() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA) as us:
            strangers = [await leecher(net, us, name) for name in ("one", "two")]
            has = dict.fromkeys(strangers, 0)
            for _ in range(10):  # what one was told of, both get
                pieces = {piece for stranger in strangers for piece in revealed(stranger)}
                for stranger in strangers:
                    for piece in sorted(pieces):
                        if not has[stranger] >> piece & 1:
                            has[stranger] |= 1 << piece
                            stranger.talk.have(piece)
                    stranger.say()
                await asyncio.sleep(0.5)
            assert not us.torrent.disclosure.is_first_copy
            for stranger in strangers:
                assert bits(revealed(stranger)) | has[stranger] == EVERYTHING
                assert len(revealed(stranger)) == len(set(revealed(stranger)))

    play(main)


def test_one_that_is_still_downloading_hides_nothing() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, SMALL, SMALL_DATA[: 3 * PIECE]) as us:
            assert not us.torrent.disclosure.is_first_copy
            stranger = await dial(net, us, Stranger(SMALL))
            assert stranger.frames[1] == ("BITFIELD", b"\xe0")
            seed = await dial(net, us, Stranger(SMALL, react=gives(SMALL_DATA)), name="seed")
            seed.has()
            seed.unchoke()
            await us.torrent.wait_complete()
            await asyncio.sleep(0.5)
            assert not us.torrent.disclosure.is_first_copy
            assert sorted(revealed(stranger)) == [3, 4, 5, 6, 7]

    play(main)


def test_a_slow_fast_peer_of_a_seed_is_allowed_some_pieces_while_choked() -> None:
    """The allowed-fast set (BEP 6): a newcomer gets something to trade without a slot."""

    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA) as us:
            other = await dial(net, us, Stranger(METAINFO))
            other.has()
            await until(lambda: other.closed)
            stranger = await dial(net, us, Stranger(METAINFO), name="second")
            allowed = [
                int.from_bytes(payload)
                for kind, payload in stranger.frames
                if kind == "ALLOWED_FAST"
            ]
            assert len(allowed) == 10
            stranger.ask((allowed[0], 0, BLOCK))
            await until(lambda: stranger.blocks)
            assert stranger.talk.peer_choking
            plain = await dial(net, us, Stranger(METAINFO, fast=False), name="plain")
            assert "ALLOWED_FAST" not in dict(plain.frames)

    play(main)
