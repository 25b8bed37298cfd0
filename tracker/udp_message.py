"""The UDP tracker protocol as bytes (BEP 15), with the URL of BEP 41: pure, both directions.

Every number is big-endian. A packet may be longer than its layout, never shorter: what follows is
an extension of somebody's and is ignored (BEP 15). Both sides are strangers to each other:

* packets too short for what they claim to be: UdpMessageError, for the caller to drop (K9, C8);
* events and ports that are none: TrackerFailure, for the caller to tell (K3);
* counts of peers, hashes and text: bounded here whatever was sent (K6, K8, C6);
* the address that a client claims to have: not even read (K4).
"""

from collections.abc import Sequence
from enum import IntEnum
from struct import Struct

from formats.endpoint import COMPACT4_SIZE, COMPACT6_SIZE, unpack4, unpack6
from formats.errors import ProtocolError
from formats.identifiers import INFO_HASH_SIZE, InfoHash, PeerId
from tracker.announce import (
    DEFAULT_NUMWANT,
    AnnounceRequest,
    AnnounceResponse,
    Event,
    SwarmCounts,
)
from tracker.errors import TrackerFailure
from tracker.reply import KEPT_PEERS, KEPT_TEXT, printable

PROTOCOL_ID = 0x41727101980
"""Where a connect request has what will be the connection ID: the protocol's name (BEP 15)."""
LONGEST_REPLY = 1220
"""Bytes: with IPv6's and UDP's headers below 1,280, which every link carries whole (K6)."""
MOST_SCRAPED = 74
"""Torrents of one scrape: what fits 1,500 bytes, "about 74" in BEP 15."""
LONGEST_URL_DATA = 1024
"""Bytes of path and query sent: no tracker URL that we keep is longer."""

_HEAD = Struct(">QII")
"""Of every request: `<connection ID: 8><action: 4><transaction ID: 4>`."""
_ANNOUNCE = Struct(">QII20s20sQQQIIIiH")
"""See `announce_request`."""
_ANNOUNCE_BODY = Struct(">20s20s8xQ8xI4x4xiH")
"""What a tracker needs of it, from byte 16: hash, peer ID, left, event, num_want, port."""
_REPLY_HEAD = Struct(">II")
"""Of every reply: `<action: 4><transaction ID: 4>`."""
_CONNECT_REPLY = Struct(">IIQ")
_ANNOUNCE_REPLY = Struct(">IIiII")
_COUNTS = Struct(">III")

_END_OF_OPTIONS, _NOP, _URL_DATA = 0, 1, 2
"""Option types of BEP 41; the first two stand alone, all others have a length byte."""
_LONGEST_OPTION = 255


class Action(IntEnum):
    """What a packet is; replies have the action of the request, or ERROR."""

    CONNECT = 0
    ANNOUNCE = 1
    SCRAPE = 2
    ERROR = 3


_EVENTS = (Event.NONE, Event.COMPLETED, Event.STARTED, Event.STOPPED)
"""By their number on the wire."""
_SHORTEST_REPLY = {Action.CONNECT: 16, Action.ANNOUNCE: 20, Action.SCRAPE: 8, Action.ERROR: 8}


class UdpMessageError(ProtocolError):
    """Bytes that are no packet of this protocol, or none for us; `str(error)` is constant text."""


# Requests, as a client writes them


def connect_request(transaction: int) -> bytes:
    """`<0x41727101980: 8><0: 4><transaction ID: 4>`: 16 bytes."""
    return _HEAD.pack(PROTOCOL_ID, Action.CONNECT, transaction)


def announce_request(
    connection: int, transaction: int, request: AnnounceRequest, *, url_data: bytes = b""
) -> bytes:
    """98 bytes, and the options of BEP 41:

    `<connection ID: 8><1: 4><transaction ID: 4><info hash: 20><peer ID: 20><downloaded: 8><left: 8>
    <uploaded: 8><event: 4><IP address: 4><key: 4><num_want: 4><port: 2><options>`

    The IP address is 0, the packet's own. `num_want` is signed; -1 leaves it to the tracker.
    """
    return _ANNOUNCE.pack(
        connection,
        Action.ANNOUNCE,
        transaction,
        request.info_hash,
        request.peer_id,
        request.downloaded,
        request.left,
        request.uploaded,
        _EVENTS.index(request.event),
        0,
        request.key or 0,
        request.numwant,
        request.port,
    ) + encode_url_data(url_data)


