"""The digest tells any two histories apart; the recent past can be read."""

from itertools import combinations

from simulation.trace import HISTORY, Flow, Kind, Trace

FLOW = Flow(1, 6881, 2, 80)


def test_every_part_of_an_event_is_in_the_digest():
    digests = []
    for sent, arrives, kind, flow, payload in [
        (1.0, 2.0, Kind.DATA, FLOW, b"x"),
        (1.5, 2.0, Kind.DATA, FLOW, b"x"),
        (1.0, 2.5, Kind.DATA, FLOW, b"x"),
        (1.0, 2.0, Kind.DATAGRAM, FLOW, b"x"),
        (1.0, 2.0, Kind.DATA, Flow(1, 6881, 2, 81), b"x"),
        (1.0, 2.0, Kind.DATA, FLOW, b"y"),
        (1.0, 2.0, Kind.DATA, FLOW, b"xx"),
    ]:
        trace = Trace()
        trace.record(sent, arrives, kind, flow, payload)
        digests.append(trace.digest())
    assert all(one != other for one, other in combinations(digests, 2))
    assert len(digests[0]) == 32


def test_the_history_is_short_and_readable():
    trace = Trace()
    for number in range(HISTORY + 1):
        trace.record(number, number + 0.25, Kind.LOST, FLOW, b"abc", note="no such host")
    history = trace.history()
    assert len(history) == HISTORY
    assert str(history[0]) == "1.000000 lost no such host #1:6881 > #2:80 3 B, arrives 1.250000"
    assert trace.counts == {Kind.LOST: HISTORY + 1}
