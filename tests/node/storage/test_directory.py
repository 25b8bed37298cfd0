import os
import stat

import pytest

from node.storage.directory import Directory
from node.storage.errors import UnsafePath


def write(directory, path, data=b"ours"):
    file = directory.open(path, write=True)
    try:
        file.write(memoryview(data), 0)
    finally:
        file.close()


def test_creates_directories_and_files(tmp_path):
    write(Directory(tmp_path / "new" / "root"), ("a", "b", "c"))
    assert (tmp_path / "new/root/a/b/c").read_bytes() == b"ours"


def test_reading_creates_nothing(tmp_path):
    directory = Directory(tmp_path / "root")
    with pytest.raises(FileNotFoundError):
        directory.open(("a", "b"), write=False)
    assert directory.statuses([("a", "b"), ("c",)]) == [None, None]
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    "path", [("..", "x"), ("a", ".."), (".",), ("",), ("a/b",), ("/etc/passwd",), ("a\0b",)]
)
def test_t1_paths_that_lead_elsewhere_are_refused_again(tmp_path, path):
    directory = Directory(tmp_path)
    for use in (
        lambda: directory.open(path, write=True),
        lambda: directory.statuses([path]),
        lambda: directory.remove(path),
    ):
        with pytest.raises(UnsafePath, match="below the download directory"):
            use()
    assert list(tmp_path.iterdir()) == []


def test_t2_a_link_where_the_file_belongs_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    root = tmp_path / "root"
    root.mkdir()
    (root / "f").symlink_to(victim)
    (root / "dangling").symlink_to(tmp_path / "planted")
    directory = Directory(root)
    for name in ("f", "dangling"):
        with pytest.raises(OSError):  # ELOOP or EMLINK, by system
            directory.open((name,), write=True)
        (status,) = directory.statuses([(name,)])
        assert status is not None
        assert not status.is_regular
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "planted").exists()


def test_t2_a_link_where_a_directory_belongs_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "b").symlink_to(outside)
    directory = Directory(root)
    with pytest.raises(UnsafePath, match=r"a/b is not a directory, and links are not followed"):
        directory.open(("a", "b", "c"), write=True)
    with pytest.raises(UnsafePath, match="links are not followed"):
        directory.statuses([("a", "b", "c")])
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("planted", [("a",), ("a", "b"), ("a", "b", "c")])
def test_t2_a_link_planted_between_the_look_and_the_open(tmp_path, planted, monkeypatch):
    """Whichever name is replaced while we are on our way, nothing outside is touched."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "c").write_bytes(b"precious")
    (outside / "b").mkdir()
    (outside / "b" / "c").write_bytes(b"precious")
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "c").write_bytes(b"")
    directory = Directory(root)
    assert directory.statuses([("a", "b", "c")])[0].is_regular  # the look
    target = {1: outside, 2: outside, 3: outside / "c"}[len(planted)]
    real_open = os.open

    def race(name, flags, *args, **kwargs):
        if name == planted[-1]:
            place = root.joinpath(*planted)
            place.rename(tmp_path / "aside")
            place.symlink_to(target)
        return real_open(name, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", race)
    with pytest.raises((OSError, UnsafePath)):
        directory.open(("a", "b", "c"), write=True)
    monkeypatch.undo()
    assert (outside / "c").read_bytes() == (outside / "b" / "c").read_bytes() == b"precious"


def test_a_directory_moved_away_after_it_was_opened_takes_our_file_along(tmp_path, monkeypatch):
    """Names are resolved against open directories: a late link at the old name is never seen."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "root" / "a").mkdir(parents=True)
    real_open = os.open

    def race(name, flags, *args, **kwargs):
        if name == "f":
            (tmp_path / "root" / "a").rename(tmp_path / "root" / "moved")
            (tmp_path / "root" / "a").symlink_to(outside)
        return real_open(name, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", race)
    write(Directory(tmp_path / "root"), ("a", "f"))
    monkeypatch.undo()
    assert list(outside.iterdir()) == []
    assert (tmp_path / "root/moved/f").read_bytes() == b"ours"


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for write_it in (False, True):
        with pytest.raises(UnsafePath, match="not a plain file"):
            Directory(tmp_path).open(("pipe",), write=write_it)


def test_a_file_where_a_directory_belongs(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(UnsafePath, match="a is not a directory"):
        Directory(tmp_path).open(("a", "b"), write=True)


def test_the_root_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(Directory(tmp_path / "link"), ("f",))
    assert (tmp_path / "real" / "f").read_bytes() == b"ours"


def test_executable_files_get_the_x_bits_that_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        Directory(tmp_path).open(("x",), write=True, executable=True).close()
        Directory(tmp_path).open(("f",), write=True).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_no_descriptor_is_left_behind(tmp_path):
    directory = Directory(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    before = os.open(tmp_path, os.O_RDONLY)
    os.close(before)
    for _ in range(3):
        write(directory, ("a", "b", "c"))
        directory.statuses([("a", "b", "c"), ("a", "x"), ("n", "x")])
        directory.remove(("a", "b", "c"))
        directory.remove(("gone", "x"))
        with pytest.raises(UnsafePath):
            directory.open(("link", "x"), write=True)
        with pytest.raises(IsADirectoryError):
            directory.open(("a",), write=True)
    after = os.open(tmp_path, os.O_RDONLY)
    os.close(after)
    assert after == before


def test_statuses_say_what_stands_there(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"12345")
    found = Directory(tmp_path).statuses([("d", "f"), ("d", "g"), ("d",)])
    stat_result = (tmp_path / "d" / "f").stat()
    assert found[0].size == 5
    assert found[0].mtime_ns == stat_result.st_mtime_ns
    assert found[0].inode == stat_result.st_ino
    assert found[0].allocated == stat_result.st_blocks * 512
    assert found[1] is None
    assert not found[2].is_regular


def test_allocation_makes_the_file_that_long(tmp_path):
    file = Directory(tmp_path).open(("f",), write=True)
    file.allocate(100_000)
    file.sync()
    file.close()
    assert (tmp_path / "f").stat().st_size == 100_000
    assert (tmp_path / "f").stat().st_blocks * 512 >= 100_000


def test_free_space_of_a_root_that_does_not_exist_yet(tmp_path):
    assert Directory(tmp_path / "a" / "b").free_space() > 0
