"""Whole pieces on their way to and from the disk, and what follows from how that went."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from formats.errors import StorageError
from node.storage.errors import MissingData, SyncFailed
from node.torrent import bitfield

if TYPE_CHECKING:
    from node.torrent.torrent import Torrent

FLUSH_SECONDS = 2.0
"""Between two syncs of what was verified: what a power cut may cost (F5)."""


class PieceStore:
    """The torrent's dealings with its storage."""

    def __init__(self, torrent: "Torrent") -> None:
        self._torrent = torrent
        self._next_flush = torrent.now() + FLUSH_SECONDS
        self._has_unflushed = False

    async def store(self, index: int, buffer: memoryview) -> None:
        """A piece is whole: keep it if its hash matches, else find out who lied (P11)."""
        torrent = self._torrent
        picker = torrent.picker
        try:
            matches = await torrent.storage.write_piece(index, buffer)
        except StorageError as error:
            picker.piece_not_written(index)
            torrent.fail(error)
            return
        if matches:
            self._has_unflushed = True
            torrent.members.ban(picker.piece_verified(index))
            torrent.verified(index)
        else:
            torrent.members.ban(picker.piece_failed(index))
        torrent.members.refill(torrent.now())

    async def read(self, offset: int, views: Sequence[memoryview]) -> None:
        """Fill the views with one contiguous range of the torrent. Raises StorageError."""
        await self._torrent.storage.read(offset, views)

    def read_failed(self, error: StorageError) -> None:
        """Verified bytes could not be read: the piece may not be ours any more (F3, F7)."""
        torrent = self._torrent
        if not torrent.is_running:
            return  # the next start finds out
        if isinstance(error, MissingData):
            torrent.start(self._recover(1 << error.piece))
        else:
            torrent.fail(error)

    def tick(self, now: float) -> None:
        """Every two seconds: sync and record what was verified."""
        if self._has_unflushed and now >= self._next_flush:
            self._has_unflushed = False
            self._next_flush = now + FLUSH_SECONDS
            self._torrent.start(self._flush())

    async def _flush(self) -> None:
        try:
            await self._torrent.storage.flush()
        except SyncFailed as error:
            await self._look_again(error.pieces)
            self._torrent.fail(error)
        except StorageError as error:
            self._torrent.fail(error)

    async def _recover(self, pieces: int) -> None:
        await self._look_again(pieces)
        self._torrent.lost_some()

    async def _look_again(self, pieces: int) -> None:
        """The disk may have lost these pieces: keep those that still match (F3, F5)."""
        torrent = self._torrent
        try:
            good = await torrent.storage.check(pieces=pieces)
        except StorageError as error:
            good = 0
            torrent.fail(error)
        for index in bitfield.set_bits(pieces & ~good & torrent.picker.have):
            torrent.picker.piece_lost(index)
            torrent.disclosure.lost(index)
