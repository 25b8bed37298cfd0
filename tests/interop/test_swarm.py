"""One swarm of every client, where ours is the only seed at first and leaves early."""

from pathlib import Path

import pytest

from tests.interop.clients.aria2 import Aria2
from tests.interop.clients.client import Client
from tests.interop.clients.everswarm import Everswarm
from tests.interop.clients.libtorrent import Libtorrent
from tests.interop.clients.qbittorrent import Qbittorrent
from tests.interop.clients.rtorrent import Rtorrent
from tests.interop.clients.tracker import EverswarmTracker
from tests.interop.clients.transmission import Transmission
from tests.interop.patience import wait_until
from tests.interop.payload import FOLDER, assert_same
from tests.interop.stage import Stage
from tests.interop.torrents import info_hash, make_with_everswarm

pytestmark = pytest.mark.interop

DOWNLOADERS: list[type[Client]] = [
    Libtorrent,
    Aria2,
    Transmission,
    Rtorrent,
    Qbittorrent,
    Everswarm,
]
TOTAL = sum(FOLDER.values())


def test_all_clients_complete_though_the_only_seed_leaves_after_one_copy(
    stage: Stage, tmp_path: Path, folder: Path
) -> None:
    tracker = stage.add(EverswarmTracker, stage.new_host())
    torrent = make_with_everswarm(folder, tmp_path / "x.torrent", tracker.url)
    tracker.serve(info_hash(torrent))
    downloaders: list[Client] = [stage.add(kind, stage.new_host()) for kind in DOWNLOADERS]
    seed = stage.add(Everswarm, stage.new_host())
    seed.options = ("--up", "1M")  # or every client has it all before we look
    for client in downloaders:
        client.download(torrent)
    tracker.wait_for_downloaders(info_hash(torrent), len(downloaders))

    seed.seed(torrent, folder)
    # A second longer than the bytes of one copy took: the last of them are on their way.
    wait_until(lambda: sum(sent >= TOTAL for sent in seed.uploads()) >= 2, "one copy is out")
    seed.leave()

    for client in downloaders:
        client.wait_complete(patience=60)
        copy = client.downloads / folder.name
        assert_same(copy, folder, empty_files=client.creates_empty_files)
    assert seed.uploads()[-1] < 1.7 * TOTAL
