import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from formats.endpoint import Endpoint
from node.cli.json_lines import JsonLines, JsonProgress
from node.cli.progress import PlainProgress, completion, headline, open_progress, status_line
from node.cli.source import read_torrent
from node.torrent.status import State


def test_a_line_at_a_change_of_state_and_every_five_seconds(status) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    for now, checked in ((94.0, 0.1), (98.9, 0.2), (99.0, 0.25), (99.1, 0.3)):
        progress.update(status(state=State.CHECKING, checked=checked), now)
    for now in (100.5, 101.0, 104.0, 105.4):
        progress.update(status(pieces=int(now)), now)
    progress.update(status(pieces=106), 105.5)
    assert stream.getvalue().splitlines() == [
        "checking 25%",
        "50.0% of 119.5 KiB, down 0 B/s, up 0 B/s, 0 peers (0 seeds), pieces 100/8, ETA -",
        "50.0% of 119.5 KiB, down 0 B/s, up 0 B/s, 0 peers (0 seeds), pieces 106/8, ETA -",
    ]


def test_an_idle_seed_writes_nothing(status) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    for now in range(100, 200):
        progress.update(status(state=State.SEEDING), float(now))
    assert stream.getvalue() == "seeding, up 0 B/s, 1.0 KiB sent, 0 peers (0 seeds)\n"


def test_the_whole_of_a_download_in_plain_lines(status, torrent: Path) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.metadata(read_torrent(torrent), "magnet:?", Endpoint("::1", 6881))
    progress.why("asking 1 tracker for peers")
    done = status(downloaded=122400, received=140000)
    progress.complete(done, seconds=70.0, path=Path("album"))
    progress.close()
    assert stream.getvalue().splitlines() == [
        "album: 119.5 KiB, 3 files, 8 pieces; listening on [::1]:6881",
        "waiting: asking 1 tracker for peers",
        "complete: 119.5 KiB verified; 136.7 KiB received in 1 min 10 s (2.0 KiB/s)",
    ]


def test_what_was_there_already(status) -> None:
    done = status(downloaded=122400, received=0)
    assert completion(done, 0.5) == "complete: 119.5 KiB were already here, verified"


def test_a_line_of_every_other_state(status) -> None:
    assert status_line(status(state=State.PAUSED)) == "paused"
    moving = status(down_rate=2.5e6, up_rate=1000.0, peers=3, seeds=1, eta=75.0)
    assert status_line(moving) == (
        "50.0% of 119.5 KiB, down 2.4 MiB/s, up 1000 B/s, 3 peers (1 seed), pieces 4/8,"
        " ETA 1 min 15 s"
    )


def test_t10_a_name_is_escaped(torrent: Path) -> None:
    metainfo = replace(read_torrent(torrent), name="\x1b[2J\r[bold]x")
    assert headline(metainfo) == r"\x1b[2J\r[bold]x: 119.5 KiB, 3 files, 8 pieces"


def test_the_display_fits_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    from node.cli.live_progress import LiveProgress

    json = JsonProgress(JsonLines(io.StringIO()))
    assert open_progress(json, verbose=False) is json
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(open_progress(None, verbose=False), PlainProgress)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(open_progress(None, verbose=False), LiveProgress)
