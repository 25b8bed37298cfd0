"""Peer exchange with libtorrent: it tells us of others, and hears of others from us."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import libtorrent
import pytest

from formats.endpoint import Endpoint
from formats.metainfo import Metainfo, parse_metainfo
from node.config import NodeConfig
from node.node import Node
from node.torrent.known_peer import SourceKind
from node.torrent.options import TorrentOptions
from node.torrent.torrent import Torrent
from tests.interop.payload import PIECE_LENGTH

pytestmark = pytest.mark.interop

HOST = "127.0.0.1"
SLOW = 20_000
"""Bytes per second: nobody completes, and leaves, before the others have met."""
PATIENCE = 20.0
"""Seconds: libtorrent's timer leaves three between any two messages."""


class Session:
    """One libtorrent in this process, with one torrent and nothing but TCP and peer exchange."""

    def __init__(self, torrent: Path, directory: Path) -> None:
        self._session = libtorrent.session(
            {
                "listen_interfaces": f"{HOST}:0",
                "enable_dht": False,
                "enable_lsd": False,
                "enable_upnp": False,
                "enable_natpmp": False,
                "enable_outgoing_utp": False,
                "enable_incoming_utp": False,
                "allow_multiple_connections_per_ip": True,
            }
        )
        parameters = libtorrent.add_torrent_params()
        parameters.ti = libtorrent.torrent_info(str(torrent))
        parameters.save_path = str(directory)
        parameters.flags &= ~libtorrent.torrent_flags.auto_managed
        parameters.flags &= ~libtorrent.torrent_flags.paused
        parameters.download_limit = SLOW
        self._handle = self._session.add_torrent(parameters)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(HOST, self._session.listen_port())

    @property
    def is_ready(self) -> bool:
        """It listens, and has looked at what is on disk."""
        state = self._handle.status().state
        return self._session.listen_port() != 0 and state in (
            libtorrent.torrent_status.downloading,
            libtorrent.torrent_status.seeding,
        )

    def call(self, peer: Endpoint) -> None:
        self._handle.connect_peer(tuple(peer))

    def found_by_pex(self) -> list[Endpoint]:
        """Whom it is connected to and was told of by a neighbour."""
        return [
            Endpoint(*peer.ip)
            for peer in self._handle.get_peer_info()
            if peer.source & peer.pex and not peer.flags & (peer.handshake | peer.connecting)
        ]

    def close(self) -> None:
        self._session.remove_torrent(self._handle)
        self._session.pause()


@contextmanager
def libtorrents(torrent: Path, *directories: Path) -> Iterator[list[Session]]:
    """One in each directory."""
    sessions = [Session(torrent, directory) for directory in directories]
    try:
        yield sessions
    finally:
        for session in sessions:
            session.close()


@asynccontextmanager
async def sharing(metainfo: Metainfo, directory: Path, *peers: Endpoint, **config: Any) -> Any:
    """Our node, on the loopback, with that torrent."""
    settings = NodeConfig(listen=(HOST, 0), use_dht=False, use_trackers=False, **config)
    async with Node(settings) as node:
        torrent = await node.add(metainfo, directory, options=TorrentOptions(peers=peers))
        await until(lambda: torrent.state != "checking", "the check")
        yield node, torrent


async def until(condition: Callable[[], object], what: str) -> None:
    for _ in range(int(PATIENCE / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{what}: not within {PATIENCE:g} s")


def named_by_pex(torrent: Torrent, endpoint: Endpoint) -> bool:
    known = torrent.peer_list.get(endpoint)
    return known is not None and any(source.kind is SourceKind.PEX for source in known.sources)


def without_tracker(content: Path, target: Path) -> Path:
    creator = libtorrent.create_torrent(
        libtorrent.list_files(str(content)), PIECE_LENGTH, libtorrent.create_torrent.v1_only
    )
    libtorrent.set_piece_hashes(creator, str(content.parent))
    target.write_bytes(libtorrent.bencode(creator.generate()))
    return target


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "seed" / "data.bin"
    file.parent.mkdir()
    file.write_bytes(bytes(range(256)) * 8192)
    return file


async def test_libtorrent_tells_us_of_a_peer_and_we_get_its_data(
    tmp_path: Path, data: Path
) -> None:
    """We know libtorrent, libtorrent knows another of us, which has everything."""
    path = without_tracker(data, tmp_path / "x.torrent")
    metainfo = parse_metainfo(path.read_bytes())
    for name in ("middle", "a"):
        (tmp_path / name).mkdir()
    with libtorrents(path, tmp_path / "middle") as (middle,):
        await until(lambda: middle.is_ready, "libtorrent is ready")
        async with sharing(metainfo, data.parent, use_pex=False) as (b_node, b):
            middle.call(b_node.listen_endpoint)
            await until(lambda: b.sessions, "libtorrent calls the seed")
            async with sharing(metainfo, tmp_path / "a", middle.endpoint) as (_, a):
                await until(lambda: named_by_pex(a, b_node.listen_endpoint), "we hear of the seed")
                await asyncio.wait_for(a.wait_complete(), PATIENCE)
                assert a.sources["pex"] > metainfo.total_size / 2


async def test_we_tell_libtorrent_of_a_peer_and_it_connects(tmp_path: Path, data: Path) -> None:
    """Two libtorrents know us alone."""
    path = without_tracker(data, tmp_path / "x.torrent")
    metainfo = parse_metainfo(path.read_bytes())
    for name in ("a", "middle"):
        (tmp_path / name).mkdir()
    with libtorrents(path, tmp_path / "a", data.parent) as (a, b):
        await until(lambda: a.is_ready and b.is_ready, "libtorrent is ready")
        async with sharing(metainfo, tmp_path / "middle", download_rate=SLOW) as (node, middle):
            b.call(node.listen_endpoint)
            await until(lambda: middle.sessions, "the seed calls us")
            a.call(node.listen_endpoint)
            await until(
                lambda: b.endpoint in a.found_by_pex() or a.endpoint in b.found_by_pex(),
                "they meet",
            )
