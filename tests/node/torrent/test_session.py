"""One peer of a torrent, on the wire: what it hears, what is asked of it, what it is served."""

import asyncio
from collections.abc import Sequence

import pytest

from node.peer import messages
from node.peer.connection import PeerConnection
from node.peer.events import Event
from node.peer.messages import Block, Cancel, Choke, MessageId, Request, Unchoke
from node.torrent.request_choice import END_GAME_DUPLICATES
from node.torrent.request_pipeline import INITIAL_DEPTH
from node.torrent.upload_queue import MAX_QUEUED
from simulation.network import Network
from tests.node.torrent.swarm import (
    BLOCK,
    PIECE,
    Stranger,
    Us,
    dial,
    gives,
    loop,
    made,
    play,
    seed_on,
    sharing,
    until,
)

METAINFO, DATA = made(8)
HALF = DATA[: 4 * PIECE]
"""Pieces 0 to 3."""


def index(number: int) -> bytes:
    return number.to_bytes(4)


async def unchoked(net: Network, us: Us, **fields: object) -> Stranger:
    """A leecher that may ask us."""
    stranger = await dial(net, us, Stranger(METAINFO, **fields))
    stranger.wants()
    await until(lambda: stranger.heard(Unchoke))
    return stranger


def packed(request: tuple[int, int, int]) -> bytes:
    return b"".join(map(index, request))


# Greeting


@pytest.mark.parametrize(
    ("have", "fast", "pieces"),
    [
        (HALF, True, [("BITFIELD", b"\xf0")]),
        (HALF, False, [("BITFIELD", b"\xf0")]),
        (b"", True, [("HAVE_NONE", b"")]),
        (b"", False, []),
    ],
)
def test_the_greeting_is_extensions_then_pieces_then_interest(
    have: bytes, fast: bool, pieces: list[tuple[str, bytes]]
) -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, have) as us:
            stranger = await dial(net, us, Stranger(METAINFO, fast=fast))
            stranger.has()
            await asyncio.sleep(1)
            (kind, extensions), *rest = stranger.frames
            assert kind == "EXTENDED"
            assert extensions.startswith(b"\0d1:md")
            assert b"1:pi6881e4:reqqi2000e1:v13:everswarm" in extensions
            assert rest == [*pieces, ("INTERESTED", b"")]

    play(main)


def test_a_seed_says_have_all_when_it_hides_nothing() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA) as us:
            other = await dial(net, us, Stranger(METAINFO))
            other.has()  # now we are not the only copy
            await until(lambda: other.closed)
            stranger = await dial(net, us, Stranger(METAINFO), name="second")
            kinds = [kind for kind, _ in stranger.frames]
            assert kinds == ["EXTENDED", "HAVE_ALL"] + ["ALLOWED_FAST"] * (len(kinds) - 2)
            assert b"11:upload_onlyi1e" in stranger.frames[0][1]

    play(main)


def test_a_peer_without_extensions_hears_of_none() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            stranger = await dial(net, us, Stranger(METAINFO, extensions=False, fast=False))
            assert stranger.frames == [("BITFIELD", b"\xf0")]

    play(main)


def test_nothing_is_asked_while_choked_nor_of_what_it_lacks() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            stranger = await dial(net, us, Stranger(METAINFO))
            stranger.has(0b0011_1111)
            await asyncio.sleep(5)
            assert stranger.asked == []
            stranger.unchoke()
            await until(lambda: len(stranger.asked) >= 4)
            await asyncio.sleep(5)
            assert sorted(stranger.asked) == [
                (4, 0, BLOCK), (4, BLOCK, BLOCK), (5, 0, BLOCK), (5, BLOCK, BLOCK),
            ]  # fmt: skip

    play(main)


def test_allowed_fast_pieces_are_asked_for_while_choked() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO) as us:
            stranger = await dial(net, us, Stranger(METAINFO))
            stranger.has()
            stranger.talk.allowed_fast(5)
            stranger.say()
            await asyncio.sleep(5)
            assert sorted(stranger.asked) == [(5, 0, BLOCK), (5, BLOCK, BLOCK)]

    play(main)


# Serving


def test_p6_requests_for_pieces_we_lack_are_rejected() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            stranger = await unchoked(net, us)
            stranger.ask((6, 0, BLOCK), (1, 0, BLOCK))
            await until(lambda: stranger.blocks)
            assert stranger.rejected == [(6, 0, BLOCK)]
            assert stranger.blocks == [(1, 0, BLOCK)]
            assert not stranger.closed

    play(main)


