"""Which files of a torrent are wanted."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from formats.errors import ConfigError
from formats.magnet import Magnet
from formats.metainfo import Metainfo
from node.torrent.options import Priority

_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", re.ASCII)


class SelectionError(ConfigError):
    """A choice of files that cannot be."""


def parse_file_numbers(text: str) -> tuple[range, ...]:
    """Numbers of files as `show` lists them, from 1: `1,3-5`. Raises SelectionError."""
    ranges = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise SelectionError(f"--files {text[:50]!r} is no list of numbers; write 1,3-5")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last:
            raise SelectionError(f"--files {part.strip()!r} is no range; files count from 1")
        ranges.append(range(first, last + 1))
    return tuple(ranges)


def priorities(
    metainfo: Metainfo, ranges: Sequence[range], patterns: Sequence[str]
) -> tuple[Priority, ...] | None:
    """A priority for each file: those numbered or matched are wanted, the others skipped.

    A pattern such as `*.iso` or `season1/*` is held against the path without the torrent's name,
    and against the last part alone. None, every file, when nothing is chosen. Raises
    SelectionError when a choice names no file.
    """
    if not ranges and not patterns:
        return None
    listed = [number for number, file in enumerate(metainfo.files) if file.is_stored]
    wanted: set[int] = set()
    for numbers in ranges:
        if numbers[-1] > len(listed):
            raise SelectionError(f"there is no file {numbers[-1]}; the torrent has {len(listed)}")
        wanted.update(listed[number - 1] for number in numbers)
    for pattern in patterns:
        matched = [number for number in listed if _matches(metainfo, number, pattern)]
        if not matched:
            raise SelectionError(f"no file matches {pattern!r}; `show -v` lists them")
        wanted.update(matched)
    return tuple(
        Priority.NORMAL if number in wanted else Priority.SKIP
        for number in range(len(metainfo.files))
    )


def link_priorities(metainfo: Metainfo, magnet: Magnet) -> tuple[Priority, ...] | None:
    """A priority for each file: those that the link selects (`so`, BEP 53) are wanted.

    None, every file, when it selects none. Raises SelectionError when the torrent has none of them.
    """
    if magnet.selected_files is None:
        return None
    chosen = [
        Priority.NORMAL if magnet.selects(number) and file.is_stored else Priority.SKIP
        for number, file in enumerate(metainfo.files)
    ]
    if Priority.NORMAL not in chosen:
        raise SelectionError("the link selects (so=) no file that the torrent has; see --files")
    return tuple(chosen)


def _matches(metainfo: Metainfo, number: int, pattern: str) -> bool:
    path = metainfo.files[number].path
    inside = path if metainfo.is_single_file else path[1:]
    return fnmatchcase("/".join(inside), pattern) or fnmatchcase(path[-1], pattern)
