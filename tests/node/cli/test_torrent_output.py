from pathlib import Path

import pytest

from node.cli.exit_status import Failed
from node.cli.torrent_output import torrent_output


def test_nothing_is_left_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), torrent_output(tmp_path / "a.torrent", force=False):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.torrent"
    with (
        pytest.raises(Failed, match=r"a\.torrent exists; --force replaces it"),
        torrent_output(path, force=False) as write,
    ):
        path.write_bytes(b"theirs")
        write(b"ours")
    assert [p.name for p in tmp_path.iterdir()] == ["a.torrent"]
    assert path.read_bytes() == b"theirs"


def test_a_folder_is_no_place_even_by_force(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"it is a folder$"), torrent_output(tmp_path, force=True):
        pass
