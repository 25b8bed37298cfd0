import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from formats.endpoint import Endpoint
from formats.metainfo import Metainfo
from node.cli.live_progress import LiveProgress, files_table, peers_table, summary
from node.cli.source import read_torrent
from node.torrent.status import State


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=80, force_terminal=False, markup=False)


@pytest.fixture
def metainfo(torrent: Path) -> Metainfo:
    return read_torrent(torrent)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_download_fits_a_window_of_80(console: Console, status) -> None:
    console.print(summary(status(name="x" * 60, down_rate=2.5e6, peers=12, seeds=3, eta=75.0)))
    first, second = shown(console).splitlines()
    assert len(first) <= 80
    assert "50.0%" in first
    assert second.strip() == (
        "down 2.4 MiB/s  up 0 B/s  12 peers (3 seeds)  pieces 4/8  ETA 1 min 15 s"
    )


def test_a_check_and_a_seed(console: Console, status) -> None:
    console.print(summary(status(state=State.CHECKING, checked=0.125)))
    console.print(summary(status(state=State.SEEDING, downloaded=122400)))
    lines = shown(console).splitlines()
    assert "12.5%" in lines[0]
    assert "checking" in lines[0]
    assert lines[3].endswith("1.0 KiB sent")


def test_a_bar_for_every_file(console: Console, status, metainfo: Metainfo) -> None:
    progress = tuple(file.length // 2 for file in metainfo.files)
    console.print(files_table(metainfo, status(file_progress=progress)))
    lines = shown(console).splitlines()
    assert len(lines) == 3
    assert any("album/disc 1/歌.flac" in line and "50%" in line for line in lines)
    assert "album/empty.txt" in lines[-1]
    assert "100%" in lines[-1]


def test_the_fastest_peers_first(console: Console, peer) -> None:
    slow = tuple(peer(endpoint=Endpoint("10.0.0.2", port)) for port in range(1, 20))
    fast = peer(endpoint=Endpoint("::1", 7), down_rate=1e6, flags="DF")
    console.print(peers_table((*slow, fast)))
    lines = shown(console).splitlines()
    assert lines[1].split()[0] == "[::1]:7"
    assert "976.6 KiB/s" in lines[1]
    assert lines[-1].strip() == "and 5 more"


def test_t10_markup_and_escapes_stay_text(
    console: Console, status, peer, metainfo: Metainfo
) -> None:
    evil = "[red]\x1b[2Jx[/red]"
    console.print(summary(status(name=evil)))
    console.print(peers_table((peer(client=evil),)))
    file = replace(metainfo.files[0], path=(evil,))
    console.print(files_table(replace(metainfo, files=(file,)), status(file_progress=(1,))))
    assert shown(console).count(r"[red]\x1b[2Jx[/red]") == 3
    assert "\x1b" not in shown(console)


def test_the_life_of_a_display(console: Console, status, metainfo: Metainfo) -> None:
    live = LiveProgress(verbose=True, console=console)
    live.metadata(metainfo, "magnet:?", Endpoint("::1", 6881))
    live.why("asking 1 tracker for peers")
    live.update(status(), 1.0)
    live.complete(status(downloaded=122400), seconds=2.0, path=Path("album"))
    live.close()
    lines = shown(console).splitlines()
    assert lines[0] == "album: 119.5 KiB, 3 files, 8 pieces; listening on [::1]:6881"
    assert "complete: 119.5 KiB verified; 64.0 KiB received in 2 s (32.0 KiB/s)" in lines
