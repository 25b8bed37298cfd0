"""Announces and scrapes as values; requests both ways, and replies as a server writes them.

(BEP 3, 7, 21, 23, 24, 31, 48.) Anyone may send a request: hashes and IDs of the wrong size, ports
out of range, unknown events and counters beyond 64 bits are refused with a reason, and nothing is
stored (K3, K6, K8). Replies are read in `reply.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from formats import bencode
from formats.bencode import Value
from formats.endpoint import Endpoint
from formats.identifiers import INFO_HASH_SIZE, PEER_ID_SIZE, InfoHash, PeerId
from tracker import query as queries
from tracker.errors import NEVER, TrackerFailure

DEFAULT_INTERVAL = 1800
"""Seconds between announces if a reply names none: what most trackers say."""
DEFAULT_NUMWANT = 50
"""Peers in a reply if the request does not say: BEP 15's default for UDP, usual for HTTP."""
UNKNOWN_LEFT = queries.INT64_MAX
"""`left` of a request that does not tell: a leech."""
MOST_SCRAPED = 50
"""Info hashes in one scrape (K8)."""


class Event(StrEnum):
    """Why a peer announces (BEP 3); NONE is the regular one."""

    NONE = ""
    STARTED = "started"
    COMPLETED = "completed"
    STOPPED = "stopped"


_EVENTS = {
    None: Event.NONE,
    b"": Event.NONE,
    b"empty": Event.NONE,
    b"started": Event.STARTED,
    b"completed": Event.COMPLETED,
    b"stopped": Event.STOPPED,
    b"paused": Event.NONE,  # a partial seed (BEP 21): `left` says that it is no seed
}


class AnnounceRequest(NamedTuple):
    """One announce. Counters are bytes since `started`; `left` is bytes still missing.

    `ip`, `ipv4` and `ipv6` are a client's claim; a server believes only a trusted proxy's (K4).
    """

    info_hash: InfoHash
    peer_id: PeerId
    port: int
    uploaded: int = 0
    downloaded: int = 0
    left: int = 0
    event: Event = Event.NONE
    key: int | None = None
    numwant: int = DEFAULT_NUMWANT
    ip: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    tracker_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class AnnounceResponse:
    """A tracker's answer, as it came: intervals are seconds, not clamped yet."""

    interval: int = DEFAULT_INTERVAL
    min_interval: int | None = None
    peers: tuple[Endpoint, ...] = ()
    complete: int | None = None
    incomplete: int | None = None
    external_ip: str | None = None
    warning: str | None = None
    tracker_id: bytes | None = None


class SwarmCounts(NamedTuple):
    """What a scrape tells of one swarm (BEP 48)."""

    complete: int
    incomplete: int
    downloaded: int


def encode_announce(request: AnnounceRequest) -> str:
    """The query of an announce, percent-encoded, without the question mark."""
    pairs = [
        ("info_hash", queries.quote(request.info_hash)),
        ("peer_id", queries.quote(request.peer_id)),
        ("port", str(request.port)),
        ("uploaded", str(request.uploaded)),
        ("downloaded", str(request.downloaded)),
        ("left", str(request.left)),
        ("compact", "1"),
        ("no_peer_id", "1"),
        ("numwant", str(request.numwant)),
    ]
    if request.event is not Event.NONE:
        pairs.append(("event", request.event.value))
    if request.key is not None:
        pairs.append(("key", f"{request.key:08x}"))
    if request.tracker_id is not None:
        pairs.append(("trackerid", queries.quote(request.tracker_id)))
    for name in ("ip", "ipv4", "ipv6"):
        value = getattr(request, name)
        if value is not None:
            pairs.append((name, queries.quote(value.encode())))
    return "&".join(f"{name}={value}" for name, value in pairs)