def scrape_request(connection: int, transaction: int, info_hashes: Sequence[InfoHash]) -> bytes:
    """`<connection ID: 8><2: 4><transaction ID: 4>(<info hash: 20>)*`."""
    return _HEAD.pack(connection, Action.SCRAPE, transaction) + b"".join(info_hashes)


def encode_url_data(url_data: bytes) -> bytes:
    """Path and query of the tracker's URL as options (BEP 41): `(<2: 1><length: 1><part>)*`."""
    url_data = url_data[:LONGEST_URL_DATA]
    parts = [url_data[at : at + _LONGEST_OPTION] for at in range(0, len(url_data), _LONGEST_OPTION)]
    return b"".join(bytes((_URL_DATA, len(part))) + part for part in parts)


# Requests, as a tracker reads them


def parse_request_head(data: bytes) -> tuple[int, int, int]:
    """(connection ID or PROTOCOL_ID, action, transaction ID). Raises UdpMessageError (K9)."""
    if len(data) < _HEAD.size:
        raise UdpMessageError("a request that is too short")
    return _HEAD.unpack_from(data)


def parse_announce_request(data: bytes) -> AnnounceRequest:
    """Read an announce; counters but `left` are left out.

    Raises UdpMessageError if it is too short, TrackerFailure for an unknown event or port 0.
    """
    if len(data) < _ANNOUNCE.size:
        raise UdpMessageError("an announce that is too short")
    info_hash, peer_id, left, event, numwant, port = _ANNOUNCE_BODY.unpack_from(data, _HEAD.size)
    if event >= len(_EVENTS):
        raise TrackerFailure("unknown event")
    if not port:
        raise TrackerFailure("port must be from 1 to 65535")
    return AnnounceRequest(
        InfoHash(info_hash),
        PeerId(peer_id),
        port,
        0,
        0,
        left,
        _EVENTS[event],
        None,
        DEFAULT_NUMWANT if numwant < 0 else numwant,
    )


def parse_url_data(data: bytes) -> bytes:
    """Path and query that an announce carries in its options (BEP 41); none is empty.

    Unknown options are skipped; one that is longer than the packet ends the list.
    """
    parts: list[bytes] = []
    at = _ANNOUNCE.size
    while at < len(data) and data[at] != _END_OF_OPTIONS:
        if data[at] == _NOP:
            at += 1
            continue
        start = at + 2
        end = start + data[at + 1] if start <= len(data) else start
        if end > len(data):
            break
        if data[at] == _URL_DATA:
            parts.append(data[start:end])
        at = end
    return b"".join(parts)


def parse_scrape_request(data: bytes) -> list[InfoHash]:
    """The info hashes asked for, in their order. Raises TrackerFailure (K8)."""
    count = (len(data) - _HEAD.size) // INFO_HASH_SIZE
    if count < 1:
        raise TrackerFailure("a scrape needs info_hash")
    if count > MOST_SCRAPED:
        raise TrackerFailure(f"a scrape may name {MOST_SCRAPED} torrents")
    starts = range(_HEAD.size, _HEAD.size + count * INFO_HASH_SIZE, INFO_HASH_SIZE)
    return [InfoHash(data[at : at + INFO_HASH_SIZE]) for at in starts]


# Replies, as a tracker writes them


def connect_reply(transaction: int, connection: int) -> bytes:
    """`<0: 4><transaction ID: 4><connection ID: 8>`: 16 bytes, as many as were asked with (K9)."""
    return _CONNECT_REPLY.pack(Action.CONNECT, transaction, connection)


