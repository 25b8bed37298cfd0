import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.torrent.bitfield import (
    BitfieldError,
    all_pieces,
    from_wire,
    lowest_set_bit,
    random_set_bit,
    set_bits,
    to_wire,
)

sets = st.sets(st.integers(0, 300), max_size=40)


class Fixed(random.Random):
    """Chance that always answers the same number."""

    def __init__(self, answer: int) -> None:
        super().__init__(0)
        self.answer = answer

    def randrange(self, *args: int) -> int:
        assert 0 <= self.answer < args[0]
        return self.answer


def test_piece_0_is_the_high_bit_of_the_first_byte() -> None:
    assert from_wire(b"\x80\x01\x40", 18) == 1 << 0 | 1 << 15 | 1 << 17
    assert to_wire(1 << 0 | 1 << 15 | 1 << 17, 18) == b"\x80\x01\x40"


@given(st.integers(1, 301), st.data())
def test_the_wire_form_is_the_plain_one(count: int, data: st.DataObject) -> None:
    pieces = data.draw(st.sets(st.integers(0, count - 1)))
    bits = sum(1 << piece for piece in pieces)
    plain = bytearray(-(-count // 8))
    for piece in pieces:
        plain[piece // 8] |= 0x80 >> piece % 8
    assert to_wire(bits, count) == plain
    assert from_wire(memoryview(plain), count) == bits


@pytest.mark.parametrize("size", [0, 1, 3])
def test_p4_bitfield_of_the_wrong_length_is_refused(size: int) -> None:
    with pytest.raises(BitfieldError, match=f"bitfield of {size} bytes where 2 are due"):
        from_wire(bytes(size), 9)


@pytest.mark.parametrize("last", [0x40, 0x01, 0xFF])
def test_p4_spare_bits_are_refused(last: int) -> None:
    assert from_wire(b"\x00\x80", 9) == 1 << 8
    with pytest.raises(BitfieldError, match="beyond the last of 9 pieces"):
        from_wire(bytes((0, last)), 9)


@given(sets)
def test_set_bits_are_ascending(pieces: set[int]) -> None:
    bits = sum(1 << piece for piece in pieces)
    assert list(set_bits(bits)) == sorted(pieces)
    if pieces:
        assert lowest_set_bit(bits) == min(pieces)


@given(sets.filter(bool))
def test_a_random_set_bit_can_be_each_of_them_once(pieces: set[int]) -> None:
    bits = sum(1 << piece for piece in pieces)
    drawn = [random_set_bit(bits, Fixed(rank)) for rank in range(len(pieces))]
    assert drawn == sorted(pieces)


def test_all_pieces() -> None:
    assert list(set_bits(all_pieces(9))) == list(range(9))
