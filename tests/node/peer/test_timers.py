import pytest

from node.peer.errors import Breach, PeerError
from node.peer.timers import MinuteBudget, Timers


def test_p9_ten_seconds_for_the_handshake_however_it_trickles() -> None:
    timers = Timers(100.0)
    timers.has_heard = True
    assert not timers.tick(109.9, is_introduced=False)
    timers.has_heard = True
    with pytest.raises(PeerError) as caught:
        timers.tick(110.0, is_introduced=False)
    assert caught.value.breach is Breach.HANDSHAKE_TIMEOUT


def test_p9_two_minutes_without_a_message_end_it() -> None:
    timers = Timers(0.0)
    timers.has_heard = True
    timers.tick(60.0, is_introduced=True)
    timers.tick(179.0, is_introduced=True)
    with pytest.raises(PeerError) as caught:
        timers.tick(180.0, is_introduced=True)
    assert caught.value.breach is Breach.SILENT


def test_a_keep_alive_is_due_after_100_seconds_of_our_silence() -> None:
    timers = Timers(0.0)
    assert not timers.tick(99.0, is_introduced=True)
    assert timers.tick(100.0, is_introduced=True)
    timers.has_spoken = timers.has_heard = True
    assert not timers.tick(101.0, is_introduced=True)
    assert not timers.tick(200.0, is_introduced=True)
    assert timers.tick(201.0, is_introduced=True)


def test_a_budget_is_whole_again_after_a_minute() -> None:
    budget = MinuteBudget(2, 0.0)
    assert [budget.spend(), budget.spend(), budget.spend()] == [True, True, False]
    budget.tick(59.9)
    assert not budget.spend()
    budget.tick(60.0)
    assert budget.spend()