def test_p6_without_the_fast_extension_they_are_passed_over_in_silence() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            stranger = await unchoked(net, us, fast=False)
            stranger.ask((6, 0, BLOCK), (1, 0, BLOCK))
            await until(lambda: stranger.blocks)
            await asyncio.sleep(5)
            assert stranger.blocks == [(1, 0, BLOCK)]
            assert "REJECT" not in dict(stranger.frames)

    play(main)


def test_p7_the_queue_is_bounded_and_what_does_not_fit_is_rejected() -> None:
    requests = [(0, begin, BLOCK) for begin in range(MAX_QUEUED + 40)]

    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, upload_rate=1) as us:
            stranger = await unchoked(net, us)
            stranger.ask(*requests)
            await asyncio.sleep(3)
            (session,) = us.torrent.sessions
            assert len(stranger.blocks) == 2  # the burst of the slowest limit
            assert len(session.queue) == MAX_QUEUED - 2
            assert stranger.rejected == requests[MAX_QUEUED:]

    play(main)


def test_p7_a_request_repeated_is_served_once() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            stranger = await unchoked(net, us)
            stranger.ask(*[(0, 0, BLOCK)] * 50, (1, 0, BLOCK))
            await until(lambda: len(stranger.blocks) == 2)
            await asyncio.sleep(2)
            assert stranger.blocks == [(0, 0, BLOCK), (1, 0, BLOCK)]
            assert us.torrent.status().uploaded == 2 * BLOCK

    play(main)


def test_what_is_served_is_what_the_torrent_holds() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            stranger = await unchoked(net, us)
            stranger.ask((3, 100, 1_000), (0, BLOCK, BLOCK))
            await until(lambda: len(stranger.blocks) == 2)
            for block in stranger.heard(Block):
                at = block.index * PIECE + block.begin
                assert block.data == DATA[at : at + len(block.data)]

    play(main)


def test_adjoining_blocks_are_read_together_and_leave_in_one_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[tuple[int, int]] = []
    writes: list[int] = []
    write_blocks = PeerConnection.write_blocks

    def noting_write(self: PeerConnection, buffer: memoryview, payload_bytes: int) -> None:
        writes.append(payload_bytes)
        write_blocks(self, buffer, payload_bytes)

    monkeypatch.setattr(PeerConnection, "write_blocks", noting_write)

    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            read = us.torrent.storage.read

            async def noting_read(offset: int, views: Sequence[memoryview]) -> None:
                reads.append((offset, sum(view.nbytes for view in views)))
                await read(offset, views)

            us.torrent.storage.read = noting_read  # type: ignore[method-assign]
            stranger = await unchoked(net, us)
            # Across the boundary of two pieces, then a gap, then alone.
            stranger.ask((0, 0, BLOCK), (0, BLOCK, BLOCK), (1, 0, BLOCK), (3, 0, BLOCK))
            await until(lambda: len(stranger.blocks) == 4)
            assert reads == [(0, 3 * BLOCK), (3 * PIECE, BLOCK)]
            assert writes == [4 * BLOCK]

    play(main)


def test_a_request_cancelled_in_time_is_not_served_but_rejected() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, upload_rate=10_000) as us:
            stranger = await unchoked(net, us)
            stranger.ask(*[(i, begin, BLOCK) for i in range(4) for begin in (0, BLOCK)])
            stranger.send(messages.encode_request(MessageId.CANCEL, 3, 0, BLOCK))
            await until(lambda: len(stranger.blocks) == 7)
            await asyncio.sleep(5)
            assert (3, 0, BLOCK) not in stranger.blocks
            assert stranger.rejected == [(3, 0, BLOCK)]
            stranger.send(messages.encode_request(MessageId.CANCEL, 3, 0, BLOCK))  # too late
            await asyncio.sleep(5)
            assert len(stranger.rejected) == 1

    play(main)


