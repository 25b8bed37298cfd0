"""What one peer asked us for, and how it is served: many blocks a read, one write a burst.

Threats: a flood of requests, repeats, requests for what we do not have (P6, P7): the queue holds a
request once and at most MAX_QUEUED of them, 17 bytes each on the wire; the disk is read only while
the connection's send buffer has room, so a peer that does not read costs at most that room.
"""

from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

from node.peer.messages import BLOCK_HEADER, BLOCK_SIZE, pack_block_header_into
from node.torrent.partial_piece import Request

MAX_QUEUED = 2_000
"""Requests kept for one peer (P7); further ones are rejected."""
BURST_BLOCKS = 64
"""Blocks read and written together: 1 MiB spreads the cost of a system call and of a visit to the
executor over enough bytes."""

ReadInto = Callable[[int, Sequence[memoryview]], Awaitable[None]]
"""Reads one contiguous range of the torrent, from an offset, into the views."""

_HEADER_SIZE = BLOCK_HEADER.size


class UploadQueue:
    """The requests of one peer in the order they came."""

    __slots__ = ("_requests",)

    def __init__(self) -> None:
        self._requests: dict[Request, None] = {}

    def __len__(self) -> int:
        return len(self._requests)

    def add(self, request: Request) -> bool:
        """Queue a request; False if the queue is full. Asking twice changes nothing."""
        if len(self._requests) >= MAX_QUEUED:
            return request in self._requests
        self._requests[request] = None
        return True

    def cancel(self, request: Request) -> bool:
        """Forget a request; False if it is not queued (any more)."""
        return self._requests.pop(request, self) is None

    def clear(self) -> list[Request]:
        """Forget everything; returns what was forgotten."""
        requests = list(self._requests)
        self._requests.clear()
        return requests

    def take(self, most_bytes: int) -> list[Request]:
        """Remove and return the next burst: at most `most_bytes` of payload, in order."""
        burst: list[Request] = []
        for request in islice(self._requests, min(BURST_BLOCKS, -(-most_bytes // BLOCK_SIZE))):
            most_bytes -= request[2]
            if most_bytes < 0:
                break
            burst.append(request)
        for request in burst:
            del self._requests[request]
        return burst

    @property
    def next_length(self) -> int:
        """Bytes of the next request; 0 when there is none."""
        return next((length for _, _, length in self._requests), 0)


async def read_burst(burst: list[Request], piece_length: int, read: ReadInto) -> memoryview:
    """Read a burst into one buffer of piece messages: a header before every block.

    Blocks that adjoin in the torrent are read together, scattered past the headers. Raises
    StorageError from `read`.
    """
    buffer = memoryview(bytearray(sum(_HEADER_SIZE + length for _, _, length in burst)))
    runs: list[tuple[int, list[memoryview]]] = []
    at = 0
    expected = -1
    for index, begin, length in burst:
        pack_block_header_into(buffer, at, index=index, begin=begin, length=length)
        view = buffer[at + _HEADER_SIZE : at + _HEADER_SIZE + length]
        offset = index * piece_length + begin
        if offset == expected:
            runs[-1][1].append(view)
        else:
            runs.append((offset, [view]))
        expected = offset + length
        at += _HEADER_SIZE + length
    for offset, views in runs:
        await read(offset, views)
    return buffer
