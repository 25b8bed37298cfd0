"""Small torrents, and a disk that can fail, for the tests of this folder."""

import errno
import hashlib
import random
from collections.abc import Sequence
from pathlib import Path as FilePath

import bencodepy

from formats.metainfo import Metainfo, parse_metainfo
from node.storage.directory import Directory
from node.storage.open_files import DiskFile, FileStatus, Path


def content(size: int, seed: int = 1) -> bytes:
    """Bytes without zeros, so that nothing looks blank by accident."""
    return bytes(b or 1 for b in random.Random(seed).randbytes(size))


def torrent(
    files: dict[str, bytes] | bytes,
    *,
    piece_length: int = 16,
    name: str = "T",
    attributes: dict[str, str] | None = None,
) -> tuple[Metainfo, bytes]:
    """A torrent of these files, and its byte space. `attributes` is `attr` of BEP 47 by path."""
    info: dict[str, object] = {"name": name, "piece length": piece_length}
    if isinstance(files, bytes):
        data = files
        info["length"] = len(files)
    else:
        data = b"".join(files.values())
        info["files"] = [
            {"length": len(body), "path": path.split("/")}
            | ({"attr": attributes[path]} if attributes and path in attributes else {})
            for path, body in files.items()
        ]
    info["pieces"] = b"".join(
        hashlib.sha1(data[i : i + piece_length]).digest() for i in range(0, len(data), piece_length)
    )
    return parse_metainfo(bencodepy.encode({"info": info})), data


def piece(metainfo: Metainfo, data: bytes, index: int) -> bytes:
    """The bytes of one piece."""
    return data[index * metainfo.piece_length :][: metainfo.piece_length]


def put(root: FilePath, metainfo: Metainfo, data: bytes) -> None:
    """Lay the whole torrent down as another program would."""
    for file in metainfo.files:
        if file.is_stored:
            target = root.joinpath(*file.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data[file.offset : file.offset + file.length])


class FaultyFile:
    """A real file that fails when its disk says so."""

    def __init__(self, disk: "FaultyDisk", file: DiskFile, name: str) -> None:
        self._disk = disk
        self._file = file
        self._name = name

    def read(self, views: Sequence[memoryview], offset: int) -> int:
        self._disk.fail("read", self._name)
        self._disk.reads.append((self._name, offset, sum(view.nbytes for view in views)))
        short = [view[: self._disk.most] for view in views[:2]] if self._disk.most else views
        return self._file.read(short[:1] if self._disk.most else short, offset)

    def write(self, data: memoryview, offset: int) -> int:
        self._disk.fail("write", self._name)
        if self._disk.room is not None:
            if self._disk.room == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            data = data[: self._disk.room]
            self._disk.room -= data.nbytes
        return self._file.write(data[: self._disk.most or None], offset)

    def allocate(self, length: int) -> None:
        self._file.allocate(length)

    def sync(self) -> None:
        self._disk.fail("sync", self._name)
        self._disk.synced.append(self._name)
        self._file.sync()

    def close(self) -> None:
        self._disk.open_count -= 1
        self._file.close()


class FaultyDisk(Directory):
    """A real directory whose operations fail on demand."""

    def __init__(self, root: FilePath) -> None:
        super().__init__(root)
        self.errors: dict[tuple[str, str], int] = {}
        """(operation, file name) -> errno."""
        self.room: int | None = None
        """Bytes that still fit."""
        self.most = 0
        """The most bytes one read or write moves; 0 is no limit."""
        self.free: int | None = None
        self.reads: list[tuple[str, int, int]] = []
        self.synced: list[str] = []
        self.open_count = 0

    def fail(self, operation: str, name: str) -> None:
        if code := self.errors.get((operation, name)):
            raise OSError(code, "injected")

    def statuses(self, paths: Sequence[Path]) -> list[FileStatus | None]:
        for path in paths:
            self.fail("status", path[-1])
        return super().statuses(paths)

    def open(self, path: Path, *, write: bool, executable: bool = False) -> DiskFile:
        self.fail("open", path[-1])
        file = super().open(path, write=write, executable=executable)
        self.open_count += 1
        return FaultyFile(self, file, path[-1])

    def free_space(self) -> int:
        return super().free_space() if self.free is None else self.free
