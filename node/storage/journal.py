"""The order of writes that keeps the record true: intention, data, sync, confirmation (F4, F5)."""

import asyncio
from collections.abc import Collection, Sequence
from concurrent.futures import Executor

from node.storage import piece_set
from node.storage.errors import SyncFailed
from node.storage.layout import PADDING, Layout
from node.storage.open_files import FileStatus
from node.storage.payload import PART_FILE, Payload
from node.storage.resume import Fingerprint, ResumeRecord, Snapshot


class Journal:
    """What was written but could still be lost, and the record of what could not.

    Without a record nothing is kept, and nothing is synced.
    """

    def __init__(
        self,
        record: ResumeRecord | None,
        layout: Layout,
        payload: Payload,
        executor: Executor | None,
    ) -> None:
        self._record = record
        self._layout = layout
        self._payload = payload
        self._executor = executor
        self._flushing = asyncio.Lock()
        self._unsynced: dict[int, None] = {}
        """Verified pieces that a power cut could take."""
        self._dirty: dict[int, None] = {}
        """Files, or PART_FILE, changed since they were last synced."""
        self._inodes: dict[int, int] = {}
        """Of the files as they were last seen."""
        self._is_started = False

    async def load(self) -> Snapshot:
        """What the last session recorded."""
        self._is_started = False
        self._inodes.clear()
        return Snapshot() if self._record is None else await self._record.load()

    async def start(self, verified: int) -> None:
        """Record this as the state on disk: these pieces are verified and none is in flight."""
        if self._record is None:
            return
        async with self._flushing:
            _, _, failure = await self._sync()
            if failure is not None:
                raise failure
            in_parts = self._payload.in_parts
            files = [file for file in self._layout.stored if file not in in_parts]
            prints = await self._fingerprints([*files, PART_FILE])
            await self._record.start(verified, prints, in_parts)
        self._inodes = {file: known.inode for file, known in prints.items()}
        self._is_started = True

    async def begin(self, index: int) -> None:
        """Piece `index` is about to be written."""
        if self._record is not None:
            await self._record.begin((index,))

    async def move(self, pieces: Sequence[int], in_parts: Collection[int]) -> None:
        """The bytes of these verified pieces are about to change files, to leave only the files
        `in_parts` in the part file."""
        if self._record is not None:
            await self._record.begin(pieces, durable=True)
            await self._record.place(in_parts)

    def written(self, index: int, *, is_verified: bool) -> None:
        """Piece `index` was written, or partly when it is not verified."""
        if self._record is None:
            return
        if is_verified:
            self._unsynced[index] = None
        for segment in self._layout.segments(*self._layout.extent(index, index + 1)):
            if segment.file != PADDING:
                self._dirty[self._stored_in(segment.file)] = None

    def created(self, files: Sequence[int]) -> None:
        """These files were made, and hold nothing yet."""
        if self._record is not None:
            self._dirty.update(dict.fromkeys(files))

    def removed(self, file: int) -> None:
        """This file is gone, and the next one at its place is ours as well."""
        self._inodes.pop(file, None)
        self._dirty.pop(file, None)

    def found(self, pieces: int) -> None:
        """These pieces (bit i set = piece i) were found to match; nobody knows who synced them."""
        if self._record is not None and pieces:
            self._unsynced.update(dict.fromkeys(piece_set.indices(pieces)))
            files = self._layout.files_of(pieces)
            self._dirty.update(dict.fromkeys(map(self._stored_in, files)))

    async def withdraw(self, pieces: int) -> None:
        """These pieces (bit i set = piece i) do not match any more."""
        if self._record is not None and pieces:
            for index in piece_set.indices(pieces):
                self._unsynced.pop(index, None)
            await self._record.withdraw(pieces)

    async def flush(self) -> None:
        """Sync what was written, then record it.

        Raises SyncFailed with the pieces that are not verified after all. After any other
        StorageError everything is kept for the next flush.
        """
        if self._record is None or not self._is_started:
            return
        async with self._flushing:
            if not self._unsynced and not self._dirty:
                return
            pieces, prints, failure = await self._sync()
            if pieces or prints:
                try:
                    await self._record.commit(pieces, prints)
                except BaseException:
                    self._unsynced.update(dict.fromkeys(pieces))
                    self._dirty.update(dict.fromkeys(prints))
                    raise
            if failure is not None:
                await self._record.withdraw(failure.pieces)
                raise failure

    async def finish(self) -> None:
        """Flush, and record a clean stop: nobody writes any more."""
        await self.flush()
        if self._record is not None and self._is_started:
            await self._record.finish()

    async def _sync(self) -> tuple[list[int], dict[int, Fingerprint], SyncFailed | None]:
        """Sync the dirty files; returns the pieces that are safe now, those files, what failed."""
        pieces, self._unsynced = self._unsynced, {}
        dirty, self._dirty = self._dirty, {}
        loop = asyncio.get_running_loop()
        try:
            failed = await loop.run_in_executor(self._executor, self._payload.sync, list(dirty))
            prints = await self._fingerprints([file for file in dirty if file not in failed])
        except BaseException:
            self._unsynced = pieces | self._unsynced
            self._dirty = dirty | self._dirty
            raise
        reasons = {file: str(error) for file, error in failed.items()}
        lost = 0
        if failed:
            lost = self._pieces_in(failed)
            lost &= piece_set.from_indices(pieces, self._layout.piece_count)
        for file in prints:
            if self._is_replaced(file, prints[file]):
                reasons[file] = f"{self._payload.show(file)} was replaced by another file"
                lost |= self._pieces_in([file])
        if not lost:
            return list(pieces), prints, None
        gone = set(piece_set.indices(lost))
        kept = [index for index in pieces if index not in gone]
        return kept, prints, SyncFailed(lost, next(iter(reasons.values())))

    def _is_replaced(self, file: int, seen: Fingerprint) -> bool:
        """Whether another file stands there since the last time (F7)."""
        before, self._inodes[file] = self._inodes.get(file, seen.inode), seen.inode
        return before != seen.inode

    async def _fingerprints(self, files: Sequence[int]) -> dict[int, Fingerprint]:
        loop = asyncio.get_running_loop()
        statuses: dict[int, FileStatus | None] = await loop.run_in_executor(
            self._executor, self._payload.statuses, files
        )
        return {file: Fingerprint.of(status) for file, status in statuses.items() if status}

    def _pieces_in(self, files: Collection[int]) -> int:
        """The pieces with bytes in any of the files; PART_FILE stands for all files in it."""
        plain = [file for file in files if file != PART_FILE]
        if PART_FILE in files:
            plain.extend(self._payload.in_parts)
        return self._layout.pieces_of(plain)

    def _stored_in(self, file: int) -> int:
        return PART_FILE if file in self._payload.in_parts else file
