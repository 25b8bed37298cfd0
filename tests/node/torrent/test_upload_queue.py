import asyncio
from collections.abc import Sequence

import pytest

from formats.errors import StorageError
from node.torrent.upload_queue import BURST_BLOCKS, MAX_QUEUED, UploadQueue, read_burst

BLOCK = 16_384


def queue_of(*requests: tuple[int, int, int]) -> UploadQueue:
    queue = UploadQueue()
    for request in requests:
        assert queue.add(request)
    return queue


def test_requests_come_out_in_the_order_they_came() -> None:
    queue = queue_of((3, 0, BLOCK), (1, 0, BLOCK), (2, 0, BLOCK))
    assert queue.take(2 * BLOCK) == [(3, 0, BLOCK), (1, 0, BLOCK)]
    assert queue.take(1 << 20) == [(2, 0, BLOCK)]
    assert queue.take(1 << 20) == []


def test_p7_a_repeat_is_queued_once_and_keeps_its_place() -> None:
    queue = queue_of((0, 0, BLOCK), (1, 0, BLOCK), (0, 0, BLOCK))
    assert len(queue) == 2
    assert queue.take(BLOCK) == [(0, 0, BLOCK)]


def test_p7_a_full_queue_refuses_all_but_repeats() -> None:
    queue = queue_of(*[(0, begin, 1) for begin in range(MAX_QUEUED)])
    assert not queue.add((1, 0, 1))
    assert queue.add((0, 7, 1))
    assert len(queue) == MAX_QUEUED
    assert queue.cancel((0, 7, 1))
    assert queue.add((1, 0, 1))


def test_a_cancel_of_what_is_not_queued_is_told() -> None:
    queue = queue_of((0, 0, BLOCK))
    assert queue.cancel((0, 0, BLOCK))
    assert not queue.cancel((0, 0, BLOCK))
    assert not queue.cancel((5, 0, BLOCK))


def test_clear_returns_what_is_forgotten() -> None:
    queue = queue_of((1, 0, BLOCK), (0, 0, 5))
    assert queue.clear() == [(1, 0, BLOCK), (0, 0, 5)]
    assert len(queue) == 0
    assert queue.next_length == 0


@pytest.mark.parametrize(
    ("allowed", "taken"),
    [(0, 0), (BLOCK - 1, 0), (BLOCK, 1), (2 * BLOCK - 1, 1), (1 << 30, BURST_BLOCKS)],
)
def test_a_burst_keeps_within_its_allowance_and_bound(allowed: int, taken: int) -> None:
    queue = queue_of(*[(index, 0, BLOCK) for index in range(BURST_BLOCKS + 10)])
    assert len(queue.take(allowed)) == taken
    assert len(queue) == BURST_BLOCKS + 10 - taken


def test_the_next_length_is_that_of_the_first() -> None:
    queue = queue_of((0, 0, 7), (0, 7, BLOCK))
    assert queue.next_length == 7


DATA = bytes(index % 251 for index in range(8 * 100))


def burst_of(*requests: tuple[int, int, int]) -> tuple[bytes, list[tuple[int, int]]]:
    """What a burst is on the wire, from pieces of 100 bytes; and the reads it took."""
    reads: list[tuple[int, int]] = []

    async def read(offset: int, views: Sequence[memoryview]) -> None:
        reads.append((offset, sum(map(len, views))))
        for view in views:
            view[:] = DATA[offset : offset + len(view)]
            offset += len(view)

    return bytes(asyncio.run(read_burst(list(requests), 100, read))), reads


def message(index: int, begin: int, length: int) -> bytes:
    at = index * 100 + begin
    header = (9 + length).to_bytes(4) + b"\x07" + index.to_bytes(4) + begin.to_bytes(4)
    return header + DATA[at : at + length]


def test_blocks_that_adjoin_are_read_together_also_across_pieces() -> None:
    requests = [(0, 0, 50), (0, 50, 50), (1, 0, 30)]
    wire, reads = burst_of(*requests)
    assert wire == b"".join(message(*request) for request in requests)
    assert reads == [(0, 130)]


@pytest.mark.parametrize(
    "requests",
    [
        [(0, 0, 50), (0, 51, 49)],  # a gap
        [(1, 0, 50), (0, 50, 50)],  # backwards
        [(0, 0, 50), (0, 25, 50)],  # overlapping
    ],
)
def test_others_are_read_apart_and_sent_in_their_order(
    requests: list[tuple[int, int, int]],
) -> None:
    wire, reads = burst_of(*requests)
    assert wire == b"".join(message(*request) for request in requests)
    assert reads == [(index * 100 + begin, length) for index, begin, length in requests]


def test_a_read_that_fails_is_told() -> None:
    async def read(offset: int, views: Sequence[memoryview]) -> None:
        raise StorageError("gone")

    with pytest.raises(StorageError, match="gone"):
        asyncio.run(read_burst([(0, 0, 5)], 100, read))
