"""Which pieces, and which bytes of them, a peer may name (P4, P5, P6)."""

from node.peer.errors import Breach, PeerError
from node.peer.messages import BLOCK_SIZE, MAX_PIECES


class PieceSizes:
    """The sizes of a torrent's pieces; unknown until its metadata is.

    Until then a peer's claims are held to the largest torrent there may be, and the greatest index
    and the length of the bitfield are remembered, to be judged when the sizes become known. That
    is two integers, whatever the peer says (CVE-2014-4909).
    """

    __slots__ = ("_bitfield_size", "_highest", "_last_size", "count", "piece_length")

    def __init__(self) -> None:
        self.count: int | None = None
        self.piece_length = 0
        self._last_size = 0
        self._highest = -1
        self._bitfield_size: int | None = None

    def set(self, count: int, piece_length: int, *, total_size: int) -> None:
        """The metadata is known. Raises PeerError if what the peer said before does not fit."""
        assert 0 < count <= MAX_PIECES
        assert (count - 1) * piece_length < total_size <= count * piece_length
        self.count = count
        self.piece_length = piece_length
        self._last_size = total_size - (count - 1) * piece_length
        if self._bitfield_size not in (None, (count + 7) // 8):
            raise PeerError(Breach.WRONG_BITFIELD)
        if self._highest >= count:
            raise PeerError(Breach.INDEX_OUT_OF_RANGE)

    def check_index(self, index: int) -> None:
        """Raises PeerError for a piece that the torrent does not have (P5)."""
        if self.count is None:
            self._highest = max(self._highest, index)
        if index >= (MAX_PIECES if self.count is None else self.count):
            raise PeerError(Breach.INDEX_OUT_OF_RANGE)

    def check_bitfield(self, data: bytes) -> None:
        """Raises PeerError for a bitfield of the wrong length or with spare bits set (P4)."""
        if self.count is None:
            self._bitfield_size = len(data)
            stripped = data.rstrip(b"\0")
            if stripped:
                lowest_bit = stripped[-1] & -stripped[-1]  # the last piece of that byte
                self._highest = max(self._highest, 8 * len(stripped) - lowest_bit.bit_length())
        else:
            spare = -self.count % 8
            if len(data) != (self.count + 7) // 8 or data[-1] & ((1 << spare) - 1):
                raise PeerError(Breach.WRONG_BITFIELD)

    def holds(self, index: int, begin: int, length: int) -> bool:
        """Whether these bytes exist and are no more than a block, so that they may be requested."""
        last = -1 if self.count is None else self.count - 1
        if index < last:
            size = self.piece_length
        elif index == last:
            size = self._last_size
        else:
            return False
        return 0 < length <= BLOCK_SIZE and begin + length <= size

    def is_everything(self, bitfield: bytes) -> bool:
        """Whether a bitfield names every piece."""
        return self.count is not None and bitfield == full_bitfield(self.count)


def full_bitfield(count: int) -> bytes:
    """The bitfield of a peer that has all of `count` pieces."""
    size = (count + 7) // 8
    return (((1 << count) - 1) << (8 * size - count)).to_bytes(size)
