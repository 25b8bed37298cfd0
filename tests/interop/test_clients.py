"""Each client beside ours, both ways, over our tracker and over opentracker."""

from pathlib import Path

import pytest

from tests.interop.clients.aria2 import Aria2
from tests.interop.clients.client import Client
from tests.interop.clients.everswarm import Everswarm
from tests.interop.clients.libtorrent import Libtorrent
from tests.interop.clients.qbittorrent import Qbittorrent
from tests.interop.clients.rtorrent import Rtorrent
from tests.interop.clients.tracker import EverswarmTracker, Opentracker, Tracker
from tests.interop.clients.transmission import Transmission
from tests.interop.host import LOOPBACK
from tests.interop.payload import PIECE_LENGTH, assert_same
from tests.interop.stage import Stage
from tests.interop.torrents import info_hash, make_with_everswarm

pytestmark = pytest.mark.interop

PATIENCE = 60.0
"""Seconds for a download of a few megabytes: Transmission looks at its peers every ten."""

CASES = [
    *((client, EverswarmTracker, "folder") for client in (Libtorrent, Aria2, Transmission)),
    *((client, EverswarmTracker, "folder") for client in (Rtorrent, Qbittorrent)),
    *((client, EverswarmTracker, "file") for client in (Libtorrent, Qbittorrent)),
    *((client, Opentracker, "folder") for client in (Libtorrent, Rtorrent, Everswarm)),
]


@pytest.fixture
def content(request: pytest.FixtureRequest, shared: str) -> Path:
    """The folder or the file."""
    path: Path = request.getfixturevalue(shared)
    return path


@pytest.mark.parametrize(
    ("client", "tracker", "shared"),
    [
        pytest.param(client, tracker, shared, id=f"{client.__name__}-{tracker.__name__}-{shared}")
        for client, tracker, shared in CASES
    ],
)
class TestBothWays:
    """One seeds, the other hears of it from the tracker and downloads."""

    def test_we_seed(
        self,
        stage: Stage,
        tmp_path: Path,
        client: type[Client],
        tracker: type[Tracker],
        content: Path,
    ) -> None:
        ours, theirs, tracked = _cast(stage, client, tracker)
        torrent = make_with_everswarm(content, tmp_path / "x.torrent", tracked.url)
        tracked.serve(info_hash(torrent))
        ours.publish(content, "--tracker", tracked.url, "--piece-length", str(PIECE_LENGTH))
        tracked.wait_for_seed(info_hash(torrent))

        theirs.download(torrent)

        theirs.wait_complete(patience=PATIENCE)
        copy = theirs.downloads / content.name
        assert_same(copy, content, empty_files=client.creates_empty_files)

    def test_we_download(
        self,
        stage: Stage,
        tmp_path: Path,
        client: type[Client],
        tracker: type[Tracker],
        content: Path,
    ) -> None:
        ours, theirs, tracked = _cast(stage, client, tracker)
        torrent = make_with_everswarm(content, tmp_path / "x.torrent", tracked.url)
        tracked.serve(info_hash(torrent))
        theirs.seed(torrent, content)
        tracked.wait_for_seed(info_hash(torrent))

        ours.get(torrent, patience=PATIENCE)

        assert_same(ours.downloads / content.name, content)


def _cast(
    stage: Stage, client: type[Client], tracker: type[Tracker]
) -> tuple[Everswarm, Client, Tracker]:
    """Ours, theirs and the tracker; on hosts with addresses of their own if theirs wants it."""
    here = stage.new_host() if client.needs_own_address else LOOPBACK
    there = stage.new_host() if client.needs_own_address else LOOPBACK
    return stage.add(Everswarm, here), stage.add(client, there), stage.add(tracker, here)
