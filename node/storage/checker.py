"""Hashing what is on disk, at the speed of the executor's threads, without stalling the loop."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor

from formats.metainfo import PieceHashes
from node.storage import piece_set
from node.storage.errors import MissingData
from node.storage.layout import Layout
from node.storage.payload import Payload

READ_SIZE = 512 << 10
"""Bytes read at once, unless a piece is longer: small enough to stay in a core's cache until they
are hashed, large enough that a system call costs nothing."""
JOB_SIZE = 8 << 20
"""Bytes of one executor job, about 4 ms of SHA-1: the loop is asked for more 250 times a second."""
JOBS_AHEAD = 4
"""Jobs submitted at a time: two for each of the executor's two threads, so that none waits."""

OnResult = Callable[[int, int, int], None]
"""Called with (first, end, good) after each job: in the pieces [first, end), bit i of `good` says
that piece first + i matches its hash."""


class Checker:
    """One pass over a set of pieces."""

    def __init__(self, payload: Payload, layout: Layout, hashes: PieceHashes) -> None:
        self._payload = payload
        self._layout = layout
        self._hashes = hashes
        self._threads = threading.local()

    async def run(self, pieces: int, executor: Executor | None, on_result: OnResult) -> None:
        """Hash the pieces in ascending order; cancelling stops after the jobs under way.

        Raises StorageError when a file may not be read. What is missing does not match.
        """
        loop = asyncio.get_running_loop()
        ranges = self._ranges(pieces)
        jobs: deque[tuple[int, int, asyncio.Future[int]]] = deque()
        try:
            while True:
                while len(jobs) < JOBS_AHEAD and (extent := next(ranges, None)):
                    job = loop.run_in_executor(executor, self.hash_pieces, *extent)
                    jobs.append((*extent, job))
                if not jobs:
                    return
                first, end, job = jobs[0]
                good = await job
                jobs.popleft()
                on_result(first, end, good)
        finally:
            for _, _, job in jobs:
                if not job.cancel() and not job.cancelled():
                    job.exception()  # told already by the job before it

    def hash_pieces(self, first: int, end: int) -> int:
        """Hash the pieces [first, end); bit i of the result says that piece first + i matches.

        Blocks. Raises StorageError when a file may not be read.
        """
        step = max(READ_SIZE // self._layout.piece_length, 1)
        buffer = self._buffer(step * self._layout.piece_length)
        good = 0
        for start in range(first, end, step):
            good |= self._hash_chunk(buffer, start, min(start + step, end)) << (start - first)
        return good

    def _hash_chunk(self, buffer: memoryview, first: int, end: int) -> int:
        offset, size = self._layout.extent(first, end)
        view = buffer[:size]
        try:
            self._payload.read(offset, [view])
        except MissingData:
            if end - first == 1:
                return 0
            middle = (first + end) // 2
            return self._hash_chunk(buffer, first, middle) | (
                self._hash_chunk(buffer, middle, end) << (middle - first)
            )
        length = self._layout.piece_length
        good = 0
        for index in range(first, end):
            start = (index - first) * length
            if self._hashes.matches(index, view[start : start + length]):
                good |= 1 << (index - first)
        return good

    def _ranges(self, pieces: int) -> Iterator[tuple[int, int]]:
        step = max(JOB_SIZE // self._layout.piece_length, 1)
        for first, end in piece_set.runs(pieces):
            for start in range(first, end, step):
                yield start, min(start + step, end)

    def _buffer(self, size: int) -> memoryview:
        """This thread's buffer, the same one for every job."""
        size = min(size, self._layout.total_size)
        buffer: memoryview | None = getattr(self._threads, "buffer", None)
        if buffer is None:
            buffer = self._threads.buffer = memoryview(bytearray(size))
        return buffer
