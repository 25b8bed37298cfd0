from dht.due_queue import SLOT_SECONDS, DueQueue, slot_of
from formats.identifiers import InfoHash


def key(number: int) -> InfoHash:
    return InfoHash(number.to_bytes(20, "big"))


def test_the_longest_due_comes_first_and_nothing_before_its_slot():
    queue = DueQueue()
    for number, due in ((1, 50.0), (2, -15.0), (3, 27.0), (4, 1_000.0)):
        queue.put(key(number), due)
    taken = []
    while (found := queue.take(999.0)) is not None:
        taken.append(found)
    assert taken == [(key(2), -2), (key(3), 2), (key(1), 5)]
    assert queue.take(1_000.0) == (key(4), slot_of(1_000.0))
    assert queue.take(1e9) is None


def test_one_slot_may_be_refilled():
    queue = DueQueue()
    for number in range(5):
        queue.put(key(number), SLOT_SECONDS / 2)
    assert len({queue.take(0.0) for _ in range(5)}) == 5
    queue.put(key(9), 0.0)
    assert queue.take(0.0) == (key(9), 0)
