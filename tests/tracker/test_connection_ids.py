import random

from hypothesis import given
from hypothesis import strategies as st

from tracker.connection_ids import ConnectionIds

HERE, THERE = b"\1\2\3\4", b"\1\2\3\5"


@given(st.floats(0, 1e7), st.floats(0, 120))
def test_k9_an_id_counts_for_two_minutes_at_least(now: float, later: float) -> None:
    ids = ConnectionIds(random.Random(1))
    assert ids.accepts(ids.issue(HERE, now), HERE, now + later)


def test_k9_an_id_expires() -> None:
    ids = ConnectionIds(random.Random(1))
    issued = ids.issue(HERE, 120.0)
    assert ids.accepts(issued, HERE, 359.9)
    assert not ids.accepts(issued, HERE, 360.0)
    assert not ids.accepts(issued, HERE, 119.9)


def test_k9_an_id_is_of_one_address_and_one_tracker() -> None:
    ids = ConnectionIds(random.Random(1))
    issued = ids.issue(HERE, 0.0)
    assert issued == ids.issue(HERE, 119.0)
    assert not ids.accepts(issued, THERE, 0.0)
    assert not ids.accepts(issued, bytes(12) + HERE, 0.0)
    assert not ids.accepts(issued ^ 1, HERE, 0.0)
    assert not ConnectionIds(random.Random(2)).accepts(issued, HERE, 0.0)
    assert 0 <= issued < 2**64