@pytest.mark.parametrize("fast", [True, False])
def test_a_choke_answers_what_is_queued(fast: bool) -> None:
    asked = [(i, begin, BLOCK) for i in range(4) for begin in (0, BLOCK)]

    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, upload_rate=1) as us:
            stranger = await unchoked(net, us, fast=fast)
            stranger.ask(*asked)
            await asyncio.sleep(2)
            (session,) = us.torrent.sessions
            session.choke()
            await asyncio.sleep(2)
            assert len(session.queue) == 0
            rest = asked[len(stranger.blocks) :]
            assert len(rest) == 6
            kinds = [kind for kind, _ in stranger.frames if kind in ("CHOKE", "REJECT")]
            assert kinds == ["CHOKE"] + ["REJECT"] * (6 if fast else 0)
            if fast:
                assert stranger.rejected == rest

    play(main)


def test_a_peer_that_leaves_takes_its_queue_along() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, upload_rate=1) as us:
            stranger = await unchoked(net, us)
            stranger.ask(*[(0, begin, BLOCK) for begin in range(500)])
            await asyncio.sleep(1)
            (session,) = us.torrent.sessions
            assert len(session.queue)
            stranger.close()
            await until(lambda: not us.torrent.sessions)
            assert len(session.queue) == 0
            assert us.node.context.connections.open == 0

    play(main)


# Downloading


def test_a_peer_that_chokes_us_is_asked_again_when_it_unchokes() -> None:
    """A choke with the fast extension rejects every request; nothing is lost by it."""

    async def main(net: Network) -> None:
        asked: list[Request] = []

        def react(stranger: Stranger, event: Event) -> None:
            if isinstance(event, Request):
                asked.append(event)
                if len(asked) == INITIAL_DEPTH:
                    stranger.talk.choke()
                    for request in asked:
                        stranger.talk.reject(request.index, request.begin, request.length)
                    stranger.say()
                    stranger.react = gives(DATA)

        async with sharing(net, METAINFO) as us:
            stranger = await dial(net, us, Stranger(METAINFO, react=react))
            stranger.has()
            stranger.unchoke()
            await until(lambda: len(asked) == INITIAL_DEPTH)
            await asyncio.sleep(5)
            assert len(asked) == INITIAL_DEPTH
            assert not us.torrent.is_complete
            stranger.unchoke()
            await us.torrent.wait_complete()
            assert us.disk.files[("data.bin",)] == DATA

    play(main)


@pytest.mark.parametrize("fast", [True, False])
def test_p9_what_a_snubbing_peer_was_asked_goes_to_others_after_a_minute(fast: bool) -> None:
    """Until then others are asked for a few of those blocks only."""
    metainfo, data = made(64)

    async def main(net: Network) -> None:
        async with sharing(net, metainfo) as us:
            snub = await dial(net, us, Stranger(metainfo, fast=fast))
            (session,) = us.torrent.sessions
            snub.has()
            snub.unchoke()
            await until(lambda: len(snub.asked) == INITIAL_DEPTH)
            since = loop().time()
            helper = await dial(net, us, Stranger(metainfo, fast=fast), name="helper")
            helper.has(sum({1 << piece for piece, _, _ in snub.asked}))
            helper.unchoke()
            await until(lambda: session.pipeline.snubbed)
            assert 60 <= loop().time() - since <= 62
            assert len(helper.asked) == END_GAME_DUPLICATES
            assert us.torrent.status().peer_rows[0].flags == ("DSIF" if fast else "DSI")
            await until(lambda: len(helper.asked) == INITIAL_DEPTH, within=3)
            assert sorted(helper.asked) == sorted(snub.asked)
            assert len(snub.asked) == INITIAL_DEPTH
            piece, begin, size = snub.asked[0]  # late, and welcome
            at = piece * PIECE + begin
            snub.give(piece, begin, data[at : at + size])
            await until(lambda: not session.pipeline.snubbed)
            assert us.torrent.status().wasted == 0
            await asyncio.sleep(1)
            assert ("CANCEL", packed(snub.asked[0])) in helper.frames

    play(main)


def test_p8_blocks_nobody_asked_for_are_waste_and_end_the_connection() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO) as us:
            stranger = await dial(net, us, Stranger(METAINFO))
            stranger.give(0, 0, DATA[:BLOCK])
            await asyncio.sleep(1)
            assert us.torrent.status().wasted == BLOCK
            assert us.torrent.status().received == 0
            assert not stranger.closed
            for _ in range(4):
                stranger.give(0, 0, DATA[:BLOCK])
            await until(lambda: stranger.closed)
            assert us.torrent.status().pieces == 0

    play(main)


