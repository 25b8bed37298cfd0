"""The files on disk that a new torrent is made of.

* Files are sorted by the UTF-8 bytes of their path's elements: the order of BEP 52's file tree,
  the same on every machine.
* Dot files and all below dot folders are left out unless asked for, so that nobody publishes a
  `.git`, `.env` or `.DS_Store` unawares (qBittorrent does the same; mktorrent takes them).
* Links to files and folders are followed while they stay inside what was named, for a torrent of
  version 1 holds only plain files. One that leads outside is refused unless asked for, so that a
  folder got from a stranger cannot publish a private file.
* Pipes, sockets and devices are left out, as mktorrent does; so are empty folders, which a torrent
  cannot hold. What a user names on the command line is never left out, but taken or refused.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from formats.errors import ConfigError, StorageError


class CreateError(ConfigError):
    """A torrent that cannot be made as asked."""


class SourceError(StorageError):
    """A file that cannot be read, or that changed while it was read."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A regular file, and how it looked when it was found."""

    path: Path
    elements: tuple[str, ...]
    """Path in the torrent below its name; empty in a single-file torrent."""
    size: int
    """Bytes."""
    version: tuple[int, int, int, int]
    """Device, inode, size and time of modification: equal while the file is unchanged."""


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """Everything that goes into a torrent, in its order, and what was passed over."""

    files: tuple[SourceFile, ...]
    left_out: tuple[Path, ...]
    """Dot files (a folder stands for all in it), pipes, sockets and devices."""

    @property
    def total_size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def version_of(status: os.stat_result) -> tuple[int, int, int, int]:
    """What is compared to see whether a file has changed."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def collect(
    paths: tuple[Path, ...], *, include_hidden: bool = False, allow_outside_links: bool = False
) -> SourceFiles:
    """Find the files of a torrent. Blocks: call it in an executor.

    One path stands for itself: a file, or a folder with all below it. Of several paths each becomes
    an entry of a folder. Raises CreateError, SourceError.
    """
    walk = _Walk(paths, include_hidden=include_hidden, allow_outside_links=allow_outside_links)
    for path in paths:
        walk.add_named(path, () if len(paths) == 1 else (base_name(path),))
    files = sorted(walk.files, key=lambda file: [element.encode() for element in file.elements])
    for file, following in pairwise(files):
        if file.elements == following.elements:
            raise CreateError(f"two files would be named {'/'.join(file.elements)!r}; rename one")
    if not any(file.size for file in files):
        raise CreateError(f"nothing to publish: {paths[0]} holds no data")
    return SourceFiles(tuple(files), tuple(walk.left_out))


def base_name(path: Path) -> str:
    """The last element of `path`, also when that is written as `.` or `..`; `""` for the root."""
    return path.name if path.name not in ("", "..") else path.resolve().name


class _Walk:
    """One pass over the named paths and the folders below them."""

    def __init__(
        self, roots: tuple[Path, ...], *, include_hidden: bool, allow_outside_links: bool
    ) -> None:
        self.files: list[SourceFile] = []
        self.left_out: list[Path] = []
        self._roots = [Path(os.path.realpath(root)) for root in roots]
        self._include_hidden = include_hidden
        self._allow_outside_links = allow_outside_links

    def add_named(self, path: Path, elements: tuple[str, ...]) -> None:
        """Add a path that the user named: links are followed, special files are refused."""
        status = _status(path)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise CreateError(f"{path} is neither a file nor a folder")
        self._add(path, elements, status, above=())

    def _add(
        self,
        path: Path,
        elements: tuple[str, ...],
        status: os.stat_result,
        *,
        above: tuple[tuple[int, int], ...],
    ) -> None:
        """Add one file, or a folder that lies in the folders `above` (as device and inode)."""
        _check_name(path, elements)
        if stat.S_ISREG(status.st_mode):
            self.files.append(SourceFile(path, elements, status.st_size, version_of(status)))
        elif stat.S_ISDIR(status.st_mode):
            folder = (status.st_dev, status.st_ino)
            if folder in above:
                raise CreateError(f"{path} is a link back to a folder that it lies in")
            for entry in _entries(path):
                self._add_entry(entry, (*elements, entry.name), above=(*above, folder))
        else:
            self.left_out.append(path)

    def _add_entry(
        self,
        entry: os.DirEntry[str],
        elements: tuple[str, ...],
        *,
        above: tuple[tuple[int, int], ...],
    ) -> None:
        path = Path(entry.path)
        if entry.name.startswith(".") and not self._include_hidden:
            self.left_out.append(path)
            return
        if entry.is_symlink() and not self._allow_outside_links:
            self._check_inside(path)
        self._add(path, elements, _status(path), above=above)

    def _check_inside(self, link: Path) -> None:
        target = Path(os.path.realpath(link))
        if not any(target.is_relative_to(root) for root in self._roots):
            raise CreateError(f"{link} is a link to {target}, outside of what is being published")


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f"cannot read the folder {folder}: {error.strerror}") from error


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise CreateError(f"{path} is a link to {path.readlink()}, which is missing") from None
        raise CreateError(f"{path} does not exist") from None
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error


def _check_name(path: Path, elements: tuple[str, ...]) -> None:
    try:
        "/".join(elements).encode()
    except UnicodeEncodeError:
        raise CreateError(f"the name of {str(path)!r} is not UTF-8; rename it") from None
