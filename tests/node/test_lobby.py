"""Strangers at the door, who have not yet said which torrent they want."""

import asyncio

import pytest

from formats.identifiers import InfoHash, PeerId
from node.lobby import HALF_OPEN_MINIMUM, HALF_OPEN_PER_IP
from node.peer.handshake import Handshake
from simulation.network import Network
from tests.node.torrent.swarm import (
    PIECE,
    PORT,
    Stranger,
    Us,
    dial,
    loop,
    made,
    play,
    sharing,
    until,
)

METAINFO, DATA = made(8)
HALF = DATA[: 4 * PIECE]


class Mute(asyncio.Protocol):
    """Says nothing by itself, and notes when it was sent away."""

    def __init__(self) -> None:
        self.closed_at: float | None = None
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed_at = loop().time()


async def mute(net: Network, us: Us, name: str) -> Mute:
    host = net.hosts.get(name) or net.host(name)
    _, protocol = await loop().create_connection(
        Mute, us.host.address, PORT, local_addr=(host.address, 0)
    )
    assert isinstance(protocol, Mute)
    return protocol


def test_p9_half_a_handshake_is_given_ten_seconds() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            start = loop().time()
            slow = await mute(net, us, "slow")
            while slow.closed_at is None:  # a byte a second
                slow.transport.write(b"\x13BitTorrent protocol"[int(loop().time() - start) :][:1])
                await asyncio.sleep(1)
            assert 10 <= slow.closed_at - start <= 11.5
            assert slow.received == b""

    play(main)


def test_p9_one_address_may_wait_with_four_at_a_time() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            many = [await mute(net, us, "many") for _ in range(HALF_OPEN_PER_IP + 3)]
            other = await mute(net, us, "other")
            await asyncio.sleep(2)
            waiting = [stranger.closed_at is None for stranger in many]
            assert waiting == [True] * HALF_OPEN_PER_IP + [False] * 3
            assert other.closed_at is None
            # Who has introduced itself does not count any more.
            assert not (await dial(net, us, Stranger(METAINFO), name="other")).closed

    play(main)


def test_p9_all_together_are_bounded_and_the_newest_kept() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, max_connections=50) as us:
            many = [await mute(net, us, f"peer{number}") for number in range(HALF_OPEN_MINIMUM + 5)]
            await asyncio.sleep(2)
            gone = [stranger.closed_at is not None for stranger in many]
            assert gone == [True] * 5 + [False] * HALF_OPEN_MINIMUM
            assert us.node.context.connections.open == 0

    play(main)


@pytest.mark.parametrize(
    "data",
    [
        Handshake(InfoHash(b"x" * 20), PeerId(b"y" * 20)).encode(),
        b"GET /announce HTTP/1.1\r\n\r\n",
        b"\x13BitTorrent Protocol",
    ],
    ids=["another torrent", "another protocol", "almost"],
)
def test_who_asks_for_nothing_of_ours_is_sent_away_without_a_word(data: bytes) -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            stranger = await mute(net, us, "stranger")
            stranger.transport.write(data)
            await until(lambda: stranger.closed_at is not None, within=1)
            assert stranger.received == b""

    play(main)


def test_a_handshake_is_answered_and_the_torrent_found() -> None:
    other, _ = made(4)

    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            second = await us.node.add(other, us.torrent.directory)
            one = await dial(net, us, Stranger(METAINFO), name="one")
            two = await dial(net, us, Stranger(other), name="two")
            for stranger, torrent in ((one, us.torrent), (two, second)):
                answer = Handshake(torrent.info_hash, us.node.context.peer_id)
                assert bytes(stranger.received[:68]) == answer.encode()
                assert [session.peer_id for session in torrent.sessions] == [stranger.peer_id]

    play(main)


def test_a_node_that_stops_sends_everybody_away() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            waiting = await mute(net, us, "waiting")
            await asyncio.sleep(0.5)
        await until(lambda: waiting.closed_at is not None, within=1)

    play(main)
