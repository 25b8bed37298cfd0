"""The download directory, and nothing outside it (promise 1; T1, T2).

What strangers and other programs on this machine try, and the answer:

* paths with `..`, `/`, NUL or empty names (T1): refused here again, whatever the metainfo's reader
  let pass;
* a symbolic link planted on the way, even between our look and our open (T2): every directory is
  opened relative to the one above it, every name with O_NOFOLLOW; a name is never looked up twice;
* a pipe, device or directory where a file belongs: opened without waiting, looked at, refused.

The download directory itself is the user's choice and may be reached through links.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path as FilePath

from node.storage.errors import UnsafePath
from node.storage.open_files import DiskFile, FileStatus, Path

_COMMON = os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | _COMMON
_FILE = os.O_NONBLOCK | _COMMON
"""O_NONBLOCK: to open a planted pipe must not wait for its other end. Plain files ignore it."""


class Directory:
    """Files below one directory, each reached from it name by name. It holds nothing open."""

    def __init__(self, root: FilePath) -> None:
        self.root = root

    def statuses(self, paths: Sequence[Path]) -> list[FileStatus | None]:
        """See Disk.statuses; paths in one directory should be neighbours."""
        found: list[FileStatus | None] = []
        for _, group in groupby(paths, key=lambda path: path[:-1]):
            siblings = list(group)
            try:
                with self._parent(siblings[0], create=False) as parent:
                    found.extend(_status(parent, path[-1]) for path in siblings)
            except FileNotFoundError:
                found.extend(None for _ in siblings)
        return found

    def open(self, path: Path, *, write: bool, executable: bool = False) -> DiskFile:
        """See Disk.open. The permissions are the user's umask, with the x bits if `executable`."""
        flags = _FILE | (os.O_RDWR | os.O_CREAT if write else os.O_RDONLY)
        with self._parent(path, create=write) as parent:
            fd = os.open(path[-1], flags, 0o777 if executable else 0o666, dir_fd=parent)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise UnsafePath(f"{self.root.joinpath(*path)}: not a plain file")
        return _File(fd)

    def remove(self, path: Path) -> None:
        """See Disk.remove."""
        with suppress(FileNotFoundError), self._parent(path, create=False) as parent:
            os.unlink(path[-1], dir_fd=parent)

    def free_space(self) -> int:
        """See Disk.free_space; of the nearest directory above when the root does not exist yet."""
        place = self.root.absolute()
        while not place.exists():
            place = place.parent
        free = os.statvfs(place)
        return free.f_bavail * free.f_frsize

    @contextmanager
    def _parent(self, path: Path, *, create: bool) -> Iterator[int]:
        """A descriptor of the directory that holds the last name of `path`."""
        for name in path:
            if name in ("", ".", "..") or "/" in name or "\0" in name:
                raise UnsafePath(f"{path!r} is not a path below the download directory")
        if create:
            self.root.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for depth, name in enumerate(path[:-1], 1):
                try:
                    below = _open_directory(fd, name, create=create)
                except OSError as error:
                    if _is_directory(fd, name) or isinstance(error, FileNotFoundError):
                        raise
                    shown = self.root.joinpath(*path[:depth])
                    raise UnsafePath(
                        f"{shown} is not a directory, and links are not followed"
                    ) from error
                above, fd = fd, below
                os.close(above)
            yield fd
        finally:
            os.close(fd)


def _open_directory(parent: int, name: str, *, create: bool) -> int:
    if create:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)
    return os.open(name, _DIRECTORY, dir_fd=parent)


def _is_directory(parent: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return True  # it is not there, so nothing but the system's own error explains it


def _status(parent: int, name: str) -> FileStatus | None:
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return FileStatus(
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        inode=found.st_ino & (1 << 63) - 1,
        is_regular=stat.S_ISREG(found.st_mode),
        allocated=found.st_blocks * 512,  # POSIX: st_blocks counts 512-byte units
    )


class _File:
    """See DiskFile."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, views: Sequence[memoryview], offset: int) -> int:
        return os.preadv(self._fd, views, offset)

    def write(self, data: memoryview, offset: int) -> int:
        return os.pwrite(self._fd, data, offset)

    def allocate(self, length: int) -> None:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._fd, 0, length)
        elif os.fstat(self._fd).st_size < length:  # macOS: room is not reserved, only promised
            os.ftruncate(self._fd, length)

    def sync(self) -> None:
        if hasattr(os, "fdatasync"):
            os.fdatasync(self._fd)
        else:
            os.fsync(self._fd)

    def close(self) -> None:
        os.close(self._fd)
