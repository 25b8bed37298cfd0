"""Sets of pieces as Python integers: bit i is piece i.

Whole-swarm questions ("what does this peer have that we want?") become one `&` over machine words.
On the wire a bitfield has piece 0 in the *high* bit of byte 0 (BEP 3), so bits are turned round
within each byte on the way in and out.

Threats: a bitfield of the wrong length, and spare bits set beyond the last piece (P4).
"""

import random
from collections.abc import Iterator

from formats.errors import ProtocolError

_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits in the opposite order."""


class BitfieldError(ProtocolError):
    """A bitfield message that does not fit the torrent."""


def from_wire(data: bytes | bytearray | memoryview, count: int) -> int:
    """Read the payload of a bitfield message for `count` pieces (BEP 3).

    Raises BitfieldError for a wrong length or a spare bit set.
    """
    expected = (count + 7) // 8
    if len(data) != expected:
        raise BitfieldError(f"bitfield of {len(data)} bytes where {expected} are due")
    bits = int.from_bytes(bytes(data).translate(_TURNED), "little")
    if bits >> count:
        raise BitfieldError(f"bitfield with bits set beyond the last of {count} pieces")
    return bits


def to_wire(bits: int, count: int) -> bytes:
    """The payload of a bitfield message: ceil(count / 8) bytes, spare bits zero (BEP 3)."""
    return bits.to_bytes((count + 7) // 8, "little").translate(_TURNED)


def all_pieces(count: int) -> int:
    """The full set of `count` pieces."""
    return (1 << count) - 1


def set_bits(bits: int) -> Iterator[int]:
    """The indices of the set bits, ascending; the search for the next one runs in C."""
    digits = bin(bits)[:1:-1]
    index = digits.find("1")
    while index >= 0:
        yield index
        index = digits.find("1", index + 1)


def lowest_set_bit(bits: int) -> int:
    """Index of the lowest set bit; `bits` must not be 0."""
    return (bits & -bits).bit_length() - 1


def random_set_bit(bits: int, rng: random.Random) -> int:
    """Index of a set bit, each equally likely; `bits` must not be 0.

    The k-th set bit is found by halving, so the work is a geometric series: O(length of bits).
    """
    rank = rng.randrange(bits.bit_count())
    index = 0
    width = bits.bit_length()
    while width > 1:
        half = width >> 1
        low = bits & ((1 << half) - 1)
        below = low.bit_count()
        if rank < below:
            bits, width = low, half
        else:
            rank -= below
            bits >>= half
            index += half
            width -= half
    return index
