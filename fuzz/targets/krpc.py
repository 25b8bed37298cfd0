"""KRPC datagrams: whatever is read is answered within bounds, and reads back when written again."""

import random

from dht import krpc
from dht.contact import Family
from dht.item import ImmutableItem, MutableItem
from dht.item_store import ItemStore
from dht.krpc_messages import MAX_TRANSACTION_SIZE
from dht.node_id import NodeId
from dht.peer_store import PeerStore
from dht.query_handler import QueryHandler
from dht.source_budget import MAX_REPLY
from dht.tokens import Tokens
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash

_ID = NodeId(b"abcdefghij0123456789")
_HASH = InfoHash(b"mnopqrstuvwxyz123456")
_SOURCE = Endpoint("1.2.3.4", 6881)
_BOTH = (Family.V4, Family.V6)
_MUTABLE = MutableItem(b"d1:ai1e1:bl1:xee", bytes(32), bytes(64), 4, b"salt")

SEEDS: list[bytes] = [
    krpc.encode(message)
    for message in (
        krpc.Query(b"aa", _ID, krpc.Ping(), read_only=True),
        krpc.Query(b"aa", _ID, krpc.FindNode(_HASH, _BOTH)),
        krpc.Query(b"aa", _ID, krpc.GetPeers(_HASH, _BOTH)),
        krpc.Query(b"aaaa", _ID, krpc.GetPeers(_HASH, noseed=True, scrape=True)),
        krpc.Query(b"aa", _ID, krpc.AnnouncePeer(_HASH, 6881, b"token", implied_port=True)),
        krpc.Query(b"aa", _ID, krpc.Get(_HASH, 3)),
        krpc.Query(b"aa", _ID, krpc.Put(ImmutableItem(b"12:Hello World!"), b"token")),
        krpc.Query(b"aa", _ID, krpc.Put(_MUTABLE, b"token", cas=3)),
        krpc.Query(b"aa", _ID, krpc.SampleInfohashes(_HASH)),
        krpc.Query(b"aa", _ID, krpc.Unknown(b"vote", _HASH)),
        krpc.Response(b"aa", _ID, nodes=bytes(52), nodes6=bytes(38), ip=b"\1\2\3\4\5\6"),
        krpc.Response(b"aa", _ID, token=b"token", values=(b"\1\2\3\4\5\6",) * 3),
        krpc.Response(b"aa", _ID, value=b"d1:ai1ee", public_key=bytes(32), sequence=1),
        krpc.Response(b"aa", _ID, samples=bytes(40), total=2, interval=60),
        krpc.Response(b"aa", _ID, seeds_bloom=bytes(256), peers_bloom=bytes(256)),
        krpc.ErrorReply(b"aa", 201, "A Generic Error Ocurred"),
    )
]

_rng = random.Random(1)
_handler = QueryHandler(
    lambda: NodeId(bytes(20)),
    {family: lambda target: bytes(304) for family in Family},
    peers={family: PeerStore(_rng) for family in Family},
    items=ItemStore(),
    tokens=Tokens(_rng, 0.0),
)


def execute(data: bytes) -> None:
    """Parse a datagram, answer it, and hold the message equal to what is read of its encoding."""
    if not krpc.cheap_check(data):
        return
    try:
        message = krpc.parse(data)
    except krpc.KrpcError as error:
        if error.reply is not None:
            assert len(krpc.encode_error(error.reply, len(data))) <= len(data)
        return
    assert len(message.transaction) <= MAX_TRANSACTION_SIZE
    match message:
        case krpc.Query():
            _check_query(message)
        case krpc.Response():
            assert len(message.contacts) + len(message.peers) <= len(data) // 8
            assert message.external is None or message.external.port
            item = message.item()
            assert item is None or len(item.value) <= 1000
        case krpc.ErrorReply():
            assert len(message.message) <= 200


def _check_query(query: krpc.Query) -> None:
    if not isinstance(query.body, krpc.AnnouncePeer) or query.body.port:
        again = krpc.parse(krpc.encode(query._replace(version=query.version or b"ES01")))
        assert again == query._replace(version=query.version or b"ES01")
    reply = _handler.answer(query, _SOURCE, 0.0)
    if reply is not None:
        encoded = krpc.encode(reply)
        assert len(encoded) <= MAX_REPLY
        assert krpc.parse(encoded).transaction == query.transaction
