"""What `verify` says about each file."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from node.storage.layout import Layout
from node.storage.open_files import FileStatus


class FileState(Enum):
    """How a file on disk compares with the torrent."""

    WHOLE = "whole"
    DAMAGED = "damaged"
    MISSING = "missing"
    WRONG_SIZE = "wrong size"


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file of the torrent. Pieces are hashed as a whole: a damaged neighbour that shares a
    piece with this file takes that piece's bytes from both."""

    path: str
    """Below the download directory."""
    length: int
    """Bytes that the torrent declares."""
    bytes_ok: int
    """Bytes in pieces that match their hash."""
    state: FileState


def file_reports(
    layout: Layout, statuses: Mapping[int, FileStatus | None], verified: int
) -> list[FileReport]:
    """A report for every file that should be on disk, in the torrent's order."""
    progress = layout.progress(verified)
    return [
        FileReport(
            path="/".join(layout.files[index].path),
            length=layout.files[index].length,
            bytes_ok=progress[index],
            state=_state(statuses[index], layout.files[index].length, progress[index]),
        )
        for index in layout.stored
    ]


def _state(status: FileStatus | None, length: int, bytes_ok: int) -> FileState:
    if status is None or not status.is_regular:
        return FileState.MISSING
    if status.size != length:
        return FileState.WRONG_SIZE
    return FileState.WHOLE if bytes_ok == length else FileState.DAMAGED
