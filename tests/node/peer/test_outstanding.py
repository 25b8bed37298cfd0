import pytest

from node.peer.errors import Breach, PeerError
from node.peer.outstanding import LATE_SECONDS, MAX_LATE, OutstandingRequests

ONE, TWO, OTHER = (0, 0, 16_384), (0, 16_384, 16_384), (1, 0, 16_384)


def outstanding(*requests: tuple[int, int, int]) -> OutstandingRequests:
    made = OutstandingRequests(0.0)
    made.requested.update(dict.fromkeys(requests))
    return made


def test_a_request_taken_back_may_still_be_answered_once() -> None:
    made = outstanding(ONE)
    assert made.take_back(ONE)
    assert not made.take_back(ONE)
    assert made.accept_late(ONE)
    assert not made.accept_late(ONE)
    assert (made.block_bytes, made.unrequested_bytes) == (16_384, 16_384)


def test_a_choke_voids_all_in_order_and_a_lost_piece_its_own() -> None:
    made = outstanding(OTHER, TWO, ONE)
    assert made.void_piece(0) == [TWO, ONE]
    assert list(made.requested) == [OTHER]
    assert made.void_all() == [OTHER]
    assert made.accept_late(ONE) and made.accept_late(OTHER)


def test_p8_more_than_64_kib_unrequested_is_too_much() -> None:
    made = outstanding()
    for _ in range(4):
        assert not made.accept_late(ONE)
    with pytest.raises(PeerError) as caught:
        made.accept_late((5, 5, 1))
    assert caught.value.breach is Breach.UNREQUESTED_BLOCKS


def test_p8_what_may_come_late_is_bounded_and_forgotten() -> None:
    requests = [(0, begin, 1) for begin in range(MAX_LATE + 1)]
    made = outstanding(*requests)
    made.void_all()
    assert not made.accept_late(requests[0])
    assert made.accept_late(requests[1])
    made.tick(1.0)
    made.tick(LATE_SECONDS)
    assert made.accept_late(requests[2])
    made.tick(1.0 + LATE_SECONDS)
    assert not made.accept_late(requests[3])


def test_p10_fifty_rejects_in_a_row_are_borne() -> None:
    requests = [(0, begin, 1) for begin in range(101)]
    made = outstanding(*requests)
    for request in requests[:50]:
        assert made.rejected(request, while_choked=False)
    made.blocks_received(1)
    for request in requests[50:100]:
        assert made.rejected(request, while_choked=False)
    with pytest.raises(PeerError) as caught:
        made.rejected(requests[100], while_choked=False)
    assert caught.value.breach is Breach.TOO_MANY_REJECTS


def test_p10_the_rejects_that_follow_a_choke_do_not_count() -> None:
    requests = [(0, begin, 1) for begin in range(200)]
    made = outstanding(*requests)
    assert all(made.rejected(request, while_choked=True) for request in requests)
    assert not made.requested


def test_p10_rejects_of_requests_never_made_count_but_those_of_cancelled_ones_do_not() -> None:
    requests = [(0, begin, 1) for begin in range(100)]
    made = outstanding(*requests)
    made.void_all()
    assert not any(made.rejected(request, while_choked=False) for request in requests)
    for request in requests[:50]:
        assert not made.rejected(request, while_choked=False)
    with pytest.raises(PeerError):
        made.rejected(ONE, while_choked=False)


def test_p12_a_minute_without_a_block_snubs() -> None:
    made = outstanding()
    made.tick(10.0)
    made.requested[ONE] = None
    made.requested[TWO] = None
    made.tick(69.0)
    assert not made.is_snubbed(69.0)
    made.tick(70.0)
    assert made.is_snubbed(70.0)
    made.blocks_received(16_384)
    made.tick(71.0)
    assert not made.is_snubbed(71.0)
    made.requested.clear()
    assert not made.is_snubbed(500.0)
