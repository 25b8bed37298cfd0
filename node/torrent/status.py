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


@dataclass(frozen=True, slots=True)
class DhtSearchStatus:
    """What the DHT has done for a search."""

    problem: str | None
    """What is wrong with our node in it; None if all is well."""
    nodes_answered: int | None
    """In the last search; None before the first has ended."""
    peers: int
    """That the last search named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataStatus:
    """The search for the metadata of a magnet. Failures are addresses, by their last dial."""

    known_peers: int
    connected: int
    with_metadata: int
    """Connected peers that say they have it."""
    refused: int
    timed_out: int
    unreachable: int
    sent_away: int
    """They answered and closed the connection."""
    sizes: dict[int, int]
    """How many connected peers state each size, in bytes."""
    pieces: int
    """That have come, of the copy that lacks the least."""
    piece_count: int
    bad_copies: int
    """Complete and false."""
    dht: DhtSearchStatus | None
    """None if the DHT is not used."""
    trackers: tuple[TrackerStatus, ...]
