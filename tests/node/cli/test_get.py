import json
import signal
from pathlib import Path
from typing import Any

import libtorrent
import pytest

from formats.bencode import METAINFO, decode_dict, encode
from formats.magnet import parse_magnet
from node.cli.exit_status import ExitStatus

sockets = pytest.mark.sockets
LISTEN = ("--listen", "127.0.0.1:0")


@pytest.fixture
def seed(start, tmp_path: Path):
    """Publishes a path through a tracker of its own; answers the torrent's file."""

    def seed(path: Path, *options: str) -> Path:
        tracker = start("tracker", "--listen", "127.0.0.1:0").stdout.readline().strip()
        torrent = tmp_path / f"{path.name}.torrent"
        arguments = ("--out", torrent, "--tracker", tracker, *LISTEN, *options)
        assert start("publish", path, *arguments).stdout.readline().startswith("magnet:?")
        return torrent

    return seed


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@sockets
def test_a_folder_arrives_whole(start, seed, folder: Path, tmp_path: Path) -> None:
    process = start("get", seed(folder), "-d", "here", *LISTEN)
    out, errors = process.communicate(timeout=20)
    assert process.returncode == ExitStatus.DONE, errors
    assert out == "here/album\n"
    assert errors.splitlines()[0].startswith(
        "album: 119.5 KiB, 3 files, 8 pieces; listening on 127.0.0.1:"
    )
    assert errors.splitlines()[-1].startswith("complete: 119.5 KiB verified; 119.5 KiB received")
    assert contents(tmp_path / "here" / "album") == contents(folder)


@sockets
def test_events_for_programs(start, seed, folder: Path, tmp_path: Path) -> None:
    torrent = seed(folder)
    process = start("get", torrent, "-d", "here", "--json", *LISTEN)
    out, errors = process.communicate(timeout=20)
    assert errors == ""
    told = events(out)
    assert told[0]["event"] == "metadata"
    assert told[-1]["event"] == "complete"
    assert told[-1]["sources"] == {"tracker": 122400}
    assert {event["event"] for event in told} <= {"metadata", "progress", "why", "complete"}
    # Everything is here already: nothing is received, and no peer is needed.
    again = start("get", torrent, "-d", "here", "--json", "--no-trackers", *LISTEN)
    told = events(again.communicate(timeout=20)[0])
    assert told[-1]["event"] == "complete"
    assert told[-1]["received"] == 0


