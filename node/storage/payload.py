"""The torrent's byte space on disk: positional reads and writes, for executor threads.

The bytes of a file that nobody wants, but whose neighbours' pieces reach into it, go to the *part
file*: a hidden sparse file addressed by torrent offset. Such a file does not appear on disk.
"""

import errno
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

from formats.errors import StorageError
from formats.metainfo import Metainfo
from node.storage.errors import DiskFull, ForeignFile, MissingData, UnsafePath, explain
from node.storage.layout import PADDING, Layout, Segment
from node.storage.open_files import Disk, DiskFile, FileStatus, OpenFiles, Path

PART_FILE: Final = -2
"""Stands for the part file where a file index is expected."""
MAX_VIEWS = 1024
"""Views of one preadv: IOV_MAX of Linux and macOS."""
COPY_SIZE = 1 << 20
"""Bytes copied or compared at a time."""
Statuses: TypeAlias = dict[int, FileStatus | None]
"""What stands where each file, or PART_FILE, belongs; by file index."""


class Payload:
    """Reads and writes ranges of the torrent. Every method blocks and raises StorageErrors."""

    def __init__(self, metainfo: Metainfo, layout: Layout, disk: Disk, shown: str) -> None:
        self._layout = layout
        self._disk = disk
        self._open = OpenFiles(disk)
        self._shown = shown
        self._part_path: Path = (f".everswarm-{metainfo.info_hash.hex()}.parts",)
        self.in_parts: frozenset[int] = frozenset()
        """The files whose bytes are in the part file. Replace it only while nobody writes."""

    def path(self, file: int) -> Path:
        """Where a file, or PART_FILE, is below the download directory."""
        return self._part_path if file == PART_FILE else self._layout.files[file].path

    def show(self, file: int) -> str:
        """The full path, for messages."""
        return "/".join((self._shown, *self.path(file)))

    def read(self, offset: int, views: Sequence[memoryview]) -> None:
        """Fill the views with the torrent's bytes from `offset` on.

        Raises MissingData when a file ends early, is gone or cannot be read.
        """
        segments = self._layout.segments(offset, sum(view.nbytes for view in views))
        for segment, part in zip(segments, _cut(views, segments), strict=True):
            if segment.file == PADDING:
                for view in part:
                    view[:] = bytes(view.nbytes)
            else:
                self._read_segment(segment, part)

    def write(self, offset: int, data: memoryview) -> None:
        """Write the torrent's bytes from `offset` on; padding is skipped."""
        start = 0
        for segment in self._layout.segments(offset, data.nbytes):
            end = start + segment.length
            if segment.file != PADDING:
                file, at = self._place(segment)
                with self._using(file, write=True) as handle:
                    _write_all(handle, data[start:end], at)
            start = end

    def statuses(self, files: Sequence[int]) -> Statuses:
        """What stands where each of the files, or PART_FILE, belongs."""
        try:
            found = self._disk.statuses([self.path(file) for file in files])
        except FileNotFoundError:
            found = [None] * len(files)
        except OSError as error:
            raise explain(error, self._shown) from error
        return dict(zip(files, found, strict=True))

    def sync(self, files: Iterable[int]) -> dict[int, StorageError]:
        """Return when the given files are on the disk; why not, for those that are not."""
        failed = {}
        for file in files:
            try:
                with self._using(file) as handle:
                    handle.sync()
            except StorageError as error:
                failed[file] = error
        return failed

    def present(self, statuses: Statuses, known: int) -> int:
        """The pieces of which every byte may exist, given the statuses of all stored files.

        The part file is full of holes: a piece with no bytes elsewhere counts only if `known`.
        """
        sizes = {}
        for file in self._layout.stored:
            status = statuses[PART_FILE if file in self.in_parts else file]
            if status is None or not status.is_regular:
                sizes[file] = 0
            elif file not in self.in_parts:
                sizes[file] = status.size
        present = self._layout.pieces_present(sizes)
        if self.in_parts:
            present &= known | self._layout.pieces_of(sizes.keys() - self.in_parts)
        return present

    def create(self, files: Iterable[int]) -> None:
        """Make empty files, unless something is there."""
        for file in files:
            with self._using(file, write=True):
                pass

    def preallocate(self, files: Collection[int]) -> None:
        """Reserve room for whole files. Raises DiskFull before it touches any (T11)."""
        lengths = {file: self._layout.files[file].length for file in files}
        statuses = self.statuses(list(lengths))
        needed = sum(
            max(length - (status.allocated if status else 0), 0)
            for (file, length) in lengths.items()
            for status in (statuses[file],)
        )
        try:
            free = self._disk.free_space()
        except OSError as error:
            raise explain(error, self._shown) from error
        if needed > free:
            raise DiskFull(f"{self._shown}: {needed:,} bytes are needed and {free:,} are free")
        for file, length in lengths.items():
            with self._using(file, write=True) as handle:
                if length:
                    handle.allocate(length)

    def is_blank(self, file: int) -> bool:
        """Whether a file holds nothing but zeros, as a preallocated one does."""
        buffer = memoryview(bytearray(COPY_SIZE))
        zeros = bytes(COPY_SIZE)
        offset = 0
        with self._using(file) as handle:
            while size := handle.read([buffer], offset):
                if buffer[:size] != zeros[:size]:
                    return False
                offset += size
        return True

    def move_out_of_parts(self, files: Mapping[int, Sequence[tuple[int, int]]]) -> None:
        """Copy to each file what the part file has of it in the runs of pieces [first, end).

        Raises ForeignFile before anything is copied when something stands there; after any other
        error the files are gone again. `in_parts` is the caller's to change.
        """
        for file, status in self.statuses(list(files)).items():
            if status is not None and (status.size > 0 or not status.is_regular):
                raise ForeignFile(self.show(file), "is not this torrent's data")
        buffer = memoryview(bytearray(COPY_SIZE))
        try:
            for file, runs in files.items():
                for first, end in runs:
                    self._copy_out(file, buffer, *self._layout.extent(first, end))
        except StorageError:
            for file in files:
                self.remove(file)
            raise

    def _copy_out(self, file: int, buffer: memoryview, start: int, size: int) -> None:
        entry = self._layout.files[file]
        stop = min(start + size, entry.offset + entry.length)
        start = max(start, entry.offset)
        while start < stop:
            part = buffer[: min(stop - start, COPY_SIZE)]
            self._read_segment(Segment(file, start - entry.offset, part.nbytes), [part])
            with self._using(file, write=True) as handle:
                _write_all(handle, part, start - entry.offset)
            start += part.nbytes

    def remove(self, file: int) -> None:
        """Delete a file or PART_FILE. Raises UnsafePath where a directory or link stands."""
        status = self.statuses([file])[file]
        if status is None:
            return
        if not status.is_regular:
            raise UnsafePath(f"{self.show(file)} is not a plain file; move it away")
        self._open.forget(self.path(file))
        try:
            self._disk.remove(self.path(file))
        except OSError as error:
            raise explain(error, self.show(file)) from error

    def close(self) -> None:
        """Close the files; the next read or write opens them again."""
        self._open.close()

    def _place(self, segment: Segment) -> tuple[int, int]:
        """The file that stores a segment, and where in it."""
        if segment.file in self.in_parts:
            return PART_FILE, self._layout.files[segment.file].offset + segment.offset
        return segment.file, segment.offset

    def _read_segment(self, segment: Segment, views: list[memoryview]) -> None:
        file, at = self._place(segment)
        begin = self._layout.files[segment.file].offset + segment.offset
        size = 0
        try:
            with self._open.use(self.path(file)) as handle:
                size = _read_all(handle, views, at)
        except OSError as error:
            reason = explain(error, self.show(file))
            if error.errno not in (errno.ENOENT, errno.EIO, errno.ESTALE):
                raise reason from error
            raise MissingData(begin // self._layout.piece_length, str(reason)) from error
        if size < segment.length:
            reason_text = f"{self.show(file)} ends at byte {at + size}"
            raise MissingData((begin + size) // self._layout.piece_length, reason_text)

    @contextmanager
    def _using(self, file: int, *, write: bool = False) -> Iterator[DiskFile]:
        executable = file != PART_FILE and self._layout.files[file].is_executable
        try:
            with self._open.use(self.path(file), write=write, executable=executable) as handle:
                yield handle
        except OSError as error:
            raise explain(error, self.show(file)) from error


def _cut(views: Sequence[memoryview], segments: list[Segment]) -> Iterator[list[memoryview]]:
    """The views, cut at the ends of the segments, without empty ones."""
    if len(segments) == 1:
        yield [view for view in views if view.nbytes]
        return
    rest = iter(views)
    view = memoryview(b"")
    for segment in segments:
        part = []
        wanted = segment.length
        while wanted > 0:
            if not view:
                view = next(rest)
                continue
            part.append(view[:wanted])
            wanted -= part[-1].nbytes
            view = view[part[-1].nbytes :]
        yield part


def _read_all(handle: DiskFile, views: list[memoryview], offset: int) -> int:
    """Fill the views; returns the bytes read, fewer only at the end of the file."""
    done = 0
    while views:
        batch = views[:MAX_VIEWS]
        size = handle.read(batch, offset + done)
        if size == 0:
            break
        done += size
        first = 0
        while first < len(batch) and size >= batch[first].nbytes:
            size -= batch[first].nbytes
            first += 1
        views = views[first:]
        if size:
            views[0] = views[0][size:]
    return done


def _write_all(handle: DiskFile, data: memoryview, offset: int) -> None:
    while data:
        size = handle.write(data, offset)
        if size == 0:
            raise OSError(errno.EIO, "nothing was written")
        data = data[size:]
        offset += size
