"""From a magnet to its torrent, on a simulated internet."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from formats import bencode
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash
from formats.magnet import Magnet, magnet_of
from formats.metainfo import Metainfo, MetainfoError, parse_info
from node.node import Node
from node.peer.events import Event, ExtensionMessage, HandshakeReceived
from node.peer.extension import UT_METADATA, ExtensionHandshake
from node.torrent.known_peer import Source, SourceKind
from node.torrent.metadata import (
    PIECE_SIZE,
    MetadataMessage,
    MetadataPiece,
    MetadataReject,
    MetadataRequest,
    encode_message,
    parse_message,
    piece_size,
)
from node.torrent.metadata_peer import PATIENCE
from node.torrent.metadata_search import LIAR_SECONDS, MetadataSearch, SearchStopped, described
from simulation.host import Host
from simulation.network import Network
from tests.node.torrent.swarm import (
    PIECE,
    PORT,
    Listening,
    NotingTracker,
    Stranger,
    Us,
    dial,
    disk_of,
    listen,
    loop,
    made,
    node_on,
    play,
    sharing,
    until,
)

METAINFO, DATA = made(2_000)  # 40 KB of hashes: three pieces of metadata
INFO = METAINFO.info_bytes
MAGNET = Magnet(METAINFO.info_hash)


@dataclass
class Giver:
    """Offers metadata of a size, and answers each request by what `answer` says."""

    size: int = len(INFO)
    answer: Callable[[int], MetadataMessage | None] = field(
        default=lambda n: MetadataPiece(n, len(INFO), INFO[n * PIECE_SIZE : (n + 1) * PIECE_SIZE])
    )
    asked: list[int] = field(default_factory=list)

    def __call__(self, stranger: Stranger, event: Event) -> None:
        if isinstance(event, HandshakeReceived):
            offer = ExtensionHandshake({UT_METADATA: 5}, metadata_size=self.size)
            stranger.talk.send_extension_handshake(offer)
            stranger.talk.send_bitfield(b"\xff" * 250)
        elif isinstance(event, ExtensionMessage) and event.name == UT_METADATA:
            message = parse_message(event.payload)
            assert isinstance(message, MetadataRequest)
            self.asked.append(message.piece)
            reply = self.answer(message.piece)
            if reply is not None:
                stranger.talk.send_extension(UT_METADATA, encode_message(reply))


async def giver(net: Network, name: str, **fields: Any) -> tuple[Giver, Listening]:
    behaviour = Giver(**fields)
    return behaviour, await listen(net, METAINFO, name=name, react=behaviour)


@asynccontextmanager
async def node(net: Network, name: str = "us", **config: Any) -> AsyncIterator[tuple[Node, Host]]:
    host = net.host(name)
    with host:
        async with node_on(host, disk_of(host), **config) as started:
            yield started, host


def play_with(
    main: Callable[[Network, Node], Any], *, within: float = 300.0, **config: Any
) -> None:
    async def whole(net: Network) -> None:
        async with node(net, **config) as (ours, _):
            await main(net, ours)

    play(whole, within=within)


def found(search: MetadataSearch) -> bool:
    return search.metainfo is not None


def test_the_metadata_comes_and_is_verified() -> None:
    async def main(net: Network, ours: Node) -> None:
        behaviour, there = await giver(net, "seed")
        metainfo = await ours.fetch_metadata(MAGNET, peers=[there.endpoint])
        assert metainfo == METAINFO
        assert sorted(behaviour.asked) == [0, 1, 2]
        (stranger,) = there.strangers
        assert ("HAVE_NONE", b"") in stranger.frames
        hello = next(payload for kind, payload in stranger.frames if kind == "EXTENDED")
        assert b"metadata_size" not in hello
        there.close()

    play_with(main)


def test_what_the_magnet_says_stays_with_the_torrent() -> None:
    magnet = replace(
        MAGNET,
        trackers=("http://a.example/announce", "http://b.example/announce"),
        web_seeds=("http://c.example/x",),
    )
    told = described(METAINFO, magnet)
    assert told.tiers == (("http://a.example/announce",), ("http://b.example/announce",))
    assert told.web_seeds == ("http://c.example/x",)
    assert described(told, magnet) == told
    assert magnet_of(told).trackers == magnet.trackers


def test_pieces_come_from_several_peers() -> None:
    metainfo = _wide(files=4_000)
    info = metainfo.info_bytes
    assert len(info) > 8 * PIECE_SIZE

    def give(n: int) -> MetadataMessage:
        return MetadataPiece(n, len(info), info[n * PIECE_SIZE : (n + 1) * PIECE_SIZE])

    async def main(net: Network, ours: Node) -> None:
        behaviours = [Giver(size=len(info), answer=give) for _ in range(3)]
        there = [
            await listen(net, metainfo, name=f"seed{n}", react=behaviour)
            for n, behaviour in enumerate(behaviours)
        ]
        peers = [each.endpoint for each in there]
        assert await ours.fetch_metadata(Magnet(metainfo.info_hash), peers=peers) == metainfo
        assert sum(bool(behaviour.asked) for behaviour in behaviours) > 1
        for each in there:
            each.close()

    play_with(main)


def _wide(files: int) -> Metainfo:
    info = {
        b"files": [{b"length": 8, b"path": [b"file number %06d" % n]} for n in range(files)],
        b"name": b"wide",
        b"piece length": PIECE,
        b"pieces": bytes(20) * -(-8 * files // PIECE),
    }
    return parse_info(bencode.encode(info))


# Liars and others (P14)


def lie(n: int) -> MetadataMessage:
    return MetadataPiece(n, len(INFO), bytes(piece_size(len(INFO), n)))


@pytest.mark.parametrize(
    "fields",
    [
        {"answer": lie},
        {"answer": lambda n: None},  # takes requests and says nothing
        {"answer": MetadataReject},
        {"size": 10_000_000, "answer": lambda n: MetadataPiece(n, 10_000_000, bytes(PIECE_SIZE))},
        {"size": 1, "answer": lambda n: MetadataPiece(n, 1, b"d")},
        {"size": len(INFO) + 1},
        {"answer": lambda n: MetadataPiece(n, len(INFO) - 1, bytes(PIECE_SIZE))},
        {"answer": lambda n: MetadataPiece(n + 100, len(INFO), bytes(PIECE_SIZE))},
    ],
    ids=["false", "silent", "refuses", "huge", "tiny", "size", "total_size", "index"],
)
@pytest.mark.parametrize("later", [0.0, 1.0])
def test_p14_one_liar_does_not_stall_a_magnet(fields: dict[str, Any], later: float) -> None:
    async def main(net: Network, ours: Node) -> None:
        _, liar = await giver(net, "liar", **fields)
        search = ours.search(MAGNET, peers=[liar.endpoint])
        await asyncio.sleep(later)
        assert not found(search)
        _, seed = await giver(net, "seed")
        search.peer_list.add(seed.endpoint, Source(SourceKind.USER), loop().time())
        await until(lambda: found(search), within=6)
        assert search.metainfo == METAINFO
        liar.close()
        seed.close()

    play_with(main)


def test_p14_a_single_liar_is_kept_out_for_five_minutes() -> None:
    async def main(net: Network, ours: Node) -> None:
        behaviour, liar = await giver(net, "liar", answer=lie)
        search = ours.search(MAGNET, peers=[liar.endpoint])
        await until(lambda: search.status().bad_copies == 1, within=2)
        await until(lambda: not search.sessions, within=1)
        now = loop().time()
        assert search.peer_list.is_banned(liar.host.address, now + LIAR_SECONDS - 5)
        assert not search.peer_list.is_banned(liar.host.address, now + LIAR_SECONDS)
        stranger = Stranger(METAINFO, react=Giver(answer=lie))
        us = _us(ours)
        await dial(net, us, stranger, name="liar")
        await until(lambda: stranger.closed, within=1)
        assert sorted(behaviour.asked) == [0, 1, 2]
        liar.close()

    play_with(main)


def _us(ours: Node) -> Us:
    """For `dial`, which wants no more of it than where it is."""
    return cast(Us, SimpleNamespace(host=SimpleNamespace(address=ours.listen_endpoint.host)))


def test_peers_that_get_us_no_further_make_room() -> None:
    async def main(net: Network, ours: Node) -> None:
        _, silent = await giver(net, "silent", answer=lambda n: None)
        without = await listen(net, METAINFO, name="without", extensions=False)
        search = ours.search(MAGNET, peers=[silent.endpoint, without.endpoint])
        await until(lambda: len(search.sessions) == 2, within=2)
        assert search.status().with_metadata == 1
        await asyncio.sleep(PATIENCE - 3)
        assert len(search.sessions) == 2
        await until(lambda: not search.sessions, within=6)
        # And they are asked again, for ever.
        await until(lambda: len(search.sessions) == 2, within=70)
        assert ours.context.connections.open == 2
        silent.close()
        without.close()

    play_with(main)


def test_metadata_that_is_right_but_nothing_for_us() -> None:
    info = bencode.encode({b"meta version": 2, b"name": b"x", b"file tree": {}})
    name = InfoHash(hashlib.sha1(info).digest())

    async def main(net: Network, ours: Node) -> None:
        behaviour = Giver(size=len(info), answer=lambda n: MetadataPiece(n, len(info), info))
        there = await listen(net, replace(METAINFO, info_hash=name), name="s", react=behaviour)
        with pytest.raises(MetainfoError, match=r"of BitTorrent version 2 only"):
            await ours.fetch_metadata(Magnet(name), peers=[there.endpoint])
        there.close()

    play_with(main)


# Where peers come from


@pytest.mark.parametrize("by_name", [True, False])
def test_peers_of_the_link_by_address_and_by_name(by_name: bool) -> None:
    async def main(net: Network, ours: Node) -> None:
        _, there = await giver(net, "seed.example")
        host = "seed.example" if by_name else there.host.address
        search = ours.search(replace(MAGNET, peers=(("nowhere.example", 1), (host, PORT))))
        await until(lambda: found(search), within=2)
        known = search.peer_list.get(there.endpoint)
        assert known is not None
        assert [source.kind for source in known.sources] == [SourceKind.MAGNET]
        there.close()

    play_with(main)


def test_a_search_that_was_stopped_says_so_and_may_begin_anew() -> None:
    async def main(net: Network, ours: Node) -> None:
        search = ours.search(MAGNET)
        assert ours.search(MAGNET) is search
        await asyncio.sleep(1)
        search.stop()
        with pytest.raises(SearchStopped, match=r"^the search for the metadata was stopped$"):
            await search.wait()
        _, there = await giver(net, "seed")
        assert await ours.fetch_metadata(MAGNET, peers=[there.endpoint]) == METAINFO
        there.close()

    play_with(main)


def test_trackers_of_the_link_are_told_that_something_is_missing() -> None:
    async def main(net: Network, ours: Node) -> None:
        _, there = await giver(net, "seed")
        tracker = await NotingTracker(net.host("tracker"), peers=(there.endpoint,)).start()
        magnet = replace(MAGNET, trackers=(tracker.url,))
        metainfo = await ours.fetch_metadata(magnet)
        assert metainfo.tiers == ((tracker.url,),)
        (asked,) = tracker.asked
        assert (asked["event"], asked["left"]) == (b"started", b"1")
        await ours.add(metainfo, Path("/d"))
        await until(lambda: len(tracker.asked) == 2, within=2)
        assert tracker.asked[1]["event"] == b"started"  # no goodbye in between
        assert int(tracker.asked[1]["left"]) == METAINFO.total_size
        there.close()
        tracker.close()

    play_with(main)


def test_a_search_that_is_stopped_says_goodbye() -> None:
    async def main(net: Network) -> None:
        tracker = await NotingTracker(net.host("tracker")).start()
        async with node(net) as (ours, _):
            ours.search(replace(MAGNET, trackers=(tracker.url,)))
            await until(lambda: tracker.asked)
            await asyncio.sleep(1)
        assert [asked.get("event") for asked in tracker.asked] == [b"started", b"stopped"]
        tracker.close()

    play(main)


def test_a_seed_that_dials_us_is_welcome() -> None:
    async def main(net: Network, ours: Node) -> None:
        search = ours.search(MAGNET)
        await asyncio.sleep(0.1)
        stranger = Stranger(METAINFO, react=Giver())
        await dial(net, _us(ours), stranger)
        await until(lambda: found(search), within=2)

    play_with(main)


# What follows


def test_the_torrent_goes_on_with_the_peers_that_were_found() -> None:
    async def main(net: Network, ours: Node) -> None:
        metainfo, data = made(8)
        async with sharing(net, metainfo, data, name="seed") as seed:
            start = loop().time()
            magnet = replace(magnet_of(metainfo), peers=((seed.host.address, PORT),))
            fetched = await ours.fetch_metadata(magnet)
            torrent = await ours.add(fetched, Path("/d"))
            await torrent.wait_complete()
            assert loop().time() - start < 2
            assert torrent.sources == {"magnet": len(data)}
            assert ours.context.connections.half_open == 0
            assert len(ours.searches) == 0

    play_with(main)


def test_t12_the_peers_of_a_private_torrent_do_not_come_along() -> None:
    info = bencode.decode_dict(made(8)[0].info_bytes, bencode.METAINFO) | {b"private": 1}
    metainfo = parse_info(bencode.encode(info))

    async def main(net: Network, ours: Node) -> None:
        def give(n: int) -> MetadataMessage:
            return MetadataPiece(n, None, metainfo.info_bytes)

        behaviour = Giver(size=len(metainfo.info_bytes), answer=give)
        there = await listen(net, metainfo, name="seed", react=behaviour)
        magnet = Magnet(metainfo.info_hash, peers=((there.host.address, PORT),))
        fetched = await ours.fetch_metadata(magnet)
        assert fetched.is_private
        torrent = await ours.add(fetched, Path("/d"))
        await asyncio.sleep(5)
        assert torrent.status().known_peers == 0
        there.close()

    play_with(main)


def test_a_torrent_that_becomes_known_ends_the_search() -> None:
    async def main(net: Network, ours: Node) -> None:
        search = ours.search(MAGNET)
        await ours.add(METAINFO, Path("/d"))
        assert await search.wait() is METAINFO
        assert await ours.known_metadata(MAGNET) is METAINFO

    play_with(main)


def test_what_was_tried() -> None:
    async def main(net: Network, ours: Node) -> None:
        refuses = Endpoint(net.host("refuses").address, PORT)
        hole = net.host("hole")
        hole.blackhole()
        other = await listen(net, made(3)[0], name="other")
        peers = [refuses, Endpoint(hole.address, PORT), other.endpoint]
        search = ours.search(MAGNET, peers=peers)
        await asyncio.sleep(15)
        status = search.status()
        assert (status.known_peers, status.connected) == (3, 0)
        assert (status.refused, status.timed_out, status.sent_away) == (1, 1, 1)
        assert status.dht is None
        other.close()

    play_with(main)
