"""Torrents that others make, and what others read in ours."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import libtorrent
import pytest

from tests.interop.availability import require
from tests.interop.clients.everswarm import Everswarm
from tests.interop.clients.libtorrent import Libtorrent
from tests.interop.clients.tracker import EverswarmTracker
from tests.interop.payload import FOLDER, PIECE_LENGTH, assert_same
from tests.interop.stage import Stage
from tests.interop.torrents import (
    info_hash,
    make_with_everswarm,
    make_with_libtorrent,
    make_with_mktorrent,
)

pytestmark = pytest.mark.interop

TRACKER = "http://tracker.example:6969/announce"


@pytest.fixture
def ours(folder: Path, tmp_path: Path) -> Path:
    """A torrent of the folder, made by `everswarm create`."""
    return make_with_everswarm(folder, tmp_path / "ours.torrent", TRACKER)


@pytest.mark.parametrize("make", [make_with_mktorrent, make_with_libtorrent])
def test_we_download_torrents_of_others(
    stage: Stage, tmp_path: Path, folder: Path, make: Callable[[Path, Path, str], Path]
) -> None:
    tracker = stage.add(EverswarmTracker)
    torrent = make(folder, tmp_path / "theirs.torrent", tracker.url)
    tracker.serve(info_hash(torrent))
    stage.add(Libtorrent).seed(torrent, folder)
    tracker.wait_for_seed(info_hash(torrent))
    downloader = stage.add(Everswarm)

    downloader.get(torrent, patience=30)

    assert_same(downloader.downloads / folder.name, folder)


def test_libtorrent_reads_ours(ours: Path, folder: Path) -> None:
    read = libtorrent.load_torrent_file(str(ours))

    assert read.trackers == [TRACKER]
    assert read.ti is not None
    assert read.ti.name() == folder.name
    assert read.ti.piece_length() == PIECE_LENGTH
    files = read.ti.layout()
    sizes = {files.file_path(i): files.file_size(i) for i in range(files.num_files())}
    assert sizes == {f"{folder.name}/{name}": size for name, size in FOLDER.items()}


def test_transmission_reads_ours(ours: Path, folder: Path) -> None:
    require("transmission-show")

    said = _output("transmission-show", ours)

    assert f"Name: {folder.name}\n" in said
    assert f"Hash: {info_hash(ours).hex()}\n" in said
    assert TRACKER in said
    files = re.findall(r"^  (.+) \([\d.]+ \w+\)$", said, re.MULTILINE)
    assert sorted(files) == sorted(f"{folder.name}/{name}" for name in FOLDER)


def test_aria2_reads_ours(ours: Path, folder: Path) -> None:
    require("aria2c")

    said = _output("aria2c", "--no-conf", "--show-files", ours)

    assert f"Info Hash: {info_hash(ours).hex()}\n" in said
    assert f"Name: {folder.name}\n" in said
    assert TRACKER in said
    files = re.findall(r"^ +\d+\|\./(.+)\n +\|[\d.]+\w* \(([\d,]+)\)$", said, re.MULTILINE)
    sizes = {name: int(size.replace(",", "")) for name, size in files}
    assert sizes == {f"{folder.name}/{name}": size for name, size in FOLDER.items()}


def _output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout
