import json
from pathlib import Path

import libtorrent
import pytest

from node.cli.exit_status import ExitStatus


def test_a_torrent_that_libtorrent_reads(everswarm, folder: Path, tmp_path: Path) -> None:
    result = everswarm(
        *("create", folder, "--tracker", "http://a.example/announce"),
        *("--tier", "http://b.example/announce,udp://c.example:1/announce"),
        *("--web-seed", "http://w.example/", "--node", "dht.example:6881"),
        *("--comment", "with love", "--source", "TEST", "--piece-length", "32K"),
    )
    assert result.returncode == ExitStatus.DONE, result.stderr
    theirs = libtorrent.torrent_info(str(tmp_path / "album.torrent"))
    assert result.stdout.splitlines()[:3] == [
        "album.torrent",
        "album: 119.5 KiB, 3 files, 4 pieces",
        f"info hash {theirs.info_hashes().v1}",
    ]
    assert result.stdout.splitlines()[3].startswith("magnet:?xt=urn:btih:")
    assert theirs.name() == "album"
    assert theirs.piece_length() == 32768
    assert theirs.total_size() == 122400
    parameters = libtorrent.load_torrent_file(str(tmp_path / "album.torrent"))
    assert parameters.comment == "with love"
    assert parameters.trackers == [
        "http://a.example/announce",
        "http://b.example/announce",
        "udp://c.example:1/announce",
    ]
    assert parameters.tracker_tiers == [0, 1, 1]
    assert parameters.url_seeds == ["http://w.example/"]
    assert parameters.dht_nodes == [("dht.example", 6881)]


def test_the_same_files_give_the_same_bytes_without_a_date(
    everswarm, folder: Path, tmp_path: Path
) -> None:
    for name in ("a.torrent", "b.torrent"):
        everswarm("create", folder, "--no-date", "-q", "-o", name)
    assert (tmp_path / "a.torrent").read_bytes() == (tmp_path / "b.torrent").read_bytes()
    assert b"creation date" not in (tmp_path / "a.torrent").read_bytes()


def test_a_private_torrent(everswarm, folder: Path, tmp_path: Path) -> None:
    everswarm("create", folder, "--private", "--name", "other", "--tracker", "http://t.example/a")
    theirs = libtorrent.torrent_info(str(tmp_path / "other.torrent"))
    assert theirs.priv()
    assert theirs.name() == "other"


def test_json_describes_it(everswarm, folder: Path, tmp_path: Path) -> None:
    described = json.loads(everswarm("create", folder, "--json").stdout)
    assert described["torrent"] == "album.torrent"
    assert described["total_size"] == 122400


def test_output_into_a_folder(everswarm, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert everswarm("create", folder, "-q", "-o", "out").stdout == ""
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["album.torrent"]


def test_an_existing_file_is_kept_unless_forced(everswarm, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "album.torrent").write_bytes(b"precious")
    result = everswarm("create", folder)
    assert result.returncode == ExitStatus.FAILED
    assert result.stderr == (
        "everswarm: album.torrent exists; --force replaces it, -o names another\n"
    )
    assert (tmp_path / "album.torrent").read_bytes() == b"precious"
    assert everswarm("create", folder, "--force").returncode == ExitStatus.DONE
    assert (tmp_path / "album.torrent").read_bytes().startswith(b"d")


def test_hidden_files_are_told_when_left_out(everswarm, folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"x")
    result = everswarm("create", folder)
    assert result.stderr == f"left out 1 hidden or special file, such as {folder}/.DS_Store\n"
    assert "4 files" in everswarm("create", folder, "--include-hidden", "--force").stdout


def test_several_paths_become_one_folder(everswarm, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    result = everswarm("create", folder, "notes.txt", "--name", "bundle")
    assert result.stdout.splitlines()[:2] == [
        "bundle.torrent",
        "bundle: 119.5 KiB, 4 files, 8 pieces",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence", "status"),
    [
        (["nowhere"], "nowhere does not exist", ExitStatus.BAD_USAGE),
        (["hollow"], "nothing to publish: hollow holds no data", ExitStatus.BAD_USAGE),
        (
            ["album", "album.txt"],
            "a torrent of several paths needs a name",
            ExitStatus.BAD_USAGE,
        ),
        (
            ["album", "--piece-length", "48K"],
            "a piece length of 49152 bytes is not a power of two from 16384 to 536870912",
            ExitStatus.BAD_USAGE,
        ),
        (
            ["album", "-o", "missing/a.torrent"],
            "cannot write missing/a.torrent: No such file or directory",
            ExitStatus.FAILED,
        ),
        (
            ["album", "-o", "album.txt/a.torrent"],
            "cannot write album.txt/a.torrent: Not a directory",
            ExitStatus.FAILED,
        ),
    ],
)
def test_what_cannot_be_made_is_one_sentence_and_leaves_nothing(
    everswarm,
    folder: Path,
    tmp_path: Path,
    arguments: list[str],
    sentence: str,
    status: ExitStatus,
) -> None:
    (tmp_path / "hollow").mkdir()
    (tmp_path / "album.txt").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    result = everswarm("create", *arguments)
    assert result.stderr == f"everswarm: {sentence}\n"
    assert result.stdout == ""
    assert result.returncode == status
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("url", ["file:///etc/passwd", "tracker.example", "http://"])
def test_t8_a_tracker_that_is_none(everswarm, folder: Path, url: str) -> None:
    result = everswarm("create", folder, "--tracker", url)
    assert result.returncode == ExitStatus.BAD_USAGE
    assert result.stderr.startswith("everswarm: ")
    assert len(result.stderr.splitlines()) == 1