def test_a_verified_piece_is_told_to_everybody_once() -> None:
    """Also to those that have it: a seed that reveals pieces one by one (BEP 16) waits for it."""

    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA[:PIECE]) as us:
            leecher = await dial(net, us, Stranger(METAINFO), name="leecher")
            leecher.has(0)
            seed = await dial(net, us, Stranger(METAINFO, react=gives(DATA)), name="seed")
            seed.has()
            seed.unchoke()
            await us.torrent.wait_complete()
            await asyncio.sleep(1)
            for stranger in (leecher, seed):
                told = [payload for kind, payload in stranger.frames if kind == "HAVE"]
                assert sorted(told) == [index(i) for i in range(1, 8)]

    play(main)


def test_interest_ends_with_the_last_piece_of_use() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO) as us:
            stranger = await dial(net, us, Stranger(METAINFO, react=gives(DATA)))
            stranger.has(0b1)
            stranger.unchoke()
            await until(lambda: us.torrent.status().pieces == 1)
            await asyncio.sleep(1)
            said = [kind for kind, _ in stranger.frames if "INTERESTED" in kind]
            assert said == ["INTERESTED", "NOT_INTERESTED"]
            stranger.talk.have(7)
            stranger.say()
            await until(lambda: us.torrent.status().pieces == 2)
            assert [kind for kind, _ in stranger.frames if "INTERESTED" in kind][2] == "INTERESTED"

    play(main)


# Limits


def test_a_download_limit_pauses_reading() -> None:
    metainfo, data = made(256)  # 8 MiB
    rate = 400_000

    async def main(net: Network) -> None:
        seed = await seed_on(net, metainfo, data)
        async with sharing(net, metainfo, peers=(seed.endpoint,), download_rate=rate) as us:
            start = loop().time()
            await us.torrent.wait_complete()
            took = loop().time() - start
            assert len(data) / rate * 0.85 <= took <= len(data) / rate * 1.05
            assert us.torrent.status().wasted == 0
        seed.close()

    play(main)


def test_an_upload_limit_is_kept() -> None:
    rate = 20_000

    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, options={"upload_rate": rate}) as us:
            stranger = await unchoked(net, us)
            start = loop().time()
            stranger.ask(*[(i, begin, BLOCK) for i in range(4) for begin in (0, BLOCK)])
            await until(lambda: len(stranger.blocks) == 8)
            took = loop().time() - start
            assert (len(HALF) - 2 * BLOCK) / rate <= took <= len(HALF) / rate * 1.2

    play(main)


def test_p7_the_disk_is_not_read_for_a_peer_that_does_not_read() -> None:
    """What is sent waits in the connection, at most its write limit; the rest is not read."""
    metainfo, data = made(512)  # 16 MiB
    most = 4 * 256 * BLOCK

    async def main(net: Network) -> None:
        reads = 0
        async with sharing(net, metainfo, data) as us:
            read = us.torrent.storage.read

            async def noting_read(offset: int, views: Sequence[memoryview]) -> None:
                nonlocal reads
                reads += sum(view.nbytes for view in views)
                await read(offset, views)

            us.torrent.storage.read = noting_read  # type: ignore[method-assign]
            other = await dial(net, us, Stranger(metainfo))
            other.has()
            await until(lambda: other.closed)
            stranger = await dial(net, us, Stranger(metainfo), name="second")
            stranger.wants()
            await until(lambda: stranger.heard(Unchoke))
            assert stranger.transport is not None
            stranger.transport.pause_reading()
            stranger.ask(*[(i, begin, BLOCK) for i in range(512) for begin in (0, BLOCK)])
            await asyncio.sleep(30)
            assert 0 < reads <= most // 2
            stranger.transport.resume_reading()
            await until(lambda: len(stranger.blocks) == 1024)

    play(main)


def test_events_are_all_known() -> None:
    """A choke and a cancel of what is not queued are heard and change nothing."""

    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            stranger = await unchoked(net, us)
            for message in (
                messages.encode_request(MessageId.CANCEL, 1, 0, BLOCK),
                messages.encode_index(MessageId.SUGGEST, 1),
                messages.encode_plain(MessageId.NOT_INTERESTED),
                messages.encode_plain(MessageId.CHOKE),
                messages.encode_port(6881),
                messages.KEEP_ALIVE,
            ):
                stranger.send(message)
            await asyncio.sleep(2)
            assert not stranger.closed
            assert stranger.heard(Cancel) == stranger.heard(Choke) == []

    play(main)
