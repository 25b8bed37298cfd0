"""Hashing files into piece hashes, as fast as all processors can, without blocking the event loop.

The byte space of a torrent is cut into runs of whole pieces. A few workers take one run after the
other; each run is one job for the executor, which reads through a small reused buffer that stays in
the processor's cache. `preadv` and hashing release the interpreter's lock.
"""

import asyncio
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import accumulate

from formats.piece_hashes import PieceHashes
from formats.source_files import SourceError, SourceFile, version_of

RUN_SIZE = 16 << 20
"""Bytes that one job hashes at least: 9 ms of work, so that handing it over costs nothing."""
BUFFER_SIZE = 256 << 10
"""Bytes read at a time; a fraction of a common L2 cache, so that hashing finds them there."""
JOBS_PER_PROCESSOR = 2
"""While a thread hashes one run the next one waits for it, so it never waits for the loop."""

OnProgress = Callable[[int, int], None]
"""Called on the event loop with the bytes hashed so far and the bytes in all."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Bytes `[start, end)` of the torrent; whole pieces, but for the torrent's end."""

    index: int
    start: int
    end: int


async def hash_pieces(
    files: tuple[SourceFile, ...],
    piece_length: int,
    *,
    executor: Executor | None = None,
    on_progress: OnProgress | None = None,
) -> PieceHashes:
    """The piece hashes of `files` laid end to end. Raises SourceError.

    When it is cancelled, jobs under way stop after the buffer they are at.
    """
    job = _HashingJob(files, piece_length)
    loop = asyncio.get_running_loop()
    runs = job.runs()
    digests: dict[int, bytes] = {}
    errors: list[SourceError] = []
    done = 0

    async def work() -> None:
        nonlocal done
        buffer = memoryview(bytearray(BUFFER_SIZE))
        for run in runs:
            try:
                digests[run.index] = await loop.run_in_executor(executor, job.hash_run, run, buffer)
            except SourceError as error:
                errors.append(error)
                job.is_cancelled = True
            if errors:
                return
            done += run.end - run.start
            if on_progress is not None:
                on_progress(done, job.total_size)

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(JOBS_PER_PROCESSOR * (os.cpu_count() or 1)):
                workers.create_task(work())
    finally:
        job.is_cancelled = True
    if errors:
        raise errors[0]
    return PieceHashes(b"".join(digests[index] for index in sorted(digests)))


class _HashingJob:
    """What the executor's threads share; only `is_cancelled` ever changes."""

    def __init__(self, files: tuple[SourceFile, ...], piece_length: int) -> None:
        self.is_cancelled = False
        self._files = files
        self._piece_length = piece_length
        self._offsets = list(accumulate((file.size for file in files), initial=0))
        self.total_size = self._offsets[-1]

    def runs(self) -> Iterator[_Run]:
        """The runs of the whole torrent, in order."""
        size = -(-RUN_SIZE // self._piece_length) * self._piece_length
        for index, start in enumerate(range(0, self.total_size, size)):
            yield _Run(index, start, min(start + size, self.total_size))

    def hash_run(self, run: _Run, buffer: memoryview) -> bytes:
        """The digests of the pieces of one run; empty if cancelled. Raises SourceError."""
        digests = []
        hasher = PieceHashes.hasher()
        room = self._piece_length
        for chunk in self._chunks(run, buffer):
            at = 0
            while at < len(chunk):
                part = chunk[at : at + room]
                hasher.update(part)
                at += len(part)
                room -= len(part)
                if not room:
                    digests.append(hasher.digest())
                    hasher = PieceHashes.hasher()
                    room = self._piece_length
        if room < self._piece_length:
            digests.append(hasher.digest())
        return b"".join(digests)

    def _chunks(self, run: _Run, buffer: memoryview) -> Iterator[memoryview]:
        """The bytes of a run, a buffer at a time at most. Raises SourceError."""
        at = run.start
        number = bisect_right(self._offsets, at) - 1
        while at < run.end:
            file, offset = self._files[number], self._offsets[number]
            end = min(run.end, offset + file.size)
            for chunk in _read(file, at - offset, end - offset, buffer):
                if self.is_cancelled:
                    return
                yield chunk
            at = end
            number += 1


def _read(file: SourceFile, start: int, end: int, buffer: memoryview) -> Iterator[memoryview]:
    """Bytes `[start, end)` of a file that must not have changed. Raises SourceError."""
    try:
        # A pipe put in the file's place must not hang us: it is opened, and found to have changed.
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            unchanged = version_of(os.fstat(descriptor)) == file.version
            while unchanged and start < end:
                count = os.preadv(descriptor, [buffer[: end - start]], start)
                yield buffer[:count]
                start += count
                unchanged = count > 0
            unchanged = unchanged and version_of(os.fstat(descriptor)) == file.version
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SourceError(f"cannot read {file.path}: {error.strerror}") from error
    if not unchanged:
        raise SourceError(f"{file.path} changed while it was being hashed")
