from importlib.metadata import version
from pathlib import Path

import pytest

from formats.create import CreateError
from node.cli.addresses import HostPort
from node.cli.content import Content, make


def content(*paths: Path, **changed: object) -> Content:
    usual: dict[str, object] = {
        "trackers": None,
        "tiers": None,
        "nodes": None,
        "web_seeds": None,
        "piece_length": None,
        "private": False,
        "comment": None,
        "name": None,
        "source": None,
        "date": False,
        "include_hidden": False,
    }
    return Content(paths=paths, **usual | changed)


def test_trackers_have_a_tier_each_and_those_of_tiers_follow() -> None:
    spec = content(Path("x"), trackers=["a", "b"], tiers=["c,d", "e"]).spec()
    assert spec.tiers == (("a",), ("b",), ("c", "d"), ("e",))


def test_what_is_said_reaches_the_torrent() -> None:
    spec = content(Path("x"), nodes=[HostPort("dht.example", 1)], source="TAG", date=True).spec()
    assert spec.nodes == (("dht.example", 1),)
    assert spec.source == "TAG"
    assert spec.created_by == f"everswarm {version('everswarm')}"
    assert spec.creation_date is not None
    assert content(Path("x")).spec().creation_date is None


def test_where_the_torrent_goes(tmp_path: Path) -> None:
    assert content(Path("/media/album")).torrent_path(None) == Path("album.torrent")
    assert content(Path("album/")).torrent_path(Path("x.bin")) == Path("x.bin")
    assert content(Path("a"), name="b").torrent_path(tmp_path) == tmp_path / "b.torrent"
    dot = content(tmp_path / "sub" / "..").torrent_path(None)
    assert dot == Path(f"{tmp_path.name}.torrent")


async def test_an_empty_tracker_in_a_tier_is_refused(folder: Path) -> None:
    with pytest.raises(CreateError):
        await make(content(folder, tiers=["http://a.example/announce,"]), quiet=True)
