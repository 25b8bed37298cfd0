from dataclasses import replace
from pathlib import Path

import pytest

from formats.magnet import parse_magnet
from formats.metainfo import Metainfo
from node.cli.description import magnet_object, metainfo_lines, metainfo_object
from node.cli.source import read_torrent


@pytest.fixture
def metainfo(torrent: Path) -> Metainfo:
    return read_torrent(torrent)


def test_the_magnet_leads_back_to_the_torrent(metainfo: Metainfo) -> None:
    magnet = parse_magnet(str(metainfo_object(metainfo)["magnet"]))
    assert magnet.info_hash == metainfo.info_hash
    assert magnet_object(magnet)["trackers"] == [["http://tracker.example:6969/announce"]]
    assert magnet_object(magnet)["total_size"] == 122400


def test_everything_a_torrent_may_say(metainfo: Metainfo) -> None:
    rich = replace(
        metainfo,
        is_private=True,
        creation_date=86400,
        created_by="mktorrent",
        nodes=(("2001:db8::1", 6881),),
        web_seeds=("http://w.example/",),
        tiers=(("http://a.example/a", "http://b.example/b"), ("udp://c.example:1/c",)),
    )
    lines = metainfo_lines(rich, every_file=True)
    for line in (
        "private     yes: peers come from its trackers only",
        "created     1970-01-02 00:00:00 UTC by mktorrent",
        "tier 1      http://a.example/a",
        "tier 1      http://b.example/b",
        "tier 2      udp://c.example:1/c",
        "web seed    http://w.example/",
        "DHT node    [2001:db8::1]:6881",
    ):
        assert line in lines


@pytest.mark.parametrize("date", [253402300800, 2**62])
def test_a_date_beyond_the_calendar_is_left_out(metainfo: Metainfo, date: int) -> None:
    lines = metainfo_lines(replace(metainfo, creation_date=date, created_by=None), every_file=True)
    assert not any(line.startswith("created") for line in lines)


def test_folders_are_named_once(metainfo: Metainfo) -> None:
    file = metainfo.files[0]
    paths = [("t", "a", "x"), ("t", "a", "y"), ("t", "a", "b", "z"), ("t", "c", "z")]
    files = tuple(replace(file, path=path, length=1) for path in paths)
    lines = metainfo_lines(replace(metainfo, files=files), every_file=True)
    tree = lines[lines.index("") + 1 :]
    assert [line[20:] for line in tree] == [
        "t/",
        "  a/",
        "    x",
        "    y",
        "    b/",
        "      z",
        "  c/",
        "    z",
    ]
    assert [line[:6].strip() for line in tree] == ["", "", "1", "2", "", "3", "", "4"]
