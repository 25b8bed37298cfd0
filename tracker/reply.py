"""A tracker's replies as a client reads them (BEP 3, 7, 23, 24, 31, 48).

A reply comes from a stranger. What it tries, and the answer:

* garbage, HTML, nesting, a million peers: bencode's limits, and 200 peers kept (C6);
* host names, port 0 and mis-sized lists among the peers: names are dropped, a list that ends inside
  an entry is ignored whole, the other lists count (C6);
* intervals of 0, -1, 2^63 or of another type: kept only as numbers, clamped in `tiers.py` (C5);
* texts with terminal escapes, or of megabytes: escaped, 200 characters (C6).
"""

from formats import bencode
from formats.bencode import BencodeError, Value
from formats.endpoint import Endpoint, EndpointError, normalise, unpack4, unpack6
from formats.identifiers import INFO_HASH_SIZE, InfoHash
from tracker.announce import DEFAULT_INTERVAL, AnnounceResponse, SwarmCounts
from tracker.errors import NEVER, TrackerError, TrackerFailure

KEPT_PEERS = 200
"""Peers kept of one reply (C6); four times what we ask for."""
KEPT_TEXT = 200
"""Characters kept of a tracker's text (C6)."""
LONGEST_TRACKER_ID = 256
"""Bytes of `tracker id` that we send back; a longer one is ignored."""


def parse_response(body: bytes) -> AnnounceResponse:
    """Read the reply to an announce. Raises TrackerFailure, or TrackerError for anything else."""
    reply = _reply(body)
    warning = bencode.get_text(reply, b"warning message", at_most=KEPT_TEXT)
    interval = bencode.get_int(reply, b"interval")
    return AnnounceResponse(
        interval=DEFAULT_INTERVAL if interval is None else interval,
        min_interval=bencode.get_int(reply, b"min interval"),
        peers=tuple(_peers(reply)[:KEPT_PEERS]),
        complete=bencode.get_int(reply, b"complete", minimum=0),
        incomplete=bencode.get_int(reply, b"incomplete", minimum=0),
        external_ip=_external_ip(bencode.get_bytes(reply, b"external ip")),
        warning=None if warning is None else printable(warning),
        tracker_id=bencode.get_bytes(reply, b"tracker id", at_most=LONGEST_TRACKER_ID),
    )


def parse_swarms(body: bytes) -> dict[InfoHash, SwarmCounts]:
    """Read the reply to a scrape; a malformed entry is left out. Raises as `parse_response`."""
    swarms: dict[InfoHash, SwarmCounts] = {}
    for info_hash, counts in (bencode.get_dict(_reply(body), b"files") or {}).items():
        if len(info_hash) == INFO_HASH_SIZE and isinstance(counts, dict):
            swarms[InfoHash(info_hash)] = SwarmCounts(
                bencode.get_int(counts, b"complete", minimum=0) or 0,
                bencode.get_int(counts, b"incomplete", minimum=0) or 0,
                bencode.get_int(counts, b"downloaded", minimum=0) or 0,
            )
    return swarms


def _reply(body: bytes) -> dict[bytes, Value]:
    try:
        reply = bencode.decode_dict(body, bencode.WIRE)
    except BencodeError as error:
        if body.lstrip()[:1] == b"<":
            raise TrackerError("not a tracker reply (HTML)") from None
        raise TrackerError(f"not a tracker reply ({error})") from None
    if b"failure reason" in reply:
        reason = bencode.get_text(reply, b"failure reason", at_most=KEPT_TEXT)
        raise TrackerFailure(printable(reason or "no reason given"), retry_in=_retry_in(reply))
    return reply


def _retry_in(reply: dict[bytes, Value]) -> float | None:
    """Minutes; a number or its digits, as BEP 31's examples have it."""
    text = bencode.get_bytes(reply, b"retry in")
    if text == b"never":
        return NEVER
    if text is not None and text.isdigit() and len(text) <= 9:
        return int(text) or None
    return bencode.get_int(reply, b"retry in", minimum=1)


def _peers(reply: dict[bytes, Value]) -> list[Endpoint]:
    peers: list[Endpoint] = []
    compact = reply.get(b"peers")
    try:
        if isinstance(compact, bytes):
            peers += unpack4(compact)
        elif isinstance(compact, list):
            peers += filter(None, map(_peer, compact))
    except EndpointError:
        pass
    try:
        peers += unpack6(bencode.get_bytes(reply, b"peers6") or b"")
    except EndpointError:
        pass
    return list(dict.fromkeys(peers))


def _peer(entry: Value) -> Endpoint | None:
    """A peer in BEP 3's form; None for a host name or anything malformed."""
    if not isinstance(entry, dict):
        return None
    host = bencode.get_bytes(entry, b"ip", at_most=64)
    port = bencode.get_int(entry, b"port", minimum=1, maximum=65535)
    if host is None or port is None:
        return None
    try:
        return Endpoint(normalise(host.decode("ascii", "replace")), port)
    except EndpointError:
        return None


def _external_ip(packed: bytes | None) -> str | None:
    """Our address as the tracker saw it: 4 or 16 bytes (BEP 24)."""
    if packed is None or len(packed) not in (4, 16):
        return None
    compact = packed + b"\0\1"
    return (unpack4(compact) if len(packed) == 4 else unpack6(compact))[0].host


def printable(text: str) -> str:
    """A stranger's text, fit for a screen: escaped, at most KEPT_TEXT characters (C6)."""
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(escaped)[:KEPT_TEXT]
