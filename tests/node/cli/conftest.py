"""The command, in this process and as a real one, and torrents that libtorrent made."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import libtorrent
import pytest

from formats.endpoint import Endpoint
from node.cli.application import run
from node.torrent.status import PeerStatus, State, TorrentStatus


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Result]


@pytest.fixture
def everswarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Runs `everswarm ARGUMENTS` in this process, in tmp_path, to its end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def command(*arguments: str | Path) -> Result:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        return Result(int(status), *capsys.readouterr())

    yield command
    logging.getLogger().handlers.clear()
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `everswarm ARGUMENTS` as a real process in tmp_path; kills it if it is left over."""
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "node", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `album` of three files, one of them empty and one with a name in Japanese."""
    folder = tmp_path / "album"
    (folder / "disc 1").mkdir(parents=True)
    (folder / "disc 1" / "歌.flac").write_bytes(bytes(range(256)) * 400)
    (folder / "cover.jpg").write_bytes(b"jpeg" * 5000)
    (folder / "empty.txt").touch()
    return folder


@pytest.fixture(name="make_torrent")
def fixture_make_torrent() -> Callable[..., Path]:
    """make_torrent(path, target, trackers=..., comment=..., private=...)."""
    return make_torrent


def make_torrent(path: Path, target: Path, **fields: Any) -> Path:
    """A v1 torrent of `path`, made by libtorrent."""
    creator = libtorrent.create_torrent(
        libtorrent.list_files(str(path)), 16384, libtorrent.create_torrent.v1_only
    )
    for tier, tracker in enumerate(fields.get("trackers", ())):
        creator.add_tracker(tracker, tier)
    creator.set_comment(fields.get("comment", ""))
    creator.set_priv(fields.get("private", False))
    libtorrent.set_piece_hashes(creator, str(path.parent))
    target.write_bytes(libtorrent.bencode(creator.generate()))
    return target


@pytest.fixture
def torrent(folder: Path, tmp_path: Path) -> Path:
    """`album.torrent` of `folder`, with one tracker."""
    return make_torrent(
        folder,
        tmp_path / "album.torrent",
        trackers=["http://tracker.example:6969/announce"],
        comment="ripped with care",
    )


@pytest.fixture
def status() -> Callable[..., TorrentStatus]:
    """status(peers=2, ...): a torrent half downloaded, with these members changed."""
    return _status


def _status(**changed: Any) -> TorrentStatus:
    half = TorrentStatus(
        name="album",
        state=State.DOWNLOADING,
        error=None,
        total=122400,
        downloaded=61200,
        received=65536,
        uploaded=1024,
        wasted=16384,
        down_rate=0.0,
        up_rate=0.0,
        peers=0,
        seeds=0,
        known_peers=0,
        complete_peers=0,
        pieces=4,
        piece_count=8,
        availability=0.5,
        eta=None,
        checked=1.0,
        sources={"tracker": 65536},
        trackers=(),
        peer_rows=(),
        file_progress=(20000, 41200, 0),
    )
    return replace(half, **changed)


@pytest.fixture
def peer() -> Callable[..., PeerStatus]:
    """peer(progress=1.0, ...): a connected peer."""
    return _peer


def _peer(**changed: Any) -> PeerStatus:
    row = PeerStatus(
        endpoint=Endpoint("10.0.0.1", 6881),
        client="qBittorrent 5.1",
        progress=0.25,
        down_rate=0.0,
        up_rate=0.0,
        source="tracker",
        flags="",
    )
    return replace(row, **changed)