def announce_reply(
    transaction: int, counts: SwarmCounts, *, interval: int, peers: bytes, peer_size: int
) -> bytes:
    """`<1: 4><transaction ID: 4><interval: 4><leechers: 4><seeders: 4>(<address><port: 2>)*`.

    `peers` is a compact list of `peer_size` bytes an entry: 6 to IPv4 clients, 18 to IPv6 ones;
    what would not fit LONGEST_REPLY is left out (K6).
    """
    room = (LONGEST_REPLY - _ANNOUNCE_REPLY.size) // peer_size * peer_size
    return (
        _ANNOUNCE_REPLY.pack(
            Action.ANNOUNCE, transaction, interval, counts.incomplete, counts.complete
        )
        + peers[:room]
    )


def scrape_reply(transaction: int, swarms: Sequence[SwarmCounts]) -> bytes:
    """`<2: 4><transaction ID: 4>(<seeders: 4><completed: 4><leechers: 4>)*`, in the order asked."""
    return _REPLY_HEAD.pack(Action.SCRAPE, transaction) + b"".join(
        _COUNTS.pack(counts.complete, counts.downloaded, counts.incomplete) for counts in swarms
    )


def error_reply(transaction: int, reason: str) -> bytes:
    """`<3: 4><transaction ID: 4><text>`."""
    return _REPLY_HEAD.pack(Action.ERROR, transaction) + reason.encode()


# Replies, as a client reads them


def parse_reply_head(data: bytes) -> tuple[Action, int]:
    """(action, transaction ID) of a packet that is as long as its action needs.

    Raises UdpMessageError for anything else (C8).
    """
    if len(data) < _REPLY_HEAD.size:
        raise UdpMessageError("a reply that is too short")
    number, transaction = _REPLY_HEAD.unpack_from(data)
    if number > Action.ERROR:
        raise UdpMessageError("a reply with an unknown action")
    action = Action(number)
    if len(data) < _SHORTEST_REPLY[action]:
        raise UdpMessageError("a reply that is too short")
    return action, transaction


def parse_connection_id(data: bytes) -> int:
    """Of a connect reply whose head was read."""
    connection: int = _CONNECT_REPLY.unpack_from(data)[2]
    return connection


def parse_announce_reply(data: bytes, *, ipv6: bool) -> AnnounceResponse:
    """Of an announce reply whose head was read; `ipv6` is the family it came over.

    At most 200 peers are kept, and none with port 0; an entry that is cut short is left out (C6).
    """
    _, _, interval, leechers, seeders = _ANNOUNCE_REPLY.unpack_from(data)
    size = COMPACT6_SIZE if ipv6 else COMPACT4_SIZE
    start = _ANNOUNCE_REPLY.size
    count = min((len(data) - start) // size, KEPT_PEERS)
    peers = (unpack6 if ipv6 else unpack4)(data[start : start + count * size])
    return AnnounceResponse(
        interval=interval,
        peers=tuple(dict.fromkeys(peers)),
        complete=seeders,
        incomplete=leechers,
    )


def parse_scrape_reply(data: bytes, info_hashes: Sequence[InfoHash]) -> dict[InfoHash, SwarmCounts]:
    """Of a scrape reply whose head was read: as many of `info_hashes` as were answered."""
    start = _REPLY_HEAD.size
    count = min((len(data) - start) // _COUNTS.size, len(info_hashes))
    swarms: dict[InfoHash, SwarmCounts] = {}
    for number, info_hash in enumerate(info_hashes[:count]):
        seeders, completed, leechers = _COUNTS.unpack_from(data, start + number * _COUNTS.size)
        swarms[info_hash] = SwarmCounts(seeders, leechers, completed)
    return swarms


def parse_error(data: bytes) -> TrackerFailure:
    """Of an error reply whose head was read: 200 characters of its text, escaped (C6)."""
    text = data[_REPLY_HEAD.size :][: 4 * KEPT_TEXT].decode("utf-8", "replace").rstrip("\0\r\n")
    return TrackerFailure(printable(text) or "no reason given")
