import json
import os
import subprocess
import sys
from pathlib import Path

import libtorrent
import pytest

from node.cli.exit_status import ExitStatus

INFO_HASH = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"


def test_a_torrent_for_people(everswarm, torrent: Path) -> None:
    info_hash = libtorrent.torrent_info(str(torrent)).info_hashes().v1
    result = everswarm("show", torrent)
    assert result.returncode == ExitStatus.DONE, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "name        album"
    assert f"info hash   {info_hash}" in lines
    assert "pieces      8 pieces of 16.0 KiB" in lines
    assert "comment     ripped with care" in lines
    assert "tier 1      http://tracker.example:6969/announce" in lines
    assert any(line.startswith(f"magnet      magnet:?xt=urn:btih:{info_hash}") for line in lines)
    assert f"{'':20}album/" in lines
    assert any(line.endswith("19.5 KiB    cover.jpg") for line in lines)
    folder = lines.index(f"{'':20}  disc 1/")
    assert lines[folder + 1].endswith("  100.0 KiB      歌.flac")
    assert [line.split()[0] for line in lines[-5:] if line[5] != " "] == ["1", "2", "3"]


def test_a_torrent_for_programs(everswarm, torrent: Path) -> None:
    result = everswarm("show", torrent, "--json")
    described = json.loads(result.stdout)
    theirs = libtorrent.torrent_info(str(torrent))
    assert described["name"] == "album"
    assert described["info_hash"] == str(theirs.info_hashes().v1)
    assert described["info_hash_v2"] is None
    assert described["piece_length"] == theirs.piece_length()
    assert described["pieces"] == theirs.num_pieces()
    assert described["total_size"] == theirs.total_size()
    assert described["private"] is False
    assert described["comment"] == "ripped with care"
    assert described["trackers"] == [["http://tracker.example:6969/announce"]]
    assert described["nodes"] == []
    assert described["web_seeds"] == []
    assert {"path": "album/disc 1/歌.flac", "length": 102400} in described["files"]
    assert {"path": "album/empty.txt", "length": 0} in described["files"]


def test_many_files_are_cut_to_one_screen_unless_asked_for(
    everswarm, tmp_path: Path, make_torrent
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02}.bin").write_bytes(b"x" * 10)
    torrent = make_torrent(folder, tmp_path / "many.torrent")
    short = everswarm("show", torrent).stdout
    assert "and 10 more files (100 B); -v lists them all" in short
    assert len(short.splitlines()) == 6 + 1 + 1 + 20 + 1
    assert len(everswarm("show", "-v", torrent).stdout.splitlines()) == 6 + 1 + 1 + 30


def test_a_magnet(everswarm) -> None:
    magnet = (
        f"magnet:?xt=urn:btih:{INFO_HASH}&dn=album&tr=http%3A%2F%2Ft.example%2Fa&x.pe=1.2.3.4:5"
    )
    lines = everswarm("show", magnet).stdout.splitlines()
    assert lines == [
        "name        album",
        f"info hash   {INFO_HASH}",
        "tracker     http://t.example/a",
        "peer        1.2.3.4:5",
    ]
    described = json.loads(everswarm("show", magnet, "--json").stdout)
    assert described["info_hash"] == INFO_HASH
    assert described["trackers"] == [["http://t.example/a"]]
    assert described["peers"] == ["1.2.3.4:5"]
    assert described["files"] is None


def test_a_bare_info_hash(everswarm) -> None:
    assert everswarm("show", INFO_HASH).stdout == f"info hash   {INFO_HASH}\n"


def test_t10_escapes_in_a_name_do_not_reach_the_terminal(everswarm) -> None:
    result = everswarm("show", f"magnet:?xt=urn:btih:{INFO_HASH}&dn=a%1b%5b2Jb%0ac")
    assert result.stdout.splitlines()[0] == r"name        a\x1b[2Jb\nc"


def test_t10_escapes_in_a_comment_do_not_reach_the_terminal(
    everswarm, folder: Path, tmp_path: Path, make_torrent
) -> None:
    torrent = make_torrent(folder, tmp_path / "a.torrent", comment="\x1b]0;pwned\x07[red]")
    lines = everswarm("show", torrent).stdout.splitlines()
    assert r"comment     \x1b]0;pwned\x07[red]" in lines


def test_a_magnet_without_a_hash_is_refused(everswarm) -> None:
    result = everswarm("show", "magnet:?dn=nothing")
    assert result.returncode == ExitStatus.FAILED
    assert result.stdout == ""
    assert result.stderr.startswith("everswarm: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("output", ["", "--json"])
def test_a_reader_that_leaves_early_is_no_error(everswarm, torrent: Path, output: str) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "node", "show", str(torrent), *filter(None, [output])]
    result = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert result.stderr == b""
    assert result.returncode == ExitStatus.FAILED
