"""How many peers have each piece, kept for all pieces at once.

The counts are stored bit-sliced: plane k holds, for every piece, bit k of its count. Adding a
peer's bitfield is a binary addition with carry over whole planes, about 2·log2(peers) big-integer
operations whatever the number of pieces; finding the rarest of a set is one pass from the highest
plane down. Peers that have everything are one plain number, so they cost nothing.
"""


class Availability:
    """Counts of copies per piece over the peers that are not seeds, plus the number of seeds."""

    __slots__ = ("_everything", "_planes", "seeds")

    def __init__(self, everything: int) -> None:
        self._everything = everything
        self.seeds = 0
        """Peers that have every piece."""
        self._planes: list[int] = []

    def changed(self, before: int, after: int) -> None:
        """A peer that had `before` has `after` now; 0 before it joined and once it left."""
        if before == self._everything:
            self.seeds -= 1
            before = 0
        if after == self._everything:
            self.seeds += 1
            after = 0
        common = before & after
        self._add(after ^ common)
        self._remove(before ^ common)

    def rarest(self, candidates: int) -> int:
        """Those of `candidates` that have the fewest copies."""
        for plane in reversed(self._planes):
            absent = candidates ^ (candidates & plane)
            if absent:
                candidates = absent
        return candidates

    def at_least_one(self) -> int:
        """Pieces of which some peer that is not a seed has a copy."""
        found = 0
        for plane in self._planes:
            found |= plane
        return found

    def count(self, index: int) -> int:
        """Copies of one piece, seeds included."""
        copies = self.seeds
        for level, plane in enumerate(self._planes):
            copies += (plane >> index & 1) << level
        return copies

    def _add(self, bits: int) -> None:
        planes = self._planes
        for level, plane in enumerate(planes):
            if not bits:
                return
            planes[level] = plane ^ bits
            bits &= plane
        if bits:
            planes.append(bits)

    def _remove(self, bits: int) -> None:
        planes = self._planes
        for level, plane in enumerate(planes):
            if not bits:
                break
            planes[level] = plane ^ bits
            bits &= planes[level]
        assert not bits, "a copy was removed that had never been added"
        while planes and not planes[-1]:
            planes.pop()
