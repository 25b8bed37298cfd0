from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from node.storage import piece_set

sets = st.sets(st.integers(0, 80))


@given(sets)
def test_a_set_survives_the_way_there_and_back(pieces):
    bits = piece_set.from_indices(pieces, 81)
    assert bits == sum(1 << index for index in pieces)
    assert list(piece_set.indices(bits)) == sorted(pieces)
    assert piece_set.from_ranges(piece_set.runs(bits), 81) == bits
    assert [index for index, digit in enumerate(piece_set.digits(bits, 81)) if digit == "1"] == (
        sorted(pieces)
    )


@given(sets)
def test_runs_are_maximal_and_ascend(pieces):
    runs = list(piece_set.runs(piece_set.from_indices(pieces, 81)))
    assert all(first < end for first, end in runs)
    assert all(a[1] < b[0] for a, b in pairwise(runs))


def test_overlapping_ranges_unite():
    assert piece_set.from_ranges([(1, 4), (3, 5), (7, 7)], 9) == 0b11110


def test_the_empty_set():
    assert piece_set.from_ranges([], 5) == piece_set.from_indices([], 0) == 0
    assert list(piece_set.runs(0)) == []
    assert piece_set.digits(0, 0) == ""
    assert piece_set.digits(0, 3) == "000"
