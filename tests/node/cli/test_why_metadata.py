from dataclasses import replace

import pytest

from node.cli.why_metadata import why_no_metadata
from node.torrent.status import DhtSearchStatus, MetadataStatus
from tracker.announcer import TrackerState, TrackerStatus

NOTHING = MetadataStatus(
    known_peers=0,
    connected=0,
    with_metadata=0,
    refused=0,
    timed_out=0,
    unreachable=0,
    sent_away=0,
    sizes={},
    pieces=0,
    piece_count=0,
    bad_copies=0,
    dht=None,
    trackers=(),
)


def tracker(state: TrackerState, error: str | None = None) -> TrackerStatus:
    return TrackerStatus(
        url="http://user:key@t.example:6969/announce?passkey=secret",
        tier=0,
        state=state,
        error=error,
        warning=None,
        next_announce=None,
        peers_given=0,
        seeds=None,
        leechers=None,
        external_ip=None,
    )


WORKING = tracker(TrackerState.WORKING)
FAILED = tracker(TrackerState.FAILED, "connection \x1b[31mrefused")
SEARCHING = DhtSearchStatus(problem=None, nodes_answered=None, peers=0)
SEARCHED = DhtSearchStatus(problem=None, nodes_answered=61, peers=0)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, "no DHT, no tracker to ask and no peer known; name one with --peer HOST:PORT"),
        ({"dht": SEARCHING}, "searching the DHT for peers"),
        ({"dht": SEARCHED}, "DHT: 61 nodes answered, none knows a peer"),
        (
            {"dht": replace(SEARCHED, peers=2)},
            "DHT: 61 nodes answered, 2 peers named, none of use",
        ),
        (
            {"dht": replace(SEARCHING, problem="no node is known: name one with --bootstrap")},
            "DHT: no node is known: name one with --bootstrap",
        ),
        (
            {"trackers": (WORKING,), "dht": SEARCHED},
            "the tracker knows no peer yet; DHT: 61 nodes answered, none knows a peer",
        ),
        ({"trackers": (tracker(TrackerState.ASKING), FAILED)}, "asking 2 trackers for peers"),
        (
            {"trackers": (FAILED,)},
            r"no tracker answers, still trying: http://t.example:6969: connection \x1b[31mrefused",
        ),
        ({"known_peers": 1}, "1 peer known, none connected yet"),
        (
            {
                "known_peers": 9,
                "refused": 4,
                "timed_out": 3,
                "unreachable": 1,
                "sent_away": 1,
                "dht": SEARCHED,
            },
            "9 peers known, none connected: 4 refused, 3 timed out, 1 unreachable, 1 sent us away",
        ),
        ({"known_peers": 9, "connected": 2}, "2 peers connected, none has the metadata"),
        (
            {"connected": 2, "with_metadata": 1},
            "2 peers connected, 1 with the metadata; none has sent it yet",
        ),
        (
            {"connected": 2, "with_metadata": 1, "pieces": 2, "piece_count": 5},
            "the metadata is coming: 2 of 5 pieces",
        ),
        (
            {"known_peers": 1, "bad_copies": 1},
            "1 peer known, none connected yet; 1 false copy of it came and went",
        ),
        (
            {"connected": 1, "bad_copies": 3},
            "1 peer connected, none has the metadata; 3 false copies of it came and went",
        ),
    ],
)
def test_each_reason(changed: dict[str, object], reason: str) -> None:
    assert why_no_metadata(replace(NOTHING, **changed)) == reason
