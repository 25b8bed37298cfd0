"""Reading the arguments of KRPC queries (BEP 5, 32, 33, 44, 51).

A stranger chose them. IDs, targets, info hashes, ports and tokens of the wrong type or size are
refused with error 203, options of the wrong type are as good as absent (D2). A value to store is
kept as the bytes it came in, and refused if they are not canonical bencode: the same value would
have another hash at the next node (BEP 44).
"""

from collections.abc import Callable
from typing import TypeAlias

from dht.contact import Family
from dht.item import (
    MAX_SALT_SIZE,
    MAX_SEQUENCE,
    MAX_VALUE_SIZE,
    PUBLIC_KEY_SIZE,
    SIGNATURE_SIZE,
    ImmutableItem,
    Item,
    MutableItem,
)
from dht.krpc_messages import (
    AnnouncePeer,
    Body,
    ErrorCode,
    FindNode,
    Get,
    GetPeers,
    KrpcError,
    Ping,
    Put,
    Query,
    SampleInfohashes,
    Unknown,
)
from dht.node_id import NODE_ID_SIZE, NodeId
from formats.bencode import Limits, Value, encode, get_bytes, get_int, raw_value
from formats.endpoint import PORT_MAX
from formats.identifiers import InfoHash

MAX_DATAGRAM = 1500
"""Bytes; a frame of Ethernet holds no more (D1)."""
LIMITS = Limits(depth=10, tokens=2_000, size=MAX_DATAGRAM, strict=False)
"""B1, B2; encoders of the network are loose about the order of keys."""
MAX_TOKEN_SIZE = 64
"""Bytes of a token that we take or echo; the network's have 4 to 20."""
_MAX_METHOD_SIZE = 32
_MAX_VERSION_SIZE = 16

Arguments: TypeAlias = dict[bytes, Value]
"""A decoded dictionary of a message."""


def read_query(transaction: bytes, message: Arguments, data: bytes) -> Query:
    """The query in a decoded message; `data` is the datagram it came in. Raises KrpcError."""
    arguments = message.get(b"a")
    if type(arguments) is not dict:
        raise KrpcError("no arguments")
    method = message.get(b"q")
    if type(method) is not bytes:
        raise KrpcError("no method")
    sender = NodeId(identifier(arguments, b"id"))
    read = _READERS.get(method)
    if read is not None:
        body = read(arguments)
    elif method == b"put":
        body = _put(arguments, data)
    else:
        target = get_bytes(arguments, b"target", size=NODE_ID_SIZE)
        target = target or get_bytes(arguments, b"info_hash", size=NODE_ID_SIZE)
        body = Unknown(method[:_MAX_METHOD_SIZE], target, _want(arguments))
    return Query(transaction, sender, body, message.get(b"ro") == 1, program_version(message))


def identifier(arguments: Arguments, key: bytes) -> bytes:
    """The 20 bytes under `key`. Raises KrpcError if they are not there."""
    value = arguments.get(key)
    if type(value) is not bytes or len(value) != NODE_ID_SIZE:
        raise KrpcError(f"{key.decode()} is not 20 bytes")
    return value


def _token(arguments: Arguments) -> bytes:
    token = get_bytes(arguments, b"token", at_most=MAX_TOKEN_SIZE)
    if token is None:
        raise KrpcError("no token")
    return token


_FAMILIES = {b"n4": Family.V4, b"n6": Family.V6}


def _want(arguments: Arguments) -> tuple[Family, ...]:
    want = arguments.get(b"want")
    if type(want) is not list:
        return ()
    return tuple(family for flag, family in _FAMILIES.items() if flag in want)


def program_version(message: Arguments) -> bytes | None:
    """Who wrote the program that sent a message; None unless it is a short string (D14)."""
    return get_bytes(message, b"v", at_most=_MAX_VERSION_SIZE)


def _ping(arguments: Arguments) -> Ping:
    return Ping()


def _find_node(arguments: Arguments) -> FindNode:
    return FindNode(identifier(arguments, b"target"), _want(arguments))


def _get_peers(arguments: Arguments) -> GetPeers:
    return GetPeers(
        InfoHash(identifier(arguments, b"info_hash")),
        _want(arguments),
        arguments.get(b"noseed") == 1,
        arguments.get(b"scrape") == 1,
    )


def _announce_peer(arguments: Arguments) -> AnnouncePeer:
    info_hash = InfoHash(identifier(arguments, b"info_hash"))
    implied = bool(get_int(arguments, b"implied_port"))
    port = get_int(arguments, b"port", minimum=1, maximum=PORT_MAX)
    if port is None and not implied:
        raise KrpcError("no port between 1 and 65535")
    return AnnouncePeer(
        info_hash, port or 0, _token(arguments), implied, arguments.get(b"seed") == 1
    )


def _get(arguments: Arguments) -> Get:
    sequence = get_int(arguments, b"seq", minimum=0)
    return Get(identifier(arguments, b"target"), sequence, _want(arguments))


def _sample_infohashes(arguments: Arguments) -> SampleInfohashes:
    return SampleInfohashes(identifier(arguments, b"target"), _want(arguments))


_READERS: dict[bytes, Callable[[Arguments], Body]] = {
    b"ping": _ping,
    b"find_node": _find_node,
    b"get_peers": _get_peers,
    b"announce_peer": _announce_peer,
    b"get": _get,
    b"sample_infohashes": _sample_infohashes,
}


def _put(arguments: Arguments, data: bytes) -> Put:
    token = _token(arguments)
    value = raw_item_value(arguments, data, b"a")
    if value is None:
        raise KrpcError("no value")
    if len(value) > MAX_VALUE_SIZE:
        raise KrpcError("the value is too big", ErrorCode.VALUE_TOO_BIG)
    if b"k" in arguments:
        item: Item = _mutable_item(arguments, value)
    else:
        item = ImmutableItem(value)
    return Put(item, token, get_int(arguments, b"cas"))


def _mutable_item(arguments: Arguments, value: bytes) -> MutableItem:
    key = get_bytes(arguments, b"k", size=PUBLIC_KEY_SIZE)
    signature = get_bytes(arguments, b"sig", size=SIGNATURE_SIZE)
    sequence = get_int(arguments, b"seq", minimum=0, maximum=MAX_SEQUENCE)
    if key is None or signature is None or sequence is None:
        raise KrpcError("a mutable item needs its key, signature and sequence number")
    salt = arguments.get(b"salt", b"")
    if type(salt) is not bytes:
        raise KrpcError("the salt is no string")
    if len(salt) > MAX_SALT_SIZE:
        raise KrpcError("the salt is too big", ErrorCode.SALT_TOO_BIG)
    return MutableItem(value, key, signature, sequence, salt)


def raw_item_value(arguments: Arguments, data: bytes, outer: bytes) -> bytes | None:
    """The bytes of `v` within the dictionary `outer` of a message, exactly as they came.

    Raises KrpcError when they are not the canonical form of what they decode to.
    """
    if b"v" not in arguments:
        return None
    raw = raw_value(raw_value(data, outer, LIMITS), b"v", LIMITS)
    if raw != encode(arguments[b"v"]):
        raise KrpcError("the value is not canonical bencode")
    return raw
