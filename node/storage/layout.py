"""Where the bytes of a torrent lie: its one byte space, cut into pieces, laid over its files.

Everything here is arithmetic on the file list; nothing touches a disk.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from formats.metainfo import Metainfo
from node.storage import piece_set

PADDING: Final = -1
"""The file of a segment that lies in no file: its bytes are zeros and not stored (BEP 47)."""


class Segment(NamedTuple):
    """A range of the torrent's bytes inside one file."""

    file: int
    """Index into the torrent's file list, or PADDING."""
    offset: int
    """Byte of the file where it starts."""
    length: int
    """Bytes, at least one."""


class Layout:
    """The map from ranges and pieces to files and back."""

    def __init__(self, metainfo: Metainfo) -> None:
        self.files = metainfo.files
        self.piece_length = metainfo.piece_length
        self.piece_count = metainfo.piece_count
        self.total_size = metainfo.total_size
        self._offsets = [file.offset for file in self.files]
        self.stored = tuple(index for index, file in enumerate(self.files) if file.is_stored)
        """The files that exist on disk: neither padding nor links, which are never created (T2)."""

    def segments(self, offset: int, length: int) -> list[Segment]:
        """The files under a byte range of the torrent, in order; empty files do not appear."""
        if offset < 0 or offset + length > self.total_size:
            raise ValueError(f"bytes {offset}+{length} lie outside the torrent")
        found = []
        index = bisect_right(self._offsets, offset) - 1
        while length > 0:
            file = self.files[index]
            inside = offset - file.offset
            size = min(length, file.length - inside)
            if size > 0:
                found.append(Segment(PADDING if file.is_padding else index, inside, size))
                offset += size
                length -= size
            index += 1
        return found

    def piece_size(self, index: int) -> int:
        """Bytes of piece `index`; the last one may be shorter."""
        return min(self.piece_length, self.total_size - index * self.piece_length)

    def extent(self, first: int, end: int) -> tuple[int, int]:
        """The byte range (offset, length) of the pieces [first, end)."""
        offset = first * self.piece_length
        return offset, min(end * self.piece_length, self.total_size) - offset

    def piece_range(self, file: int) -> tuple[int, int]:
        """The pieces [first, end) that touch a file; empty for an empty file."""
        offset, length = self.files[file].offset, self.files[file].length
        first = offset // self.piece_length
        return first, -(-(offset + length) // self.piece_length) if length else first

    def pieces_of(self, files: Iterable[int]) -> int:
        """The set of pieces that touch any of the files: what to download to have them."""
        return piece_set.from_ranges(map(self.piece_range, files), self.piece_count)

    def files_of(self, pieces: int) -> list[int]:
        """The stored files that any of the pieces touches, ascending."""
        digits = piece_set.digits(pieces, self.piece_count)
        return [file for file in self.stored if digits.find("1", *self.piece_range(file)) >= 0]

    def end_of(self, file: int, digits: str) -> int:
        """Bytes of the file up to the last piece that `digits` (piece_set.digits) holds."""
        last = digits.rfind("1", *self.piece_range(file))
        if last < 0:
            return 0
        entry = self.files[file]
        return min((last + 1) * self.piece_length - entry.offset, entry.length)

    def pieces_present(self, sizes: Mapping[int, int]) -> int:
        """The pieces of which every byte exists, where `sizes` has the bytes of each file on disk.

        A file without a size counts as whole.
        """
        gaps = []
        for index, size in sizes.items():
            file = self.files[index]
            if size < file.length:
                first = (file.offset + size) // self.piece_length
                gaps.append((first, self.piece_range(index)[1]))
        everything = (1 << self.piece_count) - 1
        return everything & ~piece_set.from_ranges(gaps, self.piece_count)

    def progress(self, verified: int) -> list[int]:
        """Verified bytes of every file, by file index."""
        digits = piece_set.digits(verified, self.piece_count)
        return [self._verified_bytes(index, digits) for index in range(len(self.files))]

    def _verified_bytes(self, index: int, digits: str) -> int:
        first, end = self.piece_range(index)
        whole = digits.count("1", first, end) * self.piece_length
        if whole == 0:
            return 0
        file = self.files[index]
        if digits[first] == "1":
            whole -= file.offset - first * self.piece_length
        if digits[end - 1] == "1":
            whole -= end * self.piece_length - (file.offset + file.length)
        return whole
