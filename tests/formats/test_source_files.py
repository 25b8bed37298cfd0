"""Which files become a torrent, and in which order."""

import os
import socket
from pathlib import Path

import pytest

from formats.source_files import CreateError, base_name, collect


def names(*paths: Path, **options: bool) -> list[str]:
    return ["/".join(file.elements) for file in collect(paths, **options).files]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "album"
    (root / "sub").mkdir(parents=True)
    (root / "sub.txt").write_bytes(b"1")
    (root / "sub" / "z").write_bytes(b"22")
    (root / "Z").write_bytes(b"333")
    (root / "ä").write_bytes(b"")
    (root / ".hidden").write_bytes(b"4444")
    return root


def test_sorted_by_path_element_as_bytes(folder: Path) -> None:
    assert names(folder) == ["Z", "sub/z", "sub.txt", "ä"]
    assert collect((folder,)).total_size == 6


def test_dot_files_are_left_out_and_listed(folder: Path) -> None:
    assert collect((folder,)).left_out == (folder / ".hidden",)
    assert ".hidden" in names(folder, include_hidden=True)


def test_one_file_has_no_elements(folder: Path) -> None:
    (file,) = collect((folder / "Z",)).files
    assert (file.elements, file.size) == ((), 3)


def test_several_paths_become_entries(folder: Path) -> None:
    assert names(folder / "Z", folder / "sub") == ["Z", "sub/z"]


def test_two_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "Z"
    other.write_bytes(b"x")
    with pytest.raises(CreateError, match=r"two files would be named 'Z'; rename one"):
        collect((folder / "Z", other))


def test_what_is_no_file_is_left_out_and_refused_if_named(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "sock"))
        found = collect((folder,))
    assert set(found.left_out) == {folder / ".hidden", folder / "pipe", folder / "sock"}
    with pytest.raises(CreateError) as refusal:
        collect((folder / "pipe",))
    assert str(folder / "pipe") in str(refusal.value)


def test_a_link_out_of_the_folder_is_refused_unless_allowed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"s")
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(CreateError) as refusal:
        collect((folder,))
    assert str(folder / "link") in str(refusal.value)
    assert "link" in names(folder, allow_outside_links=True)


def test_nothing_to_publish(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CreateError, match=r"nothing to publish: .*empty holds no data"):
        collect((tmp_path / "empty",))
    with pytest.raises(CreateError) as missing:
        collect((tmp_path / "missing",))
    assert str(tmp_path / "missing") in str(missing.value)


def test_a_changed_file_has_another_version(folder: Path) -> None:
    (before,) = collect((folder / "Z",)).files
    (folder / "Z").write_bytes(b"3333")
    (after,) = collect((folder / "Z",)).files
    assert before.version != after.version


def test_the_name_of_a_folder_named_by_dots(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "sub")
    assert base_name(Path()) == "sub"
    assert base_name(Path("..")) == "album"
