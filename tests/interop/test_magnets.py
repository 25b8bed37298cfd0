"""Magnets without any tracker: libtorrent gives us the metadata, and we give it to libtorrent."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libtorrent
import pytest

from formats.endpoint import Endpoint
from tests.interop.clients.everswarm import Everswarm
from tests.interop.clients.libtorrent_session import DHT_ON_ONE_MACHINE
from tests.interop.patience import wait_until
from tests.interop.payload import assert_same
from tests.interop.stage import Stage
from tests.interop.torrents import make_with_libtorrent

pytestmark = pytest.mark.interop

PATIENCE = 60.0
"""Seconds for all of it; libtorrent asks its DHT for peers every few seconds."""
PIECE_LENGTH = 16 * 1024
"""Small, so that the metadata has more than one piece of its own."""

NO_TRACKER = "http://127.0.0.1:1/announce"
"""Where nobody is."""


class Session:
    """A libtorrent session on the loopback, for magnets and torrents."""

    def __init__(self, *entries: Endpoint) -> None:
        self.session = libtorrent.session(
            {
                "listen_interfaces": "127.0.0.1:0",
                "enable_dht": bool(entries),
                "dht_bootstrap_nodes": ",".join(map(str, entries)),
                **DHT_ON_ONE_MACHINE,
                "enable_lsd": False,
                "enable_upnp": False,
                "enable_natpmp": False,
                "enable_outgoing_utp": False,
                "enable_incoming_utp": False,
                "allow_multiple_connections_per_ip": True,
            }
        )

    @property
    def endpoint(self) -> Endpoint:
        """Where it takes connections, and its DHT node is."""
        return Endpoint("127.0.0.1", self.session.listen_port())

    def add(self, parameters: Any, directory: Path) -> Any:
        """Share it, without help from its settings."""
        parameters.save_path = str(directory)
        parameters.flags &= ~libtorrent.torrent_flags.auto_managed
        parameters.flags &= ~libtorrent.torrent_flags.paused
        return self.session.add_torrent(parameters)

    def add_torrent(self, torrent: Path, directory: Path) -> Any:
        parameters = libtorrent.add_torrent_params()
        parameters.ti = libtorrent.torrent_info(str(torrent))
        return self.add(parameters, directory)

    def add_magnet(self, magnet: str, directory: Path) -> Any:
        directory.mkdir()
        return self.add(libtorrent.parse_magnet_uri(magnet), directory)


NewSession = Callable[..., Session]


@pytest.fixture
def new_session() -> Iterator[Callable[..., Session]]:
    """Makes sessions, which end with the test."""
    sessions: list[Session] = []

    def make(*entries: Endpoint) -> Session:
        sessions.append(Session(*entries))
        return sessions[-1]

    yield make
    for session in sessions:
        session.session.pause()


def get(ours: Everswarm, source: str, *options: str) -> list[dict[str, Any]]:
    """Download by magnet to `downloads`, without any tracker; what was told."""
    ours.options = ("--no-trackers", *options)
    ours.get(source, patience=PATIENCE)
    return ours.events()


def publish(ours: Everswarm, content: Path) -> str:
    """The magnet of `content`, seeded."""
    ours.publish(content, "--piece-length", str(PIECE_LENGTH))
    wait_until(lambda: bool(ours.events()), "publish says what it has")
    magnet: str = ours.events()[0]["magnet"]
    return magnet


def entry(ours: Everswarm) -> Endpoint:
    """Where our peer and DHT node are."""
    return Endpoint(ours.host.address, ours.port)


@pytest.mark.parametrize("bare", [False, True], ids=["magnet", "info hash"])
@pytest.mark.parametrize("way", ["peer", "dht"])
def test_libtorrent_seeds(
    stage: Stage, new_session: NewSession, tmp_path: Path, folder: Path, way: str, bare: bool
) -> None:
    torrent = make_with_libtorrent(folder, tmp_path / "x.torrent", NO_TRACKER)
    ours = stage.add(Everswarm)
    theirs = new_session(entry(ours)) if way == "dht" else new_session()
    handle = theirs.add_torrent(torrent, folder.parent)
    wait_until(lambda: bool(handle.status().is_seeding), "libtorrent has checked its files")
    source = str(handle.info_hashes().v1) if bare else libtorrent.make_magnet_uri(handle)

    if way == "dht":  # one of two nodes, each of which starts from the other
        ours.dht_entries = (theirs.endpoint,)
        told = get(ours, source)
    else:
        told = get(ours, source, "--peer", str(theirs.endpoint))

    assert_same(ours.downloads / folder.name, folder)
    if way == "peer":
        assert set(told[-1]["sources"]) == {"user"}


@pytest.mark.parametrize("way", ["peer", "dht"])
def test_we_seed(
    stage: Stage, new_session: NewSession, tmp_path: Path, folder: Path, way: str
) -> None:
    ours = stage.add(Everswarm)
    theirs = new_session(entry(ours)) if way == "dht" else new_session()
    if way == "dht":
        ours.dht_entries = (theirs.endpoint,)
    magnet = publish(ours, folder)

    handle = theirs.add_magnet(magnet, tmp_path / "theirs")
    if way == "peer":
        handle.connect_peer(tuple(entry(ours)))

    wait_until(lambda: bool(handle.status().is_seeding), "libtorrent has it all", patience=PATIENCE)
    assert_same(tmp_path / "theirs" / folder.name, folder)


def test_the_magnet_that_we_print_is_fetched_by_another_of_ours(stage: Stage, file: Path) -> None:
    first, second = stage.add(Everswarm), stage.add(Everswarm)
    first.dht_entries, second.dht_entries = (entry(second),), (entry(first),)
    get(second, publish(first, file))
    assert_same(second.downloads / file.name, file)


def test_several_pieces_of_metadata_from_libtorrent(
    stage: Stage, new_session: NewSession, tmp_path: Path
) -> None:
    """A thousand files: their names alone are three pieces of metadata."""
    content = tmp_path / "wide"
    content.mkdir()
    for number in range(1_000):
        (content / f"a file with a rather long name, number {number}").write_bytes(b"%d" % number)
    torrent = make_with_libtorrent(content, tmp_path / "x.torrent", NO_TRACKER)
    assert len(libtorrent.torrent_info(str(torrent)).info_section()) > 3 * 16 * 1024
    theirs, ours = new_session(), stage.add(Everswarm)
    handle = theirs.add_torrent(torrent, tmp_path)
    wait_until(lambda: bool(handle.status().is_seeding), "libtorrent has checked its files")
    get(ours, libtorrent.make_magnet_uri(handle), "--peer", str(theirs.endpoint))
    assert_same(ours.downloads / "wide", content)
