"""Why a download stands still: the one sentence that tells a person what it is waiting for."""

from formats.url import origin
from node.cli.printable import printable
from node.cli.quantities import format_count
from node.torrent.status import State, TorrentStatus
from tracker.announcer import TrackerState, TrackerStatus


def why_waiting(status: TorrentStatus) -> str | None:
    """What keeps payload from arriving; None when it arrives or nothing is to come."""
    if status.state is not State.DOWNLOADING or status.down_rate > 0:
        return None
    if status.peers:
        return _why_peers_give_nothing(status)
    if status.known_peers:
        return f"{format_count(status.known_peers, 'peer')} known, none connected yet"
    return _why_nobody_is_known(status.trackers)


def _why_peers_give_nothing(status: TorrentStatus) -> str:
    peers = format_count(status.peers, "peer")
    flags = [row.flags for row in status.peer_rows]
    if any("D" in flag for flag in flags):
        return f"{peers} connected, the first blocks are on their way"
    if any("d" in flag for flag in flags):
        return f"{peers} connected, waiting for one to unchoke us"
    if status.availability < 1:
        have = f"{status.availability:.2f} copies in reach"
        return f"{peers} connected, none has a piece that is missing here ({have})"
    return f"{peers} connected, waiting to learn what they have"


def _why_nobody_is_known(trackers: tuple[TrackerStatus, ...]) -> str:
    if not trackers:
        return "no tracker to ask and no peer known; name one with --peer HOST:PORT"
    failing = [tracker for tracker in trackers if tracker.error is not None]
    if len(failing) == len(trackers):
        first = f"{printable(origin(failing[0].url))}: {printable(failing[0].error or 'no answer')}"
        return "no tracker answers, still trying: " + first
    if any(tracker.state is TrackerState.WORKING for tracker in trackers):
        return "the tracker knows no other peer yet"
    return f"asking {format_count(len(trackers), 'tracker')} for peers"
