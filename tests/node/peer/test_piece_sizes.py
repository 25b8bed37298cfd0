import pytest

from node.peer.errors import Breach, PeerError
from node.peer.messages import MAX_PIECES
from node.peer.piece_sizes import PieceSizes, full_bitfield


def sizes(count: int = 10, piece_length: int = 32_768, total_size: int = 300_000) -> PieceSizes:
    known = PieceSizes()
    known.set(count, piece_length, total_size=total_size)
    return known


def breach_of(call: object, *args: object, **kwargs: object) -> Breach | None:
    assert callable(call)
    try:
        call(*args, **kwargs)
    except PeerError as error:
        return error.breach
    return None


def test_p6_only_bytes_that_exist_may_be_requested() -> None:
    known = sizes()  # the last piece has 300,000 - 9 × 32,768 = 5,088 bytes
    assert known.holds(0, 0, 16_384)
    assert known.holds(0, 16_384, 16_384)
    assert known.holds(8, 32_767, 1)
    assert known.holds(9, 0, 5_088)
    assert known.holds(9, 5_000, 88)
    assert not known.holds(9, 5_000, 89)
    assert not known.holds(9, 0, 5_089)
    assert not known.holds(0, 16_385, 16_384)
    assert not known.holds(0, 0, 16_385)
    assert not known.holds(0, 0, 0)
    assert not known.holds(10, 0, 1)
    assert not known.holds(0, 2**32 - 1, 1)
    assert not PieceSizes().holds(0, 0, 1)


def test_p5_indexes_end_at_the_last_piece() -> None:
    known = sizes()
    assert breach_of(known.check_index, 9) is None
    assert breach_of(known.check_index, 10) is Breach.INDEX_OUT_OF_RANGE


def test_p5_before_the_metadata_no_index_is_beyond_the_largest_torrent() -> None:
    unknown = PieceSizes()
    assert breach_of(unknown.check_index, MAX_PIECES - 1) is None
    assert breach_of(unknown.check_index, MAX_PIECES) is Breach.INDEX_OUT_OF_RANGE
    assert breach_of(unknown.check_index, 2**32 - 1) is Breach.INDEX_OUT_OF_RANGE


@pytest.mark.parametrize("bitfield", [b"", b"\xff", b"\xff\xc0\x00", b"\xff\xe0", b"\x00\x01"])
def test_p4_a_bitfield_has_the_exact_length_and_no_spare_bits(bitfield: bytes) -> None:
    assert breach_of(sizes().check_bitfield, bitfield) is Breach.WRONG_BITFIELD


@pytest.mark.parametrize(("count", "bitfield"), [(10, b"\xff\xc0"), (8, b"\xff"), (1, b"\x80")])
def test_p4_a_full_bitfield_is_right(count: int, bitfield: bytes) -> None:
    known = sizes(count, 1, count)
    assert full_bitfield(count) == bitfield
    assert known.is_everything(bitfield)
    assert not known.is_everything(bytes(len(bitfield)))
    assert breach_of(known.check_bitfield, bitfield) is None


@pytest.mark.parametrize(
    ("bitfield", "breach"),
    [
        (b"\xff\xc0", None),
        (b"\x00\x00", None),
        (b"\xff", Breach.WRONG_BITFIELD),
        (b"\xff\xc0\x00", Breach.WRONG_BITFIELD),
        (b"\xff\xe0", Breach.INDEX_OUT_OF_RANGE),
        (b"\x00\x20", Breach.INDEX_OUT_OF_RANGE),
    ],
)
def test_p4_a_bitfield_is_judged_when_the_metadata_arrives(
    bitfield: bytes, breach: Breach | None
) -> None:
    unknown = PieceSizes()
    unknown.check_bitfield(bitfield)
    assert breach_of(unknown.set, 10, 1, total_size=10) is breach


def test_p5_a_have_is_judged_when_the_metadata_arrives() -> None:
    for index, breach in ((9, None), (10, Breach.INDEX_OUT_OF_RANGE)):
        unknown = PieceSizes()
        unknown.check_index(index)
        assert breach_of(unknown.set, 10, 1, total_size=10) is breach
