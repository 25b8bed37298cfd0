"""A torrent as people see it: one immutable snapshot."""

from dataclasses import dataclass
from enum import StrEnum

from formats.endpoint import Endpoint
from tracker.announcer import TrackerStatus


class State(StrEnum):
    """What a torrent is doing."""

    CHECKING = "checking"
    DOWNLOADING = "downloading"
    SEEDING = "seeding"
    PAUSED = "paused"
    ERROR = "error"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One connected peer. Rates are bytes per second, progress is 0 to 1."""

    endpoint: Endpoint
    client: str
    progress: float
    down_rate: float
    up_rate: float
    source: str
    flags: str
    """`D` we want and get, `d` want and are choked, `U` it wants and gets, `u` wants and is choked,
    `S` snubbed, `I` incoming, `O` optimistic unchoke, `F` fast extension."""


@dataclass(frozen=True, slots=True)
class TorrentStatus:
    """One torrent. Sizes are bytes, rates bytes per second, shares 0 to 1."""

    name: str
    state: State
    error: str | None
    total: int
    """Size of the wanted files."""
    downloaded: int
    """Verified bytes of the wanted files."""
    received: int
    """Payload bytes that came in, in this run."""
    uploaded: int
    """Payload bytes that went out, in this run."""
    wasted: int
    """Received payload that was a duplicate, unasked for or corrupt."""
    down_rate: float
    up_rate: float
    peers: int
    seeds: int
    known_peers: int
    complete_peers: int
    """Distinct peers seen to have everything, in this run."""
    pieces: int
    piece_count: int
    availability: float
    """Copies of the whole in reach: the rarest piece's count plus the share of pieces above it."""
    eta: float | None
    """Seconds left at the present rate; None when unknown."""
    checked: float
    """Share of the check that is done; 1 when none runs."""
    sources: dict[str, int]
    """Payload bytes by the kind of source that named the peer."""
    trackers: tuple[TrackerStatus, ...]
    peer_rows: tuple[PeerStatus, ...]
    file_progress: tuple[int, ...]
    """Verified bytes of each file of the metainfo, in its order."""
