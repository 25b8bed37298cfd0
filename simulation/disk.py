"""A disk in memory that fits `node.storage.open_files.Disk`: full, failing or slow at will.

It outlives the programs that use it: after `host.kill` give it to the next one. What was written
is there at once and stays (a lost write cache is not modelled). Directories are implied by the
paths of files. A file occupies its length, holes included.
"""

import errno
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from node.storage.open_files import DiskFile, FileStatus, Path
from simulation.executor import InlineExecutor


@dataclass(slots=True, eq=False)
class _Inode:
    number: int
    mtime_ns: int
    data: bytearray = field(default_factory=bytearray)


class SimulatedDisk:
    """Faults are attributes, to be changed at any time.

    capacity: bytes; what exceeds it raises OSError (ENOSPC)
    latency:  seconds each operation takes, in the job of the executor that does it
    rate:     bytes/s of reads and writes, each job for itself
    errors:   operation ("open", "read", "write", "allocate", "sync", "remove", "status") to the
              errno with which it fails: `disk.errors["write"] = errno.EIO`
    """

    def __init__(
        self,
        executor: InlineExecutor,
        *,
        clock: Callable[[], float],
        capacity: float = math.inf,
        latency: float = 0.0,
        rate: float = math.inf,
    ) -> None:
        self.capacity = capacity
        self.latency = latency
        self.rate = rate
        self.errors: dict[str, int] = {}
        self.used = 0  # bytes
        self._executor = executor
        self._clock = clock
        self._files: dict[Path, _Inode] = {}
        self._inodes = 0

    # What a test looks at and spoils

    @property
    def files(self) -> dict[Path, bytes]:
        """The contents of every file."""
        return {path: bytes(inode.data) for path, inode in self._files.items()}

    def corrupt(self, path: Path, offset: int) -> None:
        """Flips the bits of one byte, and nobody is told: size and times stay."""
        self._files[path].data[offset] ^= 0xFF

    # node.storage.open_files.Disk

    def statuses(self, paths: Sequence[Path]) -> list[FileStatus | None]:
        self.operate("status", paths[0] if paths else ())
        return [self._status(path) for path in paths]

    def open(self, path: Path, *, write: bool, executable: bool = False) -> DiskFile:
        self.operate("open", path)
        inode = self._files.get(path)
        if inode is None:
            self._check_place(path)
            if not write:
                raise _error(errno.ENOENT, path)
            self._inodes += 1
            inode = self._files[path] = _Inode(self._inodes, self.now_ns())
        return _OpenFile(self, path, inode, is_writable=write)

    def remove(self, path: Path) -> None:
        self.operate("remove", path)
        inode = self._files.pop(path, None)
        if inode is not None:
            self.used -= len(inode.data)

    def free_space(self) -> int:
        return max(0, int(min(self.capacity, 1 << 62)) - self.used)

    # What an open file asks

    def operate(self, operation: str, path: Path, size: int = 0) -> None:
        """Takes the time of an operation on `size` bytes. Raises the OSError it was told to."""
        self._executor.spend(self.latency + size / self.rate)
        if operation in self.errors:
            raise _error(self.errors[operation], path)

    def grow(self, path: Path, data: bytearray, length: int) -> None:
        """Makes a file at least `length` bytes long. Raises OSError (ENOSPC)."""
        more = length - len(data)
        if more > 0:
            if self.used + more > self.capacity:
                raise _error(errno.ENOSPC, path)
            self.used += more
            data.extend(bytes(more))

    def now_ns(self) -> int:
        """Unix time in nanoseconds."""
        return int(self._clock() * 1e9)

    def _status(self, path: Path) -> FileStatus | None:
        inode = self._files.get(path)
        if inode is not None:
            size = len(inode.data)
            return FileStatus(size, inode.mtime_ns, inode.number, allocated=size)
        if self._is_directory(path):
            return FileStatus(0, 0, 0, is_regular=False)
        return None

    def _is_directory(self, path: Path) -> bool:
        return any(other[: len(path)] == path for other in self._files)

    def _check_place(self, path: Path) -> None:
        if self._is_directory(path):
            raise _error(errno.EISDIR, path)
        for depth in range(1, len(path)):
            if path[:depth] in self._files:
                raise _error(errno.ENOTDIR, path)


class _OpenFile:
    """node.storage.open_files.DiskFile; like a descriptor it survives `remove`."""

    __slots__ = ("_disk", "_inode", "_is_writable", "_path")

    def __init__(
        self, disk: SimulatedDisk, path: Path, inode: _Inode, *, is_writable: bool
    ) -> None:
        self._disk = disk
        self._path = path
        self._inode = inode
        self._is_writable = is_writable

    def read(self, views: Sequence[memoryview], offset: int) -> int:
        self._disk.operate("read", self._path, sum(len(view) for view in views))
        start = offset
        for view in views:
            part = self._inode.data[offset : offset + len(view)]
            view[: len(part)] = part
            offset += len(part)
        return offset - start

    def write(self, data: memoryview, offset: int) -> int:
        self._disk.operate("write", self._path, len(data))
        self._check_writable()
        self._disk.grow(self._path, self._inode.data, offset + len(data))
        self._inode.data[offset : offset + len(data)] = data
        self._inode.mtime_ns = self._disk.now_ns()
        return len(data)

    def allocate(self, length: int) -> None:
        self._disk.operate("allocate", self._path)
        self._check_writable()
        self._disk.grow(self._path, self._inode.data, length)

    def sync(self) -> None:
        self._disk.operate("sync", self._path)

    def close(self) -> None:
        """Nothing is held open."""

    def _check_writable(self) -> None:
        if not self._is_writable:
            raise _error(errno.EBADF, self._path)


def _error(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), "/".join(path))
