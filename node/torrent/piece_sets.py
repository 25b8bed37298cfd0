"""Which pieces are had, wanted and begun: a few sets, each one integer."""

from node.torrent.bitfield import all_pieces


class PieceSets:
    """The pieces of one torrent by state. A piece is *fresh* (wanted, not begun), *busy* (under
    way from the network to the disk), had, or none of these (skipped)."""

    __slots__ = ("busy", "everything", "fresh", "have", "levels", "needed", "piece_count",
                 "piece_length", "total_size")  # fmt: skip

    def __init__(self, piece_length: int, total_size: int) -> None:
        self.piece_length = piece_length
        self.total_size = total_size
        self.piece_count = -(-total_size // piece_length)
        self.everything = all_pieces(self.piece_count)
        self.have = 0
        """Verified pieces."""
        self.levels = (0, self.everything, 0)
        """Pieces of high, normal and low priority."""
        self.needed = self.everything
        """Pieces wanted and not verified: fresh or busy."""
        self.fresh = self.everything
        self.busy = 0

    def piece_size(self, index: int) -> int:
        """Bytes of a piece; the last may be shorter."""
        return min(self.piece_length, self.total_size - index * self.piece_length)

    def size_of(self, bits: int) -> int:
        """Bytes of a set of pieces."""
        last = self.piece_count - 1
        short = self.piece_length - self.piece_size(last) if bits >> last & 1 else 0
        return bits.bit_count() * self.piece_length - short

    def set_have(self, have: int) -> None:
        """Replace the set of verified pieces."""
        self.have = have
        self._sort()

    def set_priorities(self, *, high: int, low: int, skip: int) -> None:
        """Replace the priorities; a piece in no set is normal, one in `skip` is not wanted."""
        normal = self.everything & ~(high | low | skip)
        self.levels = (high & ~skip, normal, low & ~(high | skip))
        self._sort()

    def begin(self, index: int) -> None:
        """A fresh piece gets under way."""
        bit = 1 << index
        self.fresh ^= bit
        self.busy ^= bit

    def abandon(self, index: int) -> None:
        """A busy piece came to nothing."""
        bit = 1 << index
        self.busy ^= bit
        high, normal, low = self.levels
        self.fresh |= bit & (high | normal | low)

    def verified(self, index: int) -> None:
        """A busy piece is right and on disk."""
        bit = 1 << index
        self.busy ^= bit
        self.have |= bit
        self.needed &= ~bit

    def lost(self, index: int) -> None:
        """A piece that was had is had no more."""
        self.have &= ~(1 << index)
        self._sort()

    def _sort(self) -> None:
        high, normal, low = self.levels
        self.needed = (high | normal | low) & ~self.have
        self.fresh = self.needed & ~self.busy