@sockets
def test_interrupted_and_continued_without_fetching_anything_twice(
    start, seed, tmp_path: Path
) -> None:
    size = 400_000
    (tmp_path / "data.bin").write_bytes(bytes(range(251)) * (size // 251 + 1))
    size = (tmp_path / "data.bin").stat().st_size
    torrent = seed(tmp_path / "data.bin", "--piece-length", "16K", "--up", "200K")
    arguments = ("get", str(torrent), "-d", "here", "--json", *LISTEN)
    process = start(*arguments)
    for line in process.stdout:
        if json.loads(line).get("downloaded", 0) > size // 4:
            break
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=10)
    assert process.returncode == ExitStatus.INTERRUPTED
    assert events(out)[-1]["event"] == "error"
    assert errors.splitlines() == [
        "everswarm: interrupted, and nothing is lost. To go on, the same command:",
        f"  everswarm {' '.join(arguments)}",
    ]
    again = events(start(*arguments).communicate(timeout=20)[0])
    assert again[-1]["event"] == "complete"
    assert again[-1]["received"] <= size - size // 4
    assert (tmp_path / "here" / "data.bin").read_bytes() == (tmp_path / "data.bin").read_bytes()


@sockets
def test_only_what_is_selected(start, seed, folder: Path, tmp_path: Path) -> None:
    process = start("get", seed(folder), "-d", "here", "--select", "*.jpg", *LISTEN)
    process.communicate(timeout=20)
    assert process.returncode == ExitStatus.DONE
    found = contents(tmp_path / "here" / "album")
    assert found == {"cover.jpg": (folder / "cover.jpg").read_bytes()}


@sockets
def test_a_peer_named_by_hand(start, folder: Path) -> None:
    first = start("publish", folder, "--out", "a.torrent", "--json", *LISTEN)
    endpoint = events(first.stdout.readline())[0]["listen"]
    process = start("get", "a.torrent", "-d", "here", "--peer", endpoint, "--json", *LISTEN)
    told = events(process.communicate(timeout=20)[0])
    assert told[-1]["sources"] == {"user": 122400}


@sockets
def test_a_publisher_leaves_when_another_has_it_all(start, folder: Path) -> None:
    arguments = ("--out", "a.torrent", "--exit-when-seeds", "1", "--json", *LISTEN)
    first = start("publish", folder, *arguments)
    endpoint = events(first.stdout.readline())[0]["listen"]
    start("get", "a.torrent", "-d", "here", "--peer", endpoint, *LISTEN).communicate(timeout=20)
    assert first.wait(timeout=2) == ExitStatus.DONE


@pytest.fixture
def published(start, folder: Path) -> tuple[str, str]:
    """The magnet of `folder`, and where its publisher listens, which is in the DHT as well."""
    process = start("publish", folder, "--json", *LISTEN)
    told = events(process.stdout.readline())[0]
    return told["magnet"], told["listen"]


@sockets
@pytest.mark.parametrize("way", ["--peer", "--bootstrap"])
@pytest.mark.parametrize("bare", [False, True])
def test_a_magnet_or_an_info_hash_is_enough(
    start, published: tuple[str, str], folder: Path, tmp_path: Path, way: str, bare: bool
) -> None:
    magnet, endpoint = published
    source = parse_magnet(magnet).info_hash.hex() if bare else magnet
    process = start("get", source, "-d", "here", way, endpoint, "--json", *LISTEN)
    out, errors = process.communicate(timeout=30)
    assert errors == ""
    assert process.returncode == ExitStatus.DONE
    told = [event for event in events(out) if event["event"] != "why"]
    assert told[0]["event"] == "metadata"
    assert told[0]["name"] == "album"
    assert told[-1]["event"] == "complete"
    assert told[-1]["sources"] == {{"--peer": "user", "--bootstrap": "dht"}[way]: 122400}
    assert contents(tmp_path / "here" / "album") == contents(folder)


@sockets
def test_the_metadata_of_a_magnet_is_kept(start, everswarm, published: tuple[str, str]) -> None:
    magnet, endpoint = published
    start("get", magnet, "-d", "here", "--peer", endpoint, *LISTEN).communicate(timeout=20)
    result = everswarm("get", magnet, "-d", "here", "--no-dht", "--timeout", "0", *LISTEN)
    assert result.returncode == ExitStatus.DONE
    assert result.stderr.splitlines()[-1] == "complete: 119.5 KiB were already here, verified"


@sockets
def test_a_magnet_names_its_peer_and_selects_a_file(
    everswarm, published: tuple[str, str], folder: Path, tmp_path: Path
) -> None:
    magnet, endpoint = published
    link = f"{magnet}&x.pe={endpoint}&so=0"
    result = everswarm("get", link, "-d", "here", "--no-dht", "--timeout", "20", *LISTEN)
    assert result.returncode == ExitStatus.DONE, result.stderr
    found = contents(tmp_path / "here" / "album")
    assert found == {"cover.jpg": (folder / "cover.jpg").read_bytes()}
    result = everswarm("get", f"{magnet}&so=7", "-d", "here", "--no-dht", *LISTEN)
    assert result.returncode == ExitStatus.BAD_USAGE
    assert "the link selects (so=) no file that the torrent has" in result.stderr


@sockets
@pytest.mark.parametrize("source", ["magnet:?xt=urn:btih:" + "ab" * 20, "ab" * 20])
def test_a_magnet_that_nobody_has_says_what_was_tried(everswarm, source: str) -> None:
    options = ("--timeout", "0.3", "--no-dht", "--peer", "127.0.0.1:1", *LISTEN)
    result = everswarm("get", source, *options)
    assert result.stderr == (
        "everswarm: no metadata after 0.3 seconds: 1 peer known, none connected: 1 refused\n"
    )
    assert result.returncode == ExitStatus.FAILED
    options = ("--timeout", "0", "--no-dht", "--json", *LISTEN)
    result = everswarm("get", source, *options)
    assert events(result.stdout)[-1]["message"] == (
        "no metadata after 0 seconds:"
        " no DHT, no tracker to ask and no peer known; name one with --peer HOST:PORT"
    )


@sockets
def test_nobody_has_it(everswarm, torrent: Path) -> None:
    arguments = ("get", torrent, "-d", "here", "--no-trackers", "--timeout", "0", *LISTEN)
    result = everswarm(*arguments)
    assert result.stderr.splitlines()[-1] == (
        "everswarm: not complete after 0 seconds:"
        " no tracker to ask and no peer known; name one with --peer HOST:PORT"
    )
    assert result.returncode == ExitStatus.FAILED


@sockets
def test_a_tracker_that_is_unreachable(start, folder: Path, tmp_path: Path, make_torrent) -> None:
    torrent = make_torrent(folder, tmp_path / "a.torrent", trackers=["http://127.0.0.1:1/announce"])
    process = start("get", torrent, "-d", "here", "--timeout", "1", *LISTEN)
    out, errors = process.communicate(timeout=20)
    assert out == ""
    last = errors.splitlines()[-1]
    assert last.startswith(
        "everswarm: not complete after 1 seconds:"
        " no tracker answers, still trying: http://127.0.0.1:1: "
    )
    assert process.returncode == ExitStatus.FAILED


@sockets
def test_other_files_of_the_same_name_are_kept_unless_told_otherwise(
    everswarm, torrent: Path, tmp_path: Path
) -> None:
    (tmp_path / "here" / "album").mkdir(parents=True)
    cover = tmp_path / "here" / "album" / "cover.jpg"
    cover.write_bytes(b"my own picture")
    result = everswarm("get", torrent, "-d", "here", "--no-trackers", *LISTEN)
    assert result.returncode == ExitStatus.FAILED
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"everswarm: {cover} is not this torrent's data: ")
    assert last.endswith(" or ask for it to be overwritten (--overwrite)")
    assert cover.read_bytes() == b"my own picture"
    assert [path.name for path in cover.parent.iterdir()] == ["cover.jpg"]


