"""Answering queries: a value in, a value out (BEP 5, 32, 33, 42, 43, 44, 51).

The query is a stranger's and was read by `krpc`; its source may be forged. What it may try:

* announcing or putting for another, or without having asked: the token, without which nothing is
  stored (D4);
* a reply much larger than the query: the allowance of `source_budget`, 1,280 bytes and fifty
  values at most (D8);
* our own ID as the sender, which would make nodes answer each other for ever: silence (D1).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias, assert_never

from dht.contact import COMPACT_NODE4_SIZE, COMPACT_NODE6_SIZE, Family
from dht.item import MutableItem
from dht.item_store import ItemStore
from dht.krpc_encoder import encode_response
from dht.krpc_messages import (
    AnnouncePeer,
    ErrorCode,
    ErrorReply,
    FindNode,
    Get,
    GetPeers,
    KrpcError,
    Ping,
    Put,
    Query,
    Response,
    SampleInfohashes,
    Unknown,
)
from dht.node_id import NODE_ID_SIZE, NodeId
from dht.peer_store import MAX_SAMPLES, SAMPLES_INTERVAL, PeerStore
from dht.source_budget import MAX_REPLY, UNBOUNDED, Allowance
from dht.tokens import TOKEN_SIZE, Tokens
from formats.endpoint import COMPACT4_SIZE, Endpoint, pack

MAX_VALUES = 50
"""Peers in one reply (D8)."""
MAX_REPLY6 = 1024
"""Bytes of a reply over IPv6 (BEP 32), an item apart: the largest would not fit."""

ClosestNodes: TypeAlias = Callable[[bytes], bytes]
"""The compact list, nearest first, of the eight nodes of one family closest to 20 bytes."""

_FRAME_SIZE = 2 + len(encode_response(Response(b"", NodeId(bytes(NODE_ID_SIZE)), ip=b"")))
"""A response with neither transaction, address nor results; their lengths may take two digits."""
_TOKEN_FIELD = len(b"5:token8:") + TOKEN_SIZE
_NODES_FIELD = len(b"6:nodes6304:")
_VALUES_FIELD = len(b"6:valuesle")
_BLOOM_FIELDS = 2 * len(b"4:BFpe256:" + bytes(256))
_SAMPLE_FIELDS = len(b"8:intervali21600e3:numi2000e7:samples800:")
_SEQUENCE_FIELD = len(b"3:seqie")


class _Asker(NamedTuple):
    """Who asks, when, and what the reply may hold."""

    query: Query
    own_id: NodeId
    compact: bytes
    """The source's endpoint."""
    family: Family
    room: int
    """Bytes that the results may take, the sender's ID apart."""
    values: bool
    is_stranger: bool
    """The room is that of a source that may be forged."""
    now: float


