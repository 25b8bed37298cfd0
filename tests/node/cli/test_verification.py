from pathlib import Path

import pytest

from node.cli.exit_status import Failed
from node.cli.source import read_torrent
from node.cli.verification import download_directory


def test_the_folder_it_lies_in_or_the_data_itself(torrent: Path, tmp_path: Path) -> None:
    metainfo = read_torrent(torrent)
    assert download_directory(metainfo, tmp_path) == tmp_path
    assert download_directory(metainfo, tmp_path / "album") == tmp_path


def test_a_folder_of_that_name_that_holds_the_data(torrent: Path, tmp_path: Path) -> None:
    outer = tmp_path / "sub" / "album"
    (outer / "album").mkdir(parents=True)
    assert download_directory(read_torrent(torrent), outer) == outer


def test_a_single_file(tmp_path: Path, make_torrent) -> None:
    data = tmp_path / "one.bin"
    data.write_bytes(b"1" * 50_000)
    metainfo = read_torrent(make_torrent(data, tmp_path / "one.torrent"))
    assert download_directory(metainfo, data) == tmp_path
    other = tmp_path / "other.bin"
    other.touch()
    with pytest.raises(Failed, match=r"other\.bin is not a folder$"):
        download_directory(metainfo, other)


def test_nothing_there(torrent: Path, tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"/nowhere: there is no such folder$"):
        download_directory(read_torrent(torrent), tmp_path / "nowhere")
