"""A few open files shared by the threads that read and write them (F8)."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Path = tuple[str, ...]
"""Names below the download directory, the file's own last."""

LIMIT = 40
"""Files kept open for each torrent; libtorrent's pool has the same size."""


class FileStatus(NamedTuple):
    """What identifies the contents of a file without reading them."""

    size: int
    """Bytes."""
    mtime_ns: int
    inode: int
    """Below 2^63, so that a database can hold it."""
    is_regular: bool = True
    allocated: int = 0
    """Bytes that it occupies on disk."""


class DiskFile(Protocol):
    """One open file. Every method may raise OSError."""

    def read(self, views: Sequence[memoryview], offset: int) -> int:
        """Fill the views from byte `offset` on; returns the bytes read, 0 at the end."""

    def write(self, data: memoryview, offset: int) -> int:
        """Write from byte `offset` on; returns the bytes written."""

    def allocate(self, length: int) -> None:
        """Reserve room for the first `length` bytes and make the file that long."""

    def sync(self) -> None:
        """Return when everything written is on the disk."""

    def close(self) -> None:
        """Give the file back."""


class Disk(Protocol):
    """A download directory: the real one, or one that a test simulates.

    Every method blocks, is called from executor threads, and raises OSError or UnsafePath.
    """

    def statuses(self, paths: Sequence[Path]) -> list[FileStatus | None]:
        """What stands at each path, None for nothing; never follows a link."""

    def open(self, path: Path, *, write: bool, executable: bool = False) -> DiskFile:
        """Open a plain file; to write, create it and its directories when they are missing."""

    def remove(self, path: Path) -> None:
        """Delete a file; no error when there is none."""

    def free_space(self) -> int:
        """Bytes that may still be written."""


@dataclass(slots=True, eq=False)
class _Entry:
    file: DiskFile
    is_writable: bool
    users: int = 0
    is_retired: bool = False


class OpenFiles:
    """The least recently used files are closed, but none while a thread uses it."""

    def __init__(self, disk: Disk, *, limit: int = LIMIT) -> None:
        self._disk = disk
        self._limit = limit
        self._entries: OrderedDict[Path, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @contextmanager
    def use(
        self, path: Path, *, write: bool = False, executable: bool = False
    ) -> Iterator[DiskFile]:
        """The open file at `path`. Raises OSError and UnsafePath as Disk.open does."""
        entry = self._acquire(path, write=write, executable=executable)
        try:
            yield entry.file
        finally:
            with self._lock:
                entry.users -= 1
                self._close_if_unused(entry)

    def forget(self, path: Path) -> None:
        """Close the file at `path`, as soon as nobody uses it."""
        with self._lock:
            self._retire(path)

    def close(self) -> None:
        """Close every file, as soon as nobody uses it."""
        with self._lock:
            for path in list(self._entries):
                self._retire(path)

    def _acquire(self, path: Path, *, write: bool, executable: bool) -> _Entry:
        with self._lock:
            entry = self._entries.get(path)
            if entry is None or (write and not entry.is_writable):
                file = self._disk.open(path, write=write, executable=executable)
                self._retire(path)
                entry = self._entries[path] = _Entry(file, write)
                while len(self._entries) > self._limit:
                    self._retire(next(iter(self._entries)))
            else:
                self._entries.move_to_end(path)
            entry.users += 1
            return entry

    def _retire(self, path: Path) -> None:
        entry = self._entries.pop(path, None)
        if entry is not None:
            entry.is_retired = True
            self._close_if_unused(entry)

    def _close_if_unused(self, entry: _Entry) -> None:
        if entry.is_retired and entry.users == 0:
            entry.file.close()
