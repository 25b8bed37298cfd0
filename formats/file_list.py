"""The files of an info dictionary (BEP 3, BEP 47), each at a safe path of its own.

What strangers try is listed in `formats.metainfo` and `formats.safe_path`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

from formats.bencode import INT64_MAX, Value, get_bytes, get_int, get_list
from formats.errors import ProtocolError
from formats.safe_path import PathRegistry, safe_element

PADDING_DIRECTORY = b".pad"
"""Where BEP 47 recommends to place padding files; the path of one may be missing."""


class FileListError(ProtocolError):
    """An info dictionary whose files cannot be told."""


@dataclass(frozen=True, slots=True)
class File:
    """One file, and where its bytes lie in the torrent's byte space."""

    path: tuple[str, ...]
    """Safe names below the download directory; the torrent's name comes first."""
    length: int
    """Bytes."""
    offset: int
    """Bytes of the torrent before this file."""
    is_padding: bool
    """Reads as zeros, counts in the piece space, never reaches the disk (BEP 47)."""
    is_executable: bool
    is_hidden: bool
    is_symlink: bool
    """Has no bytes and is never created (BEP 47)."""
    original_path: tuple[str, ...]
    """The names as the torrent has them: data to show, never to open."""

    @property
    def is_stored(self) -> bool:
        """Whether the file exists on disk once its torrent is complete."""
        return not (self.is_padding or self.is_symlink)


@dataclass(slots=True)
class _Entry:
    """What one dictionary of the list says, before its path is made safe."""

    path: list[bytes]
    length: int
    attributes: bytes

    @property
    def is_stored(self) -> bool:
        return not self.attributes or not (b"p" in self.attributes or b"l" in self.attributes)


def read_files(info: dict[bytes, Value], name: str, original_name: str) -> list[File]:
    """The files of `info` in order, below the safe `name`; at least one holds data.

    Raises FileListError, PathError.
    """
    if (b"length" in info) == (b"files" in info):
        raise FileListError("the torrent has not exactly one of a length and a list of files")
    if b"length" in info:
        attributes = bytes(flag for flag in get_bytes(info, b"attr") or b"" if flag in b"hx")
        entries = [_Entry([], _length(info), attributes)]
        paths: Iterable[_Paths] = [((), ())]
    else:
        entries = [_entry(item) for item in get_list(info, b"files") or []]
        paths = _paths(entries)
    if not any(entry.length for entry in entries if entry.is_stored):
        raise FileListError("the torrent holds no data")
    offsets = accumulate((entry.length for entry in entries), initial=0)
    return [
        File(
            path=(name, *path),
            length=entry.length,
            offset=offset,
            is_padding=b"p" in entry.attributes,
            is_executable=b"x" in entry.attributes,
            is_hidden=b"h" in entry.attributes,
            is_symlink=b"l" in entry.attributes,
            original_path=(original_name, *original),
        )
        for entry, (original, path), offset in zip(entries, paths, offsets)
    ]


def _entry(item: Value) -> _Entry:
    """One item of the list of files. Raises FileListError."""
    if type(item) is not dict:
        raise FileListError("an item of the list of files is not a dictionary")
    attributes = get_bytes(item, b"attr") or b""
    length = 0 if b"l" in attributes else _length(item)
    path = get_list(item, b"path.utf-8") or get_list(item, b"path")
    if not path and b"p" in attributes:
        path = [PADDING_DIRECTORY, b"%d" % length]
    if not path:
        raise FileListError("a file has no path")
    elements = [element for element in path if type(element) is bytes]
    if len(elements) != len(path):
        raise FileListError("an element of a path is not a string")
    return _Entry(elements, length, attributes)


def _length(source: dict[bytes, Value]) -> int:
    length = get_int(source, b"length", minimum=0, maximum=INT64_MAX)
    if length is None:
        raise FileListError(f"the length of a file is not a number from 0 to {INT64_MAX}")
    return length


_Paths: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""A path as the torrent has it, and the safe one."""


def _paths(entries: list[_Entry]) -> Iterator[_Paths]:
    """The paths of `entries`; no two stored files share one. Raises PathError."""
    parents: dict[tuple[bytes, ...], _Paths] = {}
    for entry in entries:
        parent = tuple(entry.path[:-1])
        if parent not in parents:
            parents[parent] = _decoded(parent)
    registry = PathRegistry(safe for _, safe in parents.values())
    for entry in entries:
        original, safe = parents[tuple(entry.path[:-1])]
        name = entry.path[-1].decode(errors="replace")
        path = (*safe, safe_element(name))
        yield (*original, name), registry.claim(path) if entry.is_stored else path


def _decoded(path: tuple[bytes, ...]) -> _Paths:
    original = tuple(element.decode(errors="replace") for element in path)
    return original, tuple(map(safe_element, original))