def parse_announce(query: bytes) -> AnnounceRequest:
    """Read the query of an announce. Raises TrackerFailure (K3)."""
    fields = queries.fields(query)
    get = fields.get
    try:
        info_hash = queries.unquote_hash(fields[b"info_hash"])
        peer_id = queries.unquote(fields[b"peer_id"])
        port = fields[b"port"]
        event = _EVENTS[get(b"event")]
    except KeyError as missing:
        raise _explain(missing) from None
    if len(info_hash) != INFO_HASH_SIZE or query.count(b"info_hash=") != 1:
        raise TrackerFailure("info_hash must be given once, 20 bytes")
    if len(peer_id) != PEER_ID_SIZE:
        raise TrackerFailure("peer_id must be 20 bytes")
    port_number = int(port) if port.isdigit() and len(port) <= 5 else 0
    if not 0 < port_number <= 65535:
        raise TrackerFailure("port must be from 1 to 65535")
    request = AnnounceRequest(
        InfoHash(info_hash),
        PeerId(peer_id),
        port_number,
        queries.counter(get(b"uploaded"), "uploaded", 0),
        queries.counter(get(b"downloaded"), "downloaded", 0),
        queries.counter(get(b"left"), "left", UNKNOWN_LEFT),
        event,
        None,
        _numwant(get(b"numwant")),
    )
    if b"&ip" in query:
        return request._replace(
            ip=_claimed(get(b"ip")), ipv4=_claimed(get(b"ipv4")), ipv6=_claimed(get(b"ipv6"))
        )
    return request


def _explain(missing: KeyError) -> TrackerFailure:
    name = missing.args[0]
    if name in (b"info_hash", b"peer_id", b"port"):
        return TrackerFailure(f"{name.decode()} is missing")
    return TrackerFailure("unknown event")


def _numwant(text: bytes | None) -> int:
    """Peers wanted; a negative number means the default, as -1 does in BEP 15 (K6)."""
    if text is None or (text.startswith(b"-") and text[1:].isdigit()):
        return DEFAULT_NUMWANT
    return queries.counter(text, "numwant", DEFAULT_NUMWANT)


def _claimed(text: bytes | None) -> str | None:
    return None if text is None else queries.unquote(text[:120]).decode("ascii", "replace")


def parse_scrape(query: bytes) -> list[InfoHash]:
    """The info hashes a scrape asks for, each once. Raises TrackerFailure (K3, K8)."""
    values = [
        value
        for name, _, value in (pair.partition(b"=") for pair in query.split(b"&"))
        if name == b"info_hash"
    ]
    if not values:
        raise TrackerFailure("a scrape needs info_hash", retry_in=NEVER)
    if len(values) > MOST_SCRAPED:
        raise TrackerFailure(f"a scrape may name {MOST_SCRAPED} torrents")
    hashes = [InfoHash(queries.unquote_hash(value)) for value in values]
    if any(len(info_hash) != INFO_HASH_SIZE for info_hash in hashes):
        raise TrackerFailure("info_hash must be 20 bytes")
    return list(dict.fromkeys(hashes))


def encode_scrape(info_hashes: Iterable[InfoHash]) -> str:
    """The query of a scrape, without the question mark."""
    return "&".join(f"info_hash={queries.quote(info_hash)}" for info_hash in info_hashes)


def encode_peers(
    counts: SwarmCounts,
    *,
    interval: int,
    min_interval: int,
    external_ip: bytes,
    peers4: bytes,
    peers6: bytes,
) -> bytes:
    """The reply to an announce, compact (BEP 23, 7, 24). The addresses are network byte order."""
    reply = (
        b"d8:completei%de10:downloadedi%de11:external ip%d:%b10:incompletei%de8:intervali%de"
        b"12:min intervali%de5:peers%d:%b" % (
            counts.complete, counts.downloaded, len(external_ip), external_ip, counts.incomplete,
            interval, min_interval, len(peers4), peers4,
        )
    )  # fmt: skip
    return b"%b6:peers6%d:%be" % (reply, len(peers6), peers6) if peers6 else reply + b"e"


def encode_failure(failure: TrackerFailure) -> bytes:
    """The reply that says why nothing was done (BEP 3, 31)."""
    reply: dict[bytes, Value] = {b"failure reason": failure.reason.encode()}
    if failure.retry_in == NEVER:
        reply[b"retry in"] = b"never"
    elif failure.retry_in is not None:
        reply[b"retry in"] = round(failure.retry_in)
    return bencode.encode(reply)


def encode_swarms(swarms: Mapping[InfoHash, SwarmCounts]) -> bytes:
    """The reply to a scrape (BEP 48)."""
    files: dict[bytes, Value] = {
        info_hash: {
            b"complete": counts.complete,
            b"downloaded": counts.downloaded,
            b"incomplete": counts.incomplete,
        }
        for info_hash, counts in swarms.items()
    }
    return bencode.encode({b"files": files})
