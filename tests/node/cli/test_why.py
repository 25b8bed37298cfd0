import pytest

from node.cli.why import why_waiting
from node.torrent.status import State
from tracker.announcer import TrackerState, TrackerStatus


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
ASKING = tracker(TrackerState.ASKING)
FAILED = tracker(TrackerState.FAILED, "connection \x1b[31mrefused")


def test_nothing_to_say_while_it_moves_or_is_done(status) -> None:
    assert why_waiting(status(down_rate=1.0)) is None
    for state in (State.CHECKING, State.SEEDING, State.PAUSED, State.ERROR):
        assert why_waiting(status(state=state)) is None


@pytest.mark.parametrize(
    ("trackers", "reason"),
    [
        ((), "no tracker to ask and no peer known; name one with --peer HOST:PORT"),
        ((ASKING,), "asking 1 tracker for peers"),
        ((ASKING, FAILED), "asking 2 trackers for peers"),
        ((WORKING, FAILED), "the tracker knows no other peer yet"),
        (
            (FAILED,),
            r"no tracker answers, still trying: http://t.example:6969: connection \x1b[31mrefused",
        ),
    ],
)
def test_nobody_known(status, trackers: tuple[TrackerStatus, ...], reason: str) -> None:
    assert why_waiting(status(trackers=trackers)) == reason


def test_nobody_connected(status) -> None:
    assert why_waiting(status(known_peers=7)) == "7 peers known, none connected yet"


def test_peers_that_give_nothing(status, peer) -> None:
    def why(*flags: str, availability: float = 1.5) -> str | None:
        rows = tuple(peer(flags=flag) for flag in flags)
        return why_waiting(status(peers=len(rows), peer_rows=rows, availability=availability))

    assert why("dF", "uF") == "2 peers connected, waiting for one to unchoke us"
    assert why("D", "d") == "2 peers connected, the first blocks are on their way"
    assert why("F", availability=0.625) == (
        "1 peer connected, none has a piece that is missing here (0.62 copies in reach)"
    )
    assert why("F") == "1 peer connected, waiting to learn what they have"
