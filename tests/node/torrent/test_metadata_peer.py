"""One peer of a search: what it may say, and what it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

from formats.bencode import encode
from formats.endpoint import Endpoint, pack
from formats.magnet import Magnet
from node.node import Node
from node.peer.extension import LOCAL_IDS, UT_METADATA, UT_PEX
from node.peer.messages import MessageId, encode_index, encode_request
from node.torrent.known_peer import SourceKind
from node.torrent.metadata import (
    MetadataPiece,
    MetadataReject,
    MetadataRequest,
    encode_message,
    parse_message,
)
from node.torrent.metadata_serving import MAX_REFUSALS
from simulation.network import Network
from tests.node.torrent.swarm import Stranger, Us, dial, disk_of, made, node_on, play, until

METAINFO, _ = made(8)
INFO = METAINFO.info_bytes


@asynccontextmanager
async def called(net: Network) -> AsyncIterator[tuple[Node, Stranger]]:
    """A node that searches, and a stranger that called it."""
    host = net.host("us")
    with host:
        async with node_on(host, disk_of(host)) as node:
            node.search(Magnet(METAINFO.info_hash))
            await asyncio.sleep(0)
            us = cast(Us, SimpleNamespace(host=host))
            stranger = await dial(net, us, Stranger(METAINFO))
            yield node, stranger


def said(stranger: Stranger, identity: int = 9) -> list[object]:
    """What the stranger was told under its own ID."""
    return [
        parse_message(payload[1:])
        for kind, payload in stranger.frames
        if kind == "EXTENDED" and payload[0] == identity
    ]


def send(stranger: Stranger, *messages: bytes) -> None:
    for message in messages:
        stranger.talk.send_extension(UT_METADATA, message)
    stranger.say()


def test_it_is_asked_once_it_offers_and_dialled_where_it_listens() -> None:
    async def main(net: Network) -> None:
        async with called(net) as (node, stranger):
            stranger.introduce(extensions={UT_METADATA: 9}, listen_port=4000)
            await asyncio.sleep(0.5)
            assert said(stranger) == []  # it does not say how much there is
            search = node.searches[METAINFO.info_hash]
            known = search.peer_list.get(Endpoint(net.hosts["stranger"].address, 4000))
            assert known is not None
            assert [source.kind for source in known.sources] == [SourceKind.INCOMING]
            stranger.introduce(extensions={UT_METADATA: 9}, metadata_size=len(INFO))
            await until(lambda: said(stranger) == [MetadataRequest(0)], within=1)
            send(stranger, encode_message(MetadataPiece(0, len(INFO), INFO)))
            assert await search.wait() == METAINFO

    play(main)


def test_whatever_it_says_of_pieces_is_passed_over() -> None:
    async def main(net: Network) -> None:
        async with called(net) as (_, stranger):
            stranger.introduce(extensions={UT_METADATA: 9}, metadata_size=len(INFO))
            stranger.has()
            stranger.unchoke()
            stranger.wants()
            stranger.send(encode_index(MessageId.HAVE, 5))
            stranger.send(encode_index(MessageId.ALLOWED_FAST, 5))
            stranger.send(encode_request(MessageId.REQUEST, 0, 0, 16384))
            await asyncio.sleep(1)
            assert not stranger.closed
            kinds = {kind for kind, _ in stranger.frames}
            assert kinds == {"EXTENDED", "HAVE_NONE", "REJECT"}

    play(main)


def test_p14_it_is_refused_what_we_do_not_have_and_a_flood_ends_it() -> None:
    async def main(net: Network) -> None:
        async with called(net) as (_, stranger):
            stranger.introduce(extensions={UT_METADATA: 9})
            stranger.talk.remote_extensions = dict(LOCAL_IDS)
            send(stranger, encode_message(MetadataRequest(0)))
            await until(lambda: said(stranger) == [MetadataReject(0)], within=1)
            send(stranger, *[encode_message(MetadataRequest(0))] * MAX_REFUSALS)
            await until(lambda: stranger.closed, within=1)

    play(main)


def test_p14_a_piece_that_was_not_asked_for_ends_it() -> None:
    async def main(net: Network) -> None:
        async with called(net) as (_, stranger):
            stranger.introduce(extensions={UT_METADATA: 9}, metadata_size=10)
            await until(lambda: said(stranger), within=1)
            stranger.talk.remote_extensions = dict(LOCAL_IDS)
            send(stranger, encode_message(MetadataPiece(1, 10, b"1234567890")))
            await until(lambda: stranger.closed, within=1)

    play(main)


def test_it_may_name_other_peers() -> None:
    async def main(net: Network) -> None:
        async with called(net) as (node, stranger):
            other = Endpoint("8.8.8.8", 51413)
            stranger.introduce(extensions={UT_METADATA: 9})
            stranger.talk.remote_extensions = dict(LOCAL_IDS)
            stranger.talk.send_extension(UT_PEX, encode({b"added": pack(other)}))
            stranger.say()
            peers = node.searches[METAINFO.info_hash].peer_list
            await until(lambda: peers.get(other), within=1)
            known = peers.get(other)
            assert known is not None
            (source,) = known.sources
            assert (source.kind, source.detail) == ("pex", net.hosts["stranger"].address)

    play(main)
