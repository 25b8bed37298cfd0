import json
from pathlib import Path

import pytest

from node.cli.exit_status import ExitStatus


@pytest.mark.parametrize("data", [".", "album"])
def test_whole_data(everswarm, torrent: Path, data: str) -> None:
    result = everswarm("verify", torrent, data)
    assert result.stdout == "whole: album: 119.5 KiB, 3 files, 8 pieces\n"
    assert result.stderr == ""
    assert result.returncode == ExitStatus.DONE


def test_damaged_data_says_which_files_and_how_much(
    everswarm, torrent: Path, folder: Path, tmp_path: Path
) -> None:
    song = folder / "disc 1" / "歌.flac"
    song.write_bytes(song.read_bytes()[:-1] + b"!")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    result = everswarm("verify", torrent, tmp_path)
    assert result.returncode == ExitStatus.FAILED
    lines = result.stdout.splitlines()
    assert len(lines) >= 1
    assert any(line.startswith("damaged     album/disc 1/歌.flac: ") for line in lines)
    assert result.stderr.startswith("everswarm: album is damaged: ")
    assert len(result.stderr.splitlines()) == 1
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_missing_and_longer_files(everswarm, torrent: Path, folder: Path) -> None:
    (folder / "cover.jpg").unlink()
    with (folder / "empty.txt").open("a") as file:
        file.write("not empty")
    result = everswarm("verify", torrent, folder, "--json")
    assert result.returncode == ExitStatus.FAILED
    report = json.loads(result.stdout)
    assert report["whole"] is False
    assert report["total_size"] == 122400
    assert 0 < report["bytes_ok"] < report["total_size"]
    states = {file["path"]: file["state"] for file in report["files"]}
    assert states["album/cover.jpg"] == "missing"
    assert states["album/empty.txt"] == "wrong size"


def test_json_of_whole_data(everswarm, torrent: Path) -> None:
    report = json.loads(everswarm("verify", torrent, ".", "--json").stdout)
    assert report["whole"] is True
    assert report["bytes_ok"] == report["total_size"] == 122400


def test_a_single_file(everswarm, tmp_path: Path, make_torrent) -> None:
    (tmp_path / "one.bin").write_bytes(b"1" * 50_000)
    torrent = make_torrent(tmp_path / "one.bin", tmp_path / "one.torrent")
    for data in (".", "one.bin"):
        assert everswarm("verify", torrent, data, "-q").returncode == ExitStatus.DONE


def test_nothing_there(everswarm, torrent: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    result = everswarm("verify", torrent, "elsewhere")
    assert result.returncode == ExitStatus.FAILED
    assert result.stderr == (
        "everswarm: album is damaged: 3 of 3 files, 119.5 KiB of 119.5 KiB (100.0%)\n"
    )
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_no_such_folder(everswarm, torrent: Path) -> None:
    result = everswarm("verify", torrent, "nowhere")
    assert result.stderr == "everswarm: nowhere: there is no such folder\n"
    assert result.returncode == ExitStatus.FAILED


def test_a_file_where_a_folder_belongs(everswarm, torrent: Path) -> None:
    result = everswarm("verify", torrent, torrent)
    assert result.stderr == f"everswarm: {torrent} is not a folder\n"
    assert result.returncode == ExitStatus.FAILED
