"""What happened on the wire, counted for an operator: queries, answers, and each reason to drop."""

from collections import Counter
from dataclasses import dataclass, field

from dht.krpc_messages import (
    AnnouncePeer,
    Body,
    FindNode,
    Get,
    GetPeers,
    Ping,
    Put,
    SampleInfohashes,
    Unknown,
)

_METHODS: dict[type[Body], str] = {
    Ping: "ping",
    FindNode: "find_node",
    GetPeers: "get_peers",
    AnnouncePeer: "announce_peer",
    Get: "get",
    Put: "put",
    SampleInfohashes: "sample_infohashes",
    Unknown: "unknown",
}


def method_of(body: Body) -> str:
    """The name of a query's method; all that we do not know share one, for strangers choose it."""
    return _METHODS[type(body)]


@dataclass(slots=True)
class Counters:
    """Since the start, both address families together. Each key of a counter is a fixed word."""

    queries_in: Counter[str] = field(default_factory=Counter)
    """Queries that were decoded, by method."""
    queries_out: Counter[str] = field(default_factory=Counter)
    """Our own, by method."""
    drops: Counter[str] = field(default_factory=Counter)
    """Datagrams that were neither answered nor used, by reason (G8)."""
    responses: int = 0
    """Answers to our queries, late ones too."""
    refusals: int = 0
    """Errors in answer to our queries."""
    late: int = 0
    """Answers that came after the query was given up for lost."""
    timeouts: int = 0
    """Queries given up for lost."""
    replies: int = 0
    """Answers of ours that were sent, errors too."""
    send_failures: int = 0
    """Datagrams that the system would not take."""
    bytes_in: int = 0
    """Of datagrams that were decoded."""
    bytes_out: int = 0
