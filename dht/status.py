"""What an operator sees of a DHT node: plain values, fit for JSON by `dataclasses.asdict`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyStatus:
    """One address family."""

    family: str
    """ipv4 or ipv6."""
    node_id: str
    """40 hex digits."""
    listen: str
    external_address: str | None
    """By the vote of others (BEP 42)."""
    contacts: int
    """In the routing table."""
    good: int
    questionable: int
    bad: int
    replacements: int
    buckets: int
    refused: dict[str, int]
    """Contacts that the table did not take, by reason."""
    reachable: bool | None
    """Whether strangers' queries reach us; None: not known yet."""
    read_only: bool
    is_silent: bool
    """Nobody has answered for a minute though we asked."""
    rtt: float | None
    """Smoothed round-trip time, seconds."""
    network_size: float | None
    """Estimated number of nodes."""
    swarms_stored: int
    """Info hashes that others announced to us."""
    peers_stored: int
    recoveries: int
    """How often the network came back after a silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One way to find first nodes."""

    kind: str
    host: str
    port: int
    asked: int
    answered_ago: float | None
    """Seconds; None if it never did."""
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnounceStatus:
    """The torrents that are kept findable."""

    torrents: int
    never_stored: int
    at_risk: int
    """Stored by too few nodes."""
    overdue: int
    """Not stored by anybody within the last half hour."""
    oldest_announce_ago: float | None
    """Seconds since the torrent stored the longest ago was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhtStatus:
    """Everything at one moment."""

    families: tuple[FamilyStatus, ...]
    bootstrap: tuple[SourceStatus, ...]
    """Hosts given and built in, and the saved contacts that were asked."""
    announces: AnnounceStatus
    queries_in: dict[str, int]
    """By method."""
    queries_out: dict[str, int]
    responses: int
    timeouts: int
    late: int
    refusals: int
    replies: int
    drops: dict[str, int]
    """By reason."""
    send_failures: int
    bytes_in: int
    bytes_out: int
    items_stored: int
    """BEP 44, for others."""
    items_published: int
    """Our own."""
    saved_problem: str | None
    """Why the saved contacts could not be read."""
    problem: str | None
    """A sentence on what is wrong and what would help; None if all is well."""
