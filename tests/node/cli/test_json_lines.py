import io
import json
from pathlib import Path
from typing import Any

import pytest

from formats.endpoint import Endpoint
from formats.errors import StorageError
from node.cli.json_lines import JsonLines, JsonProgress
from node.cli.source import read_torrent


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def progress(stream: io.StringIO) -> JsonProgress:
    return JsonProgress(JsonLines(stream, clock=lambda: 1700000000.12345))


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_metadata(progress: JsonProgress, stream: io.StringIO, torrent: Path) -> None:
    metainfo = read_torrent(torrent)
    progress.metadata(metainfo, "magnet:?xt=...", Endpoint("::1", 6881))
    assert events(stream) == [
        {
            "event": "metadata",
            "time": 1700000000.123,
            "name": "album",
            "info_hash": metainfo.info_hash.hex(),
            "total_size": 122400,
            "piece_length": 16384,
            "piece_count": 8,
            "files": 3,
            "private": False,
            "magnet": "magnet:?xt=...",
            "listen": "[::1]:6881",
        }
    ]


def test_progress_once_a_second(progress: JsonProgress, stream: io.StringIO, status) -> None:
    for now in (10.0, 10.5, 10.9, 11.0):
        progress.update(status(downloaded=int(now * 10), down_rate=1234.56, eta=2.34), now)
    first, second = events(stream)
    assert (first["downloaded"], second["downloaded"]) == (100, 110)
    members = {
        "event": "progress",
        "total": 122400,
        "down_rate": 1235,
        "up_rate": 0,
        "peers": 0,
        "seeds": 0,
        "eta": 2.3,
        "state": "downloading",
        "wasted": 16384,
    }
    assert members.items() <= first.items()


def test_why_and_complete(progress: JsonProgress, stream: io.StringIO, status) -> None:
    progress.why("asking 1 tracker for peers")
    progress.complete(status(), seconds=1.23456, path=Path("downloads/album"))
    why, complete = events(stream)
    assert why == {
        "event": "why",
        "time": 1700000000.123,
        "reason": "asking 1 tracker for peers",
    }
    assert complete["seconds"] == 1.235
    assert complete["sources"] == {"tracker": 65536}
    assert complete["path"] == "downloads/album"


def test_an_error_is_told_and_goes_on(stream: io.StringIO) -> None:
    lines = JsonLines(stream, clock=lambda: 5.0)
    with pytest.raises(StorageError), lines.errors():
        raise StorageError("the disk\nis full")
    assert events(stream) == [{"event": "error", "time": 5.0, "message": "the disk is full"}]


def test_every_line_is_ascii_whatever_the_name(stream: io.StringIO) -> None:
    JsonLines(stream, clock=lambda: 5.0).emit("x", name="\x1b\n歌\udcff")
    assert stream.getvalue().isascii()
    assert stream.getvalue().count("\n") == 1
