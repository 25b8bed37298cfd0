"""Why a magnet's metadata does not come: one sentence, from what was tried."""

from formats.url import origin
from node.cli.printable import printable
from node.cli.quantities import format_count
from node.torrent.status import DhtSearchStatus, MetadataStatus
from tracker.announcer import TrackerState, TrackerStatus


def why_no_metadata(status: MetadataStatus) -> str:
    """What the search for the metadata waits for."""
    reason = _reason(status)
    if status.bad_copies:
        copies = "1 false copy" if status.bad_copies == 1 else f"{status.bad_copies} false copies"
        return f"{reason}; {copies} of it came and went"
    return reason


def _reason(status: MetadataStatus) -> str:
    if status.pieces:
        return f"the metadata is coming: {status.pieces} of {status.piece_count} pieces"
    if status.connected:
        peers = f"{format_count(status.connected, 'peer')} connected"
        if status.with_metadata:
            return f"{peers}, {status.with_metadata} with the metadata; none has sent it yet"
        return f"{peers}, none has the metadata"
    if status.known_peers:
        peers = f"{format_count(status.known_peers, 'peer')} known, none connected"
        return f"{peers}: {failures}" if (failures := _failures(status)) else f"{peers} yet"
    found = [_why_no_tracker_helps(status.trackers), _why_the_dht_does_not_help(status.dht)]
    told = "; ".join(part for part in found if part)
    return told or "no DHT, no tracker to ask and no peer known; name one with --peer HOST:PORT"


def _failures(status: MetadataStatus) -> str:
    counted = (
        (status.refused, "refused"),
        (status.timed_out, "timed out"),
        (status.unreachable, "unreachable"),
        (status.sent_away, "sent us away"),
    )
    return ", ".join(f"{count} {what}" for count, what in counted if count)


def _why_the_dht_does_not_help(dht: DhtSearchStatus | None) -> str | None:
    if dht is None:
        return None
    if dht.problem is not None:
        return f"DHT: {dht.problem}"
    if dht.nodes_answered is None:
        return "searching the DHT for peers"
    nodes = format_count(dht.nodes_answered, "node")
    if dht.peers:
        return f"DHT: {nodes} answered, {format_count(dht.peers, 'peer')} named, none of use"
    return f"DHT: {nodes} answered, none knows a peer"


def _why_no_tracker_helps(trackers: tuple[TrackerStatus, ...]) -> str | None:
    if not trackers:
        return None
    failing = [tracker for tracker in trackers if tracker.error is not None]
    if len(failing) == len(trackers):
        first = f"{printable(origin(failing[0].url))}: {printable(failing[0].error or 'no answer')}"
        return f"no tracker answers, still trying: {first}"
    if any(tracker.state is TrackerState.WORKING for tracker in trackers):
        return "the tracker knows no peer yet"
    return f"asking {format_count(len(trackers), 'tracker')} for peers"