@sockets
def test_a_target_that_cannot_be_written(everswarm, torrent: Path, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("a file, not a folder")
    result = everswarm("get", torrent, "-d", "here", "--no-trackers", *LISTEN)
    assert result.returncode == ExitStatus.FAILED
    assert result.stderr.splitlines()[1:] == [
        f"everswarm: {tmp_path}/here: a file stands where a directory belongs"
    ]


@sockets
def test_t1_a_path_that_leads_out_stays_below_the_directory(
    everswarm, torrent: Path, tmp_path: Path
) -> None:
    outer = decode_dict(torrent.read_bytes(), METAINFO)
    outer[b"info"][b"files"][0][b"path"] = [b"..", b"..", b"escaped"]
    torrent.write_bytes(encode(outer))
    before = set(tmp_path.iterdir())
    everswarm("get", torrent, "-d", "here", "--no-trackers", "--timeout", "0", *LISTEN)
    assert {path.name for path in set(tmp_path.iterdir()) - before} <= {"here", "state"}
    assert all(path.is_relative_to(tmp_path / "here") for path in tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize(
    ("source", "sentence", "status"),
    [
        ("nowhere.torrent", "nowhere.torrent: there is no such file", ExitStatus.FAILED),
        ("album", "album is a folder, not a .torrent file", ExitStatus.FAILED),
        ("page.torrent", "page.torrent is not a valid torrent: ", ExitStatus.FAILED),
        ("half.torrent", "half.torrent is not a valid torrent: ", ExitStatus.FAILED),
        ("magnet:?dn=x", "the link carries no info hash (xt=urn:btih:…)", ExitStatus.FAILED),
        ("magnet:?xt=urn:btih:beef", "in the link: ", ExitStatus.FAILED),
    ],
)
def test_what_is_no_torrent_is_one_sentence_and_leaves_nothing(
    everswarm, torrent: Path, tmp_path: Path, source: str, sentence: str, status: ExitStatus
) -> None:
    (tmp_path / "page.torrent").write_text("<html>log in</html>")
    (tmp_path / "half.torrent").write_bytes(torrent.read_bytes()[:100])
    before = sorted(tmp_path.rglob("*"))
    result = everswarm("get", source)
    assert result.stderr.startswith(f"everswarm: {sentence}")
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
    assert result.returncode == status
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--files", "9"], "there is no file 9; the torrent has 3"),
        (["--files", "x"], "--files 'x' is no list of numbers; write 1,3-5"),
        (["--select", "*.avi"], "no file matches '*.avi'; `show -v` lists them"),
    ],
)
def test_a_choice_of_no_file(everswarm, torrent: Path, options: list[str], sentence: str) -> None:
    result = everswarm("get", torrent, *options)
    assert result.stderr == f"everswarm: {sentence}\n"
    assert result.returncode == ExitStatus.BAD_USAGE


def test_libtorrent_agrees_on_the_hash(everswarm, torrent: Path) -> None:
    shown = json.loads(everswarm("show", torrent, "--json").stdout)
    theirs = libtorrent.torrent_info(str(torrent)).info_hashes().v1
    assert shown["info_hash"] == str(theirs)
