"""A queue of info hashes by the time they are due, in a few bytes for each."""

from heapq import heappop, heappush

from formats.identifiers import InfoHash

SLOT_SECONDS = 10.0
"""Resolution: hashes due within one slot are equally urgent."""


def slot_of(due: float) -> int:
    """The slot that a due time falls into."""
    return int(due // SLOT_SECONDS)


class DueQueue:
    """Hashes by due time. A hash may be put in again and again: who takes it knows which counts."""

    def __init__(self) -> None:
        self._slots: dict[int, list[InfoHash]] = {}
        self._order: list[int] = []
        """The slots as a heap."""

    def put(self, info_hash: InfoHash, due: float) -> None:
        """Queue a hash."""
        slot = slot_of(due)
        if slot in self._slots:
            self._slots[slot].append(info_hash)
        else:
            self._slots[slot] = [info_hash]
            heappush(self._order, slot)

    def take(self, now: float) -> tuple[InfoHash, int] | None:
        """Remove the hash that has been due the longest, and name its slot; None if none is due."""
        if not self._order or self._order[0] * SLOT_SECONDS > now:
            return None
        slot = self._order[0]
        hashes = self._slots[slot]
        info_hash = hashes.pop()
        if not hashes:
            del self._slots[slot]
            heappop(self._order)
        return info_hash, slot