class QueryHandler:
    """Answers from the tables, the stores and the tokens it is given; it keeps nothing itself."""

    __slots__ = ("_closest", "_items", "_own_id", "_peers", "_tokens", "read_only")

    def __init__(
        self,
        own_id: Callable[[], NodeId],
        closest: Mapping[Family, ClosestNodes],
        *,
        peers: Mapping[Family, PeerStore],
        items: ItemStore,
        tokens: Tokens,
    ) -> None:
        self._own_id = own_id
        self._closest = closest
        self._peers = peers
        self._items = items
        self._tokens = tokens
        self.read_only = False
        """We answer nothing (BEP 43)."""

    def answer(
        self, query: Query, source: Endpoint, now: float, *, allowance: Allowance = UNBOUNDED
    ) -> Response | ErrorReply | None:
        """The reply to a query; None to stay silent.

        `now` is in seconds of one monotonic clock. The encoded reply is no longer than the
        allowance, but for the bare response and for errors, which have to be fitted to the query.
        """
        own_id = self._own_id()
        if self.read_only or query.sender == own_id:
            return None
        compact = pack(source)
        is_ipv4 = len(compact) == COMPACT4_SIZE
        most = MAX_REPLY if is_ipv4 or type(query.body) is Get else MAX_REPLY6
        room = min(allowance.size, most)
        asker = _Asker(
            query,
            own_id,
            compact,
            Family.V4 if is_ipv4 else Family.V6,
            room - _FRAME_SIZE - len(compact) - len(query.transaction),
            allowance.values,
            allowance.size < MAX_REPLY,
            now,
        )
        try:
            return self._dispatch(asker)
        except KrpcError as error:
            return ErrorReply(query.transaction, error.code, str(error))

    def _dispatch(self, asker: _Asker) -> Response:
        body = asker.query.body
        match body:
            case GetPeers():
                return self._get_peers(asker, body)
            case FindNode(target, want):
                return self._find_node(asker, target, want)
            case Ping():
                return _done(asker)
            case AnnouncePeer():
                return self._announce_peer(asker, body)
            case Get():
                return self._get(asker, body)
            case Put():
                return self._put(asker, body)
            case SampleInfohashes():
                return self._sample_infohashes(asker, body)
            case Unknown(_, target, want):
                if target is None:
                    raise KrpcError("method unknown", ErrorCode.METHOD_UNKNOWN)
                return self._find_node(asker, target, want)
            case _:
                assert_never(body)

    def _find_node(self, asker: _Asker, target: bytes, want: tuple[Family, ...]) -> Response:
        nodes, nodes6, _ = self._nodes(asker, target, want, asker.room)
        return _done(asker, nodes=nodes, nodes6=nodes6)

    def _get_peers(self, asker: _Asker, body: GetPeers) -> Response:
        """A token, the filters if asked for, nodes, and as many peers as still fit."""
        info_hash = body.info_hash
        room = asker.room - _TOKEN_FIELD
        store = self._peers[asker.family]
        blooms = found = None
        if asker.values:
            found = store.peers(info_hash, MAX_VALUES, now=asker.now, noseed=body.noseed)
            if body.scrape and room >= _BLOOM_FIELDS:
                blooms = store.blooms(info_hash, asker.now)
                room -= _BLOOM_FIELDS if blooms else 0
        node_room = room // 2 if found and asker.is_stranger else room
        # the filters leave room for peers only without the nodes of a second family (BEP 33)
        want = (asker.family,) if blooms and len(body.want) > 1 else body.want
        nodes, nodes6, used = self._nodes(asker, info_hash, want, node_room)
        return Response(
            asker.query.transaction,
            asker.own_id,
            nodes=nodes,
            nodes6=nodes6,
            token=self._token(asker, info_hash),
            values=_fitting(found, room - used) if found else (),
            ip=asker.compact,
            seeds_bloom=blooms[0] if blooms else None,
            peers_bloom=blooms[1] if blooms else None,
        )

    def _announce_peer(self, asker: _Asker, body: AnnouncePeer) -> Response:
        self._check_token(asker, body.token, body.info_hash)
        compact = asker.compact
        if not body.implied_port:
            compact = compact[:-2] + body.port.to_bytes(2, "big")
        store = self._peers[asker.family]
        if not store.announce(body.info_hash, compact, seed=body.seed, now=asker.now):
            raise KrpcError("too many swarms of one address", ErrorCode.SERVER)
        return _done(asker)

    def _get(self, asker: _Asker, body: Get) -> Response:
        """A token, the item, and as many nodes as still fit (BEP 44)."""
        item = self._items.get(body.target, asker.now) if asker.values else None
        room = asker.room - _TOKEN_FIELD
        value = key = signature = sequence = None
        if isinstance(item, MutableItem):
            sequence = item.sequence
            room -= _SEQUENCE_FIELD + len(str(sequence))
            if body.sequence is None or sequence > body.sequence:
                value, key, signature = item.value, item.public_key, item.signature
                room -= len(b"1:v1:k32:3:sig64:") + len(value) + len(key) + len(signature)
        elif item is not None:
            value = item.value
            room -= len(b"1:v") + len(value)
        if room < 0:  # a stranger asks, who gets the item once it has answered us
            value = key = signature = sequence = None
            room = asker.room - _TOKEN_FIELD
        nodes, nodes6, _ = self._nodes(asker, body.target, body.want, room)
        return Response(
            asker.query.transaction,
            asker.own_id,
            nodes=nodes,
            nodes6=nodes6,
            token=self._token(asker, body.target),
            ip=asker.compact,
            value=value,
            public_key=key,
            signature=signature,
            sequence=sequence,
        )

    def _put(self, asker: _Asker, body: Put) -> Response:
        self._check_token(asker, body.token, body.item.target)
        self._items.put(body.item, asker.compact[:-2], now=asker.now, cas=body.cas)
        return _done(asker)

    def _sample_infohashes(self, asker: _Asker, body: SampleInfohashes) -> Response:
        store = self._peers[asker.family]
        room = asker.room - _SAMPLE_FIELDS
        nodes, nodes6, used = self._nodes(asker, body.target, body.want, room)
        count = min((room - used) // NODE_ID_SIZE, MAX_SAMPLES) if asker.values else 0
        return Response(
            asker.query.transaction,
            asker.own_id,
            nodes=nodes,
            nodes6=nodes6,
            ip=asker.compact,
            samples=store.samples(count, asker.now),
            total=len(store),
            interval=SAMPLES_INTERVAL,
        )

    def _nodes(
        self, asker: _Asker, target: bytes, want: tuple[Family, ...], room: int
    ) -> tuple[bytes, bytes, int]:
        """`nodes`, `nodes6` and how much of the room they take, the asker's own family first."""
        family = asker.family
        if not want or want == (family,):
            found = self._nearest(family, target, room)
            used = len(found) + _NODES_FIELD
            return (found, b"", used) if family is Family.V4 else (b"", found, used)
        lists = {Family.V4: b"", Family.V6: b""}
        used = 0
        for each in sorted(want, key=lambda each: each is not family):
            lists[each] = self._nearest(each, target, room - used)
            used += len(lists[each]) + _NODES_FIELD
        return lists[Family.V4], lists[Family.V6], used

    def _nearest(self, family: Family, target: bytes, room: int) -> bytes:
        """As many of the closest nodes as fit."""
        size = COMPACT_NODE4_SIZE if family is Family.V4 else COMPACT_NODE6_SIZE
        fitting = (room - _NODES_FIELD) // size * size
        if fitting <= 0 or family not in self._closest:
            return b""
        return self._closest[family](target)[:fitting]

    def _token(self, asker: _Asker, target: bytes) -> bytes:
        host = asker.compact[:-2]
        return self._tokens.issue(host, asker.query.sender, target, asker.now)

    def _check_token(self, asker: _Asker, token: bytes, target: bytes) -> None:
        host = asker.compact[:-2]
        if not self._tokens.accepts(token, host, asker.query.sender, target, now=asker.now):
            raise KrpcError("bad token")


def _done(asker: _Asker, *, nodes: bytes = b"", nodes6: bytes = b"") -> Response:
    """The response that has nodes, or nothing, to tell."""
    return Response(
        asker.query.transaction, asker.own_id, nodes=nodes, nodes6=nodes6, ip=asker.compact
    )


def _fitting(values: tuple[bytes, ...], room: int) -> tuple[bytes, ...]:
    """As many values as fit."""
    size = len(values[0])
    count = (room - _VALUES_FIELD) // (len(b"%d:" % size) + size)
    return values[: max(count, 0)]
