"""Reading KRPC datagrams. Each is a stranger's, its source address may be forged. What they try:

* datagrams too short, too long, or not even brackets of a dictionary: `cheap_check`, before any
  decoding (D1);
* nesting, tokens by the thousand, lengths beyond the end: the limits of `formats.bencode`;
* IDs, targets, info hashes, ports and tokens of the wrong type or size: a query is refused with
  error 203, a field of a response is absent (D2);
* a transaction ID as a payload to echo: at most 16 bytes, else silence (D2, D8).

Nodes are asked for peers more than for anything else: `_USUAL_GET_PEERS` recognises that query in
the form in which most programs write it. What it does not match takes the long way; that both ways
lead to the same query is for the tests to show.
"""

import re

from dht.bloom import BLOOM_SIZE
from dht.contact import COMPACT_NODE4_SIZE, COMPACT_NODE6_SIZE, Family
from dht.item import MAX_SEQUENCE, MAX_VALUE_SIZE, PUBLIC_KEY_SIZE, SIGNATURE_SIZE
from dht.krpc_messages import (
    MAX_INTERVAL,
    MAX_TRANSACTION_SIZE,
    ErrorCode,
    ErrorReply,
    GetPeers,
    KrpcError,
    Message,
    Query,
    Response,
)
from dht.krpc_query_reader import (
    LIMITS,
    MAX_DATAGRAM,
    MAX_TOKEN_SIZE,
    Arguments,
    identifier,
    program_version,
    raw_item_value,
    read_query,
)
from dht.node_id import NODE_ID_SIZE, NodeId
from formats.bencode import (
    BencodeError,
    Value,
    decode_dict,
    get_bytes,
    get_dict,
    get_int,
    get_list,
    get_text,
)
from formats.endpoint import COMPACT4_SIZE, COMPACT6_SIZE
from formats.identifiers import InfoHash

MIN_DATAGRAM = 15
"""Bytes; no message is shorter (D1)."""
_MAX_ERROR_LENGTH = 200
"""Characters of an error's text that are kept."""

_USUAL_GET_PEERS = re.compile(
    rb"d1:ad2:id20:(.{20})9:info_hash20:(.{20})(?:4:wantl(2:n4)?(2:n6)?e)?e"
    rb"1:q9:get_peers(2:roi1e)?1:t(?:2:(.{2})|4:(.{4}))(?:1:v4:(.{4}))?1:y1:qe",
    re.DOTALL,
).fullmatch
"""Canonical bencode whose strings all have a fixed length, so that it reads in one way only."""


def cheap_check(data: bytes) -> bool:
    """Whether a datagram may be KRPC: told from its length and its two ends alone (D1)."""
    return MIN_DATAGRAM <= len(data) <= MAX_DATAGRAM and data[0] == 0x64 and data[-1] == 0x65


def parse(data: bytes) -> Message:
    """The message that is the whole of a datagram.

    Raises KrpcError, whose `reply` is the answer due if the datagram was a query.
    """
    usual = _USUAL_GET_PEERS(data)
    if usual is not None:
        return _usual_get_peers(usual)
    try:
        message = decode_dict(data, LIMITS)
    except BencodeError as error:
        raise KrpcError(f"not a KRPC message: {error}") from None
    transaction = message.get(b"t")
    if type(transaction) is not bytes or len(transaction) > MAX_TRANSACTION_SIZE:
        raise KrpcError("the transaction ID is missing or too long")
    kind = message.get(b"y")
    if kind == b"q":
        try:
            return read_query(transaction, message, data)
        except KrpcError as error:
            error.transaction = transaction
            raise
    if kind == b"r":
        return _response(transaction, message, data)
    if kind == b"e":
        return _error(transaction, message)
    raise KrpcError("neither a query, a response nor an error")


def _usual_get_peers(usual: re.Match[bytes]) -> Query:
    sender, info_hash, n4, n6, read_only, short, long, version = usual.groups()
    want: tuple[Family, ...] = ()
    if n4 or n6:
        want = tuple(family for family, flag in ((Family.V4, n4), (Family.V6, n6)) if flag)
    body = GetPeers(InfoHash(info_hash), want)
    return Query(short or long, NodeId(sender), body, read_only is not None, version)


def _response(transaction: bytes, message: Arguments, data: bytes) -> Response:
    results = get_dict(message, b"r")
    if results is None:
        raise KrpcError("a response without results")
    return Response(
        transaction,
        NodeId(identifier(results, b"id")),
        nodes=_entries(results, b"nodes", COMPACT_NODE4_SIZE) or b"",
        nodes6=_entries(results, b"nodes6", COMPACT_NODE6_SIZE) or b"",
        token=get_bytes(results, b"token", at_most=MAX_TOKEN_SIZE),
        values=_peers(results),
        ip=_endpoint(message.get(b"ip")),
        version=program_version(message),
        value=_item_value(results, data),
        public_key=get_bytes(results, b"k", size=PUBLIC_KEY_SIZE),
        signature=get_bytes(results, b"sig", size=SIGNATURE_SIZE),
        sequence=get_int(results, b"seq", minimum=0, maximum=MAX_SEQUENCE),
        samples=_entries(results, b"samples", NODE_ID_SIZE),
        total=get_int(results, b"num", minimum=0),
        interval=get_int(results, b"interval", minimum=0, maximum=MAX_INTERVAL),
        seeds_bloom=get_bytes(results, b"BFsd", size=BLOOM_SIZE),
        peers_bloom=get_bytes(results, b"BFpe", size=BLOOM_SIZE),
    )


def _entries(results: Arguments, key: bytes, size: int) -> bytes | None:
    """A list of entries of `size` bytes in one string; None if absent or cut short."""
    entries = results.get(key)
    return entries if type(entries) is bytes and not len(entries) % size else None


def _endpoint(value: Value | None) -> bytes | None:
    """A compact endpoint of either family; some add bytes of their own to other things."""
    if type(value) is bytes and len(value) in (COMPACT4_SIZE, COMPACT6_SIZE):
        return value
    return None


def _peers(results: Arguments) -> tuple[bytes, ...]:
    found = map(_endpoint, get_list(results, b"values") or ())
    return tuple([peer for peer in found if peer is not None])


def _item_value(results: Arguments, data: bytes) -> bytes | None:
    """`v` if it could be stored again; a node that sends another has still answered."""
    try:
        value = raw_item_value(results, data, b"r")
    except KrpcError:
        return None
    return value if value is not None and len(value) <= MAX_VALUE_SIZE else None


def _error(transaction: bytes, message: Arguments) -> ErrorReply:
    """What is missing of the code and the text is filled in: that there is an error is enough."""
    values = get_list(message, b"e") or []
    parts = dict(zip((b"code", b"text"), values))
    code = get_int(parts, b"code")
    text = get_text(parts, b"text", at_most=_MAX_ERROR_LENGTH)
    return ErrorReply(transaction, ErrorCode.GENERIC if code is None else code, text or "")
