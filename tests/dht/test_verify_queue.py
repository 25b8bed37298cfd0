"""Pings that strangers cause (D12)."""

from itertools import pairwise

from dht.contact import Contact
from dht.node_id import NodeId
from dht.verify_queue import HOST_SECONDS, MAX_WAITING, VerifyQueue
from formats.endpoint import Endpoint


def contact(number: int) -> Contact:
    return Contact(NodeId(number.to_bytes(20, "big")), Endpoint(f"50.0.{number}.1", 6881))


def test_d12_five_a_second_whatever_comes():
    queue = VerifyQueue()
    for number in range(20):
        assert queue.add(contact(number), str(number), 0.0)
    sent = []
    for tick in range(1_000):
        if queue.pop(tick / 500) is not None:
            sent.append(tick / 500)
    assert len(sent) == 10
    assert all(later - earlier > 0.199 for earlier, later in pairwise(sent))
    assert queue.due_at == sent[-1] + 0.2


def test_d12_one_host_is_pinged_once_in_five_minutes():
    queue = VerifyQueue()
    assert queue.add(contact(1), "victim", 0.0)
    assert not queue.add(contact(2), "victim", HOST_SECONDS - 1)
    assert queue.add(contact(2), "victim", HOST_SECONDS)
    assert not queue.add(contact(2), "victim", HOST_SECONDS + 1)
    queue.forgive()
    assert queue.add(contact(2), "victim", HOST_SECONDS + 2)


def test_d12_the_queue_is_bounded_and_says_when_it_is_empty():
    queue = VerifyQueue()
    assert queue.due_at is None
    assert queue.pop(0.0) is None
    taken = [queue.add(contact(number), str(number), 0.0) for number in range(MAX_WAITING + 5)]
    assert taken == [True] * MAX_WAITING + [False] * 5
    assert len(queue) == MAX_WAITING
    assert queue.pop(0.0) == contact(0)
    assert queue.add(contact(99), str(99), 1.0), "who had no place was not counted as pinged"
