from pathlib import Path

import pytest

from formats.magnet import Magnet
from formats.metainfo import Metainfo
from node.cli.selection import SelectionError, link_priorities, parse_file_numbers, priorities
from node.cli.source import read_torrent
from node.torrent.options import Priority

SKIP, NORMAL = Priority.SKIP, Priority.NORMAL


@pytest.fixture
def metainfo(torrent: Path) -> Metainfo:
    return read_torrent(torrent)


def names(metainfo: Metainfo, chosen: tuple[Priority, ...]) -> list[str]:
    return sorted(f.path[-1] for f, p in zip(metainfo.files, chosen, strict=True) if p is NORMAL)


def test_nothing_chosen_means_all(metainfo: Metainfo) -> None:
    assert priorities(metainfo, (), ()) is None


def test_numbers_count_from_one(metainfo: Metainfo) -> None:
    chosen = priorities(metainfo, parse_file_numbers("1, 3"), ())
    assert chosen == (NORMAL, SKIP, NORMAL)
    assert priorities(metainfo, parse_file_numbers("2-3"), ()) == (SKIP, NORMAL, NORMAL)


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("*.jpg", ["cover.jpg"]),
        ("disc 1/*", ["歌.flac"]),
        ("歌.flac", ["歌.flac"]),
        ("*", ["cover.jpg", "empty.txt", "歌.flac"]),
    ],
)
def test_patterns(metainfo: Metainfo, pattern: str, chosen: list[str]) -> None:
    wanted = priorities(metainfo, (), (pattern,))
    assert wanted is not None
    assert names(metainfo, wanted) == chosen


@pytest.mark.parametrize("text", ["", "a", "1,", "1-2-3", "-1", "1.5"])
def test_what_is_no_list_of_numbers(text: str) -> None:
    with pytest.raises(SelectionError, match="is no list of numbers; write 1,3-5"):
        parse_file_numbers(text)


@pytest.mark.parametrize("text", ["0", "3-1"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(SelectionError, match="is no range; files count from 1"):
        parse_file_numbers(text)


def test_a_choice_of_no_file(metainfo: Metainfo) -> None:
    with pytest.raises(SelectionError, match="there is no file 4; the torrent has 3"):
        priorities(metainfo, parse_file_numbers("2-4"), ())
    with pytest.raises(SelectionError, match=r"no file matches '\*\.avi'"):
        priorities(metainfo, (), ("*.avi",))


def test_the_files_that_a_link_selects(metainfo: Metainfo) -> None:
    def chosen(*ranges: tuple[int, int]) -> tuple[Priority, ...] | None:
        return link_priorities(metainfo, Magnet(metainfo.info_hash, selected_files=ranges or None))

    stored = [number for number, file in enumerate(metainfo.files) if file.is_stored]
    assert chosen() is None
    first = chosen((stored[0], stored[0]))
    assert first is not None
    assert [n for n, priority in enumerate(first) if priority is Priority.NORMAL] == stored[:1]
    everything = chosen((0, 2**31 - 1))
    assert everything is not None
    assert [n for n, p in enumerate(everything) if p is Priority.NORMAL] == stored
    with pytest.raises(SelectionError, match=r"^the link selects \(so=\) no file"):
        chosen((len(metainfo.files), 2**31 - 1))
