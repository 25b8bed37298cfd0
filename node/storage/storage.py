"""One torrent on disk: what the rest of the program sees of it.

Everything that blocks runs in the executor; the state below belongs to the event loop.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeAlias

from formats.errors import StorageError
from formats.metainfo import Metainfo
from node.storage import piece_set
from node.storage.checker import Checker
from node.storage.directory import Directory
from node.storage.errors import SyncFailed
from node.storage.examination import Opening
from node.storage.journal import Journal
from node.storage.layout import Layout
from node.storage.open_files import Disk, FileStatus
from node.storage.payload import PART_FILE, Payload, Statuses
from node.storage.report import FileReport, file_reports
from node.storage.resume import ResumeRecord

OnProgress: TypeAlias = Callable[[int, int], None]
"""Called with (pieces hashed so far, pieces to hash)."""


class Storage:
    """The files of one torrent below a download directory.

    `wanted` are indexes of the files to store (default: all); of the others only the bytes that
    wanted neighbours' pieces reach into are kept, in a hidden part file. With a `record` verified
    pieces survive the process. Every method may raise StorageError.
    """

    def __init__(
        self,
        metainfo: Metainfo,
        directory: Path,
        *,
        executor: Executor | None,
        record: ResumeRecord | None = None,
        wanted: Collection[int] | None = None,
        preallocate: bool = False,
        disk: Disk | None = None,
    ) -> None:
        self.layout = Layout(metainfo)
        self.verified = 0
        """Bit i set = piece i is on disk and its hash matched."""
        self._hashes = metainfo.hashes
        self._executor = executor
        self._wanted = self._stored(wanted)
        self._preallocate = preallocate
        shown = str(directory.absolute())
        self._payload = Payload(metainfo, self.layout, disk or Directory(directory), shown=shown)
        self._journal = Journal(record, self.layout, self._payload, executor)
        self._writes: dict[asyncio.Future[bool], None] = {}
        """The executor jobs that write."""
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._moving = asyncio.Lock()

    @property
    def needed(self) -> int:
        """The pieces that touch a wanted file: with these verified, the download is complete."""
        return self.layout.pieces_of(sorted(self._wanted))

    def progress(self) -> list[int]:
        """Verified bytes of every file of the torrent, by file index."""
        return self.layout.progress(self.verified)

    async def open(
        self, *, overwrite: bool = False, verified: int = 0, on_progress: OnProgress | None = None
    ) -> None:
        """Find out what is there, and hash what the record does not vouch for.

        `verified` are pieces that the caller has just hashed itself. Raises ForeignFile when a file
        that is not this torrent's data stands in the way; `overwrite` deletes such files instead.
        """
        snapshot = await self._journal.load()
        opening = Opening(self.layout, self._payload, self._wanted, overwrite=overwrite)
        loop = asyncio.get_running_loop()
        findings = await loop.run_in_executor(self._executor, opening.examine, snapshot)
        given = verified & findings.present
        self.verified = findings.trusted | given
        await self.check(on_progress, pieces=findings.suspect & ~given)
        await loop.run_in_executor(self._executor, opening.admit, findings.unproven, self.verified)
        await self._journal.start(self.verified)
        await self.set_wanted(self._wanted)

    async def write_piece(self, index: int, buffer: bytes | bytearray | memoryview) -> bool:
        """Hash one whole piece and write it; False when it does not match and nothing was written.

        The buffer must not change until this returns, nor after the caller was cancelled.
        """
        data = memoryview(buffer)
        if data.nbytes != self.layout.piece_size(index):
            raise ValueError(f"{data.nbytes} bytes are not piece {index}")
        await self._journal.begin(index)
        await self._may_write.wait()
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._executor, self._hash_and_write, index, data)
        self._writes[job] = None
        job.add_done_callback(lambda job: self._written(index, job))
        return await asyncio.shield(job)

    async def read(self, offset: int, views: Sequence[memoryview]) -> None:
        """Fill the views with one contiguous range of the torrent's bytes, from `offset` on.

        Raises MissingData when the files no longer have them: `check` that piece then. A caller
        that is cancelled must not use the views again: a thread may still fill them.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._payload.read, offset, views)

    async def check(
        self, on_progress: OnProgress | None = None, *, pieces: int | None = None
    ) -> int:
        """Hash pieces (default: all) and return those that match; `verified` follows as it goes.

        Whoever cancels keeps what was found so far. None of the pieces may be written meanwhile.
        """
        pieces = (1 << self.layout.piece_count) - 1 if pieces is None else pieces
        before, total = self.verified, pieces.bit_count()
        present = await self._present(pieces)
        self.verified &= ~(pieces & ~present)
        checked = total - present.bit_count()

        def on_result(first: int, end: int, good: int) -> None:
            nonlocal checked
            self.verified = self.verified & ~(((1 << end - first) - 1) << first) | good << first
            checked += end - first
            if on_progress is not None:
                on_progress(checked, total)

        if on_progress is not None and checked:
            on_progress(checked, total)
        checker = Checker(self._payload, self.layout, self._hashes)
        try:
            await checker.run(present, self._executor, on_result)
        finally:
            self._journal.found(self.verified & ~before)
            await self._journal.withdraw(before & ~self.verified)
        return self.verified & pieces

    async def verify(self, on_progress: OnProgress | None = None) -> list[FileReport]:
        """Hash everything and say which files are damaged. Needs no `open` and changes no file."""
        verified = await self.check(on_progress)
        return file_reports(self.layout, await self._statuses(), verified)

    async def flush(self) -> None:
        """Sync what was written and record it; call it every two seconds (F5).

        Raises SyncFailed with the pieces that are no longer verified. After any other StorageError
        the next flush tries again.
        """
        try:
            await self._journal.flush()
        except SyncFailed as error:
            self.verified &= ~error.pieces
            raise

    async def set_wanted(self, wanted: Collection[int]) -> None:
        """Choose anew which files to store; bytes of newly wanted ones leave the part file.

        A file already on disk stays there when it is no longer wanted. Raises ForeignFile when
        something stands where a newly wanted file belongs; then nothing has changed.
        """
        async with self._moving:
            self._may_write.clear()
            try:
                await self._quiet()
                await self._place(self._stored(wanted))
            finally:
                self._may_write.set()
            await self.flush()
            if not self._payload.in_parts:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._executor, self._payload.remove, PART_FILE)
                self._journal.removed(PART_FILE)

    async def close(self) -> None:
        """Wait for writes, record a clean stop and close the files."""
        loop = asyncio.get_running_loop()
        try:
            await self._quiet()
            await self._journal.finish()
        finally:
            await loop.run_in_executor(self._executor, self._payload.close)

    def _stored(self, wanted: Collection[int] | None) -> frozenset[int]:
        stored = frozenset(self.layout.stored)
        return stored if wanted is None else stored & frozenset(wanted)

    def _hash_and_write(self, index: int, data: memoryview) -> bool:
        if not self._hashes.matches(index, data):
            return False
        self._payload.write(index * self.layout.piece_length, data)
        return True

    def _written(self, index: int, job: asyncio.Future[bool]) -> None:
        """Runs when the job ends, whether or not its caller still waits."""
        self._writes.pop(job)
        if job.cancelled() or job.exception() is not None:
            self._journal.written(index, is_verified=False)
        elif job.result():
            self._journal.written(index, is_verified=True)
            self.verified |= 1 << index

    async def _quiet(self) -> None:
        """Return when no job writes."""
        while self._writes:
            await asyncio.gather(*map(asyncio.shield, self._writes), return_exceptions=True)

    async def _statuses(self) -> Statuses:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._executor, self._payload.statuses, (*self.layout.stored, PART_FILE)
        )

    async def _present(self, pieces: int) -> int:
        """The pieces of which every byte exists on disk."""
        statuses = await self._statuses()
        return pieces & self._payload.present(statuses, self.verified)

    async def _place(self, wanted: frozenset[int]) -> None:
        """Give every file its place, while nobody writes; see set_wanted."""
        loop = asyncio.get_running_loop()
        parts = self._payload.in_parts
        statuses = await self._statuses()
        absent = {file for file in self.layout.stored if not statuses[file]}
        in_parts = parts - wanted | absent - wanted
        runs = {
            file: list(piece_set.runs(self.layout.pieces_of([file]) & self.verified))
            for file in sorted(parts & wanted)
        }
        moving = self.layout.pieces_of(runs) & self.verified
        if in_parts != parts:
            await self._journal.move(list(piece_set.indices(moving)), in_parts)
        try:
            await loop.run_in_executor(self._executor, self._payload.move_out_of_parts, runs)
            self._payload.in_parts = in_parts
        except StorageError:
            await self._journal.move((), parts)
            raise
        finally:
            self._journal.found(moving)
        new = [file for file in sorted(wanted) if self._is_due(file, statuses[file])]
        await loop.run_in_executor(
            self._executor,
            self._payload.preallocate if self._preallocate else self._payload.create,
            new,
        )
        self._wanted = wanted

    def _is_due(self, file: int, status: FileStatus | None) -> bool:
        """Whether a wanted file should be made before its first piece is written."""
        length = self.layout.files[file].length
        if self._preallocate:
            return status is None or status.size < length
        return status is None and length == 0
