"""Files of an info dictionary: lengths, places, attributes, refusals."""

import pytest

from formats.bencode import Value
from formats.file_list import FileListError, read_files


def item(*path: bytes, length: Value = 1, attributes: bytes | None = None) -> Value:
    entry: dict[bytes, Value] = {b"length": length, b"path": list(path)}
    return entry if attributes is None else {**entry, b"attr": attributes}


def read(*items: Value) -> list[tuple[tuple[str, ...], int, int]]:
    files = read_files({b"files": list(items)}, "safe", "raw")
    return [(file.path, file.offset, file.length) for file in files]


def test_files_lie_end_to_end_below_the_name() -> None:
    assert read(item(b"a", length=5), item(b"d", b"b", length=0), item(b"c", length=7)) == [
        (("safe", "a"), 0, 5),
        (("safe", "d", "b"), 5, 0),
        (("safe", "c"), 5, 7),
    ]


def test_a_single_file_is_its_name() -> None:
    (file,) = read_files({b"length": 9}, "safe", "raw")
    assert (file.path, file.length, file.original_path) == (("safe",), 9, ("raw",))


def test_padding_counts_and_is_not_stored() -> None:
    files = read_files(
        {b"files": [item(b"a", length=5), item(length=3, attributes=b"p"), item(b"b", length=1)]},
        "n",
        "n",
    )
    assert [(file.offset, file.is_padding, file.is_stored) for file in files] == [
        (0, False, True),
        (5, True, False),
        (8, False, True),
    ]


def test_t2_a_link_has_no_bytes_whatever_it_says() -> None:
    files = read_files(
        {b"files": [item(b"link", length=99, attributes=b"l"), item(b"b", length=1)]}, "n", "n"
    )
    assert (files[0].length, files[0].is_symlink, files[0].is_stored) == (0, True, False)
    assert files[1].offset == 0


def test_a_single_file_is_no_padding_and_no_link() -> None:
    (file,) = read_files({b"length": 1, b"attr": b"plxh"}, "n", "n")
    assert (file.is_padding, file.is_symlink) == (False, False)
    assert (file.is_executable, file.is_hidden) == (True, True)


def test_utf8_paths_are_preferred() -> None:
    entry: Value = {b"length": 1, b"path": [b"\xff"], b"path.utf-8": ["ü".encode()]}
    assert read(entry)[0][0] == ("safe", "ü")


def test_t1_elements_are_made_safe_and_the_original_is_kept() -> None:
    (file,) = read_files({b"files": [item(b"..", b"passwd")]}, "n", "n")
    assert ".." not in file.path
    assert file.original_path == ("n", "..", "passwd")


@pytest.mark.parametrize(
    ("info", "sentence"),
    [
        ({}, "the torrent has not exactly one of a length and a list of files"),
        (
            {b"length": 1, b"files": [item(b"a")]},
            "the torrent has not exactly one of a length and a list of files",
        ),
        ({b"length": 0}, "the torrent holds no data"),
        ({b"files": []}, "the torrent holds no data"),
        ({b"files": [item(b"a", length=0)]}, "the torrent holds no data"),
        ({b"files": [item(b"a", length=4, attributes=b"p")]}, "the torrent holds no data"),
        ({b"files": [b"a"]}, "an item of the list of files is not a dictionary"),
        ({b"files": [item()]}, "a file has no path"),
        ({b"files": [item(b"a", length=-1)]}, "the length of a file is not a number from 0"),
        ({b"files": [item(b"a", length=b"1")]}, "the length of a file is not a number from 0"),
        ({b"files": [{b"length": 1, b"path": [7]}]}, "an element of a path is not a string"),
    ],
)
def test_t6_refusals(info: dict[bytes, Value], sentence: str) -> None:
    with pytest.raises(FileListError) as refusal:
        read_files(info, "n", "n")
    assert str(refusal.value).startswith(sentence)
