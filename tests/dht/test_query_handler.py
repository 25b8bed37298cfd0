"""Answers: what each query gets, who may write, and how large a reply may be."""

import random

import libtorrent
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dht import krpc
from dht.bloom import bloom_filter
from dht.contact import Contact, Family, pack_contacts
from dht.item import ImmutableItem, MutableItem, sign, verified
from dht.item_store import ItemStore
from dht.krpc import (
    AnnouncePeer,
    Body,
    ErrorCode,
    ErrorReply,
    FindNode,
    Get,
    GetPeers,
    Ping,
    Put,
    Query,
    Response,
    SampleInfohashes,
    Unknown,
)
from dht.node_id import NodeId
from dht.peer_store import MAX_SAMPLES, PeerStore
from dht.query_handler import MAX_REPLY6, MAX_VALUES, QueryHandler
from dht.source_budget import AMPLIFICATION, MAX_REPLY, Allowance
from dht.tokens import Tokens
from formats.endpoint import Endpoint, pack
from formats.identifiers import InfoHash

OWN = NodeId(b"o" * 20)
SENDER = NodeId(b"s" * 20)
HASH = InfoHash(b"h" * 20)
V4, V6 = Family.V4, Family.V6
SOURCE = Endpoint("1.2.3.4", 5555)
SOURCE6 = Endpoint("2a00:1450::1", 5555)
NODES = pack_contacts(
    [Contact(NodeId(bytes((i,)) * 20), Endpoint(f"5.6.7.{i}", 6881)) for i in range(8)]
)
NODES6 = pack_contacts(
    [Contact(NodeId(bytes((i,)) * 20), Endpoint(f"2a00::{i + 1:x}", 6881)) for i in range(8)]
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
LARGEST = sign(b"995:" + bytes(995), KEY, sequence=2**63 - 1, salt=bytes(64))


class Node:
    """A handler with its stores; `ask` goes through the bytes of both directions."""

    def __init__(self) -> None:
        rng = random.Random(1)
        self.peers = {family: PeerStore(rng) for family in Family}
        self.items = ItemStore()
        self.targets: list[bytes] = []
        self.handler = QueryHandler(
            lambda: OWN,
            {V4: self._nodes4, V6: lambda target: NODES6},
            peers=self.peers,
            items=self.items,
            tokens=Tokens(rng, 0.0),
        )

    def _nodes4(self, target: bytes) -> bytes:
        self.targets.append(target)
        return NODES

    def ask(
        self,
        body: Body,
        source: Endpoint = SOURCE,
        *,
        now: float = 0.0,
        allowance: Allowance | None = None,
        sender: NodeId = SENDER,
    ) -> Response:
        reply = self.reply(body, source, now=now, allowance=allowance, sender=sender)
        assert isinstance(reply, Response), reply
        assert reply.sender == OWN
        assert reply.transaction == b"aa"
        assert reply.external == source
        return reply

    def refusal(self, body: Body, source: Endpoint = SOURCE, *, now: float = 0.0) -> int:
        reply = self.reply(body, source, now=now)
        assert isinstance(reply, ErrorReply), reply
        return reply.code

    def reply(
        self,
        body: Body,
        source: Endpoint = SOURCE,
        *,
        now: float = 0.0,
        allowance: Allowance | None = None,
        sender: NodeId = SENDER,
    ) -> krpc.Message | None:
        query = Query(b"aa", sender, body)
        allowance = allowance or Allowance()
        answer = self.handler.answer(query, source, now, allowance=allowance)
        if answer is None:
            return None
        datagram = krpc.encode(answer)
        assert len(datagram) <= max(allowance.size, 100)
        assert libtorrent.bdecode(datagram) is not None
        return krpc.parse(datagram)

    def token(self, target: bytes, source: Endpoint = SOURCE, *, now: float = 0.0) -> bytes:
        token = self.ask(GetPeers(InfoHash(target)), source, now=now).token
        assert token is not None
        return token

    def announce(self, number: int, *, seed: bool = False, host: str | None = None) -> Endpoint:
        peer = Endpoint(host or f"9.9.{number >> 8}.{number & 255}", 7000)
        store = self.peers[Family.of(peer)]
        assert store.announce(HASH, pack(peer), seed=seed, now=0.0)
        return peer


@pytest.fixture
def node() -> Node:
    return Node()


def test_ping(node: Node) -> None:
    assert node.ask(Ping()).contacts == []


def test_find_node_tells_the_nodes_of_the_askers_family(node: Node) -> None:
    reply = node.ask(FindNode(HASH))
    assert (reply.nodes, reply.nodes6, reply.token) == (NODES, b"", None)
    assert node.targets == [HASH]
    reply = node.ask(FindNode(HASH), SOURCE6)
    assert (reply.nodes, reply.nodes6) == (b"", NODES6)


@pytest.mark.parametrize("source", [SOURCE, SOURCE6])
def test_find_node_tells_the_families_that_are_wanted(node: Node, source: Endpoint) -> None:
    reply = node.ask(FindNode(HASH, (V4, V6)), source)
    assert (reply.nodes, reply.nodes6) == (NODES, NODES6)
    reply = node.ask(FindNode(HASH, (V6,)), source)
    assert (reply.nodes, reply.nodes6) == (b"", NODES6)


def test_a_node_of_one_family_has_no_nodes_of_the_other() -> None:
    stores = {V4: PeerStore(random.Random(1))}
    handler = QueryHandler(
        lambda: OWN,
        {V4: lambda target: NODES},
        peers=stores,
        items=ItemStore(),
        tokens=Tokens(random.Random(1), 0.0),
    )
    reply = handler.answer(Query(b"aa", SENDER, FindNode(HASH, (V4, V6))), SOURCE, 0.0)
    assert isinstance(reply, Response)
    assert (reply.nodes, reply.nodes6) == (NODES, b"")


def test_who_is_announced_is_found_by_another(node: Node) -> None:
    assert node.ask(AnnouncePeer(HASH, 7000, node.token(HASH))) == Response(
        b"aa", OWN, ip=pack(SOURCE), version=b"ES01"
    )
    reply = node.ask(GetPeers(HASH), Endpoint("8.8.8.8", 1))
    assert reply.peers == [Endpoint("1.2.3.4", 7000)]
    assert reply.nodes == NODES
    assert reply.token is not None
    assert node.ask(GetPeers(HASH), SOURCE6).peers == []
    assert node.ask(GetPeers(InfoHash(bytes(20)))).peers == []


def test_an_implied_port_is_the_source_port(node: Node) -> None:
    node.ask(AnnouncePeer(HASH, 7000, node.token(HASH), implied_port=True))
    assert node.ask(GetPeers(HASH)).peers == [SOURCE]
    node.ask(AnnouncePeer(HASH, 0, node.token(HASH, SOURCE6), implied_port=True), SOURCE6)
    assert node.ask(GetPeers(HASH), SOURCE6).peers == [SOURCE6]


def test_d4_without_a_good_token_nothing_is_stored(node: Node) -> None:
    token = node.token(HASH)
    other_port = SOURCE._replace(port=1)
    assert node.refusal(AnnouncePeer(HASH, 7000, b"")) == 203
    assert node.refusal(AnnouncePeer(HASH, 7000, bytes(8))) == 203
    assert node.refusal(AnnouncePeer(HASH, 7000, token), Endpoint("1.2.3.5", 5555)) == 203
    assert node.refusal(AnnouncePeer(InfoHash(bytes(20)), 7000, token)) == 203
    assert node.refusal(Put(ImmutableItem(b"1:x"), token)) == 203
    assert len(node.peers[V4]) == len(node.items) == 0
    node.ask(AnnouncePeer(HASH, 7000, token), other_port, now=299.0)  # NATs change ports
    assert len(node.peers[V4]) == 1
    assert node.refusal(AnnouncePeer(HASH, 7000, token), now=600.1) == 203


def test_d10_an_address_in_too_many_swarms_is_error_202(node: Node) -> None:
    for number in range(21):
        target = InfoHash(bytes((number,)) * 20)
        body = AnnouncePeer(target, 7000, node.token(target))
        if number < 20:
            node.ask(body)
        else:
            assert node.refusal(body) == ErrorCode.SERVER
    assert len(node.peers[V4]) == 20


def test_d8_fifty_values_at_most(node: Node) -> None:
    everybody = {node.announce(number) for number in range(300)}
    reply = node.ask(GetPeers(HASH))
    assert len(set(reply.peers)) == len(reply.values) == MAX_VALUES == 50
    assert set(reply.peers) <= everybody
    assert reply.nodes == NODES
    assert node.ask(GetPeers(HASH)).values != reply.values  # a sample at random


@pytest.mark.parametrize("source", [SOURCE, SOURCE6])
@pytest.mark.parametrize("want", [(), (V4,), (V6,), (V4, V6)])
@pytest.mark.parametrize("scrape", [False, True])
def test_d8_whatever_is_asked_for_the_reply_fits(
    node: Node, source: Endpoint, want: tuple[Family, ...], scrape: bool
) -> None:
    for number in range(500):
        node.announce(number)
        node.announce(number, host=f"2a01::{number:x}")
    most = MAX_REPLY if source is SOURCE else MAX_REPLY6
    for size in (0, 100, 285, 500, 900, 1280):
        for transaction in (b"", b"0123456789abcdef"):
            query = Query(transaction, SENDER, GetPeers(HASH, want, scrape=scrape))
            for values in (False, True):
                reply = node.handler.answer(query, source, 0.0, allowance=Allowance(size, values))
                assert isinstance(reply, Response)
                size_limit = max(min(size, most), 130)
                assert len(krpc.encode(reply)) <= size_limit
                assert len(reply.values) <= MAX_VALUES
    whole = node.ask(GetPeers(HASH, want, scrape=scrape), source)
    assert whole.values
    assert (whole.seeds_bloom is not None) is scrape
    own = whole.nodes if source is SOURCE else whole.nodes6
    if not want or Family.of(source) in want:
        assert own == (NODES if source is SOURCE else NODES6)


@pytest.mark.parametrize("source", [SOURCE, SOURCE6])
def test_d8_a_stranger_gets_three_times_its_bytes_and_no_values(
    node: Node, source: Endpoint
) -> None:
    for number in range(100):
        node.announce(number)
        node.announce(number, host=f"2a01::{number:x}")
    node.items.put(LARGEST, b"\1\2\3\4", now=0.0)
    for body in (
        Ping(),
        FindNode(HASH, (V4, V6)),
        GetPeers(HASH, (V4, V6), scrape=True),
        Get(LARGEST.target),
        SampleInfohashes(HASH),
        Unknown(b"x", HASH),
    ):
        query = Query(b"", SENDER, body, version=b"")
        size = len(krpc.encode(query)) - len(b"1:v0:")
        allowance = Allowance(AMPLIFICATION * size, values=False)
        reply = node.handler.answer(query, source, 0.0, allowance=allowance)
        assert isinstance(reply, Response)
        assert len(krpc.encode(reply)) <= AMPLIFICATION * size, body
        assert not reply.values
        assert reply.value is reply.seeds_bloom is None
        assert not reply.samples
        if isinstance(body, GetPeers | Get):
            assert reply.token is not None
        if not isinstance(body, Ping):
            assert len(reply.contacts) >= 3


def test_d8_values_for_strangers_share_the_room_with_nodes(node: Node) -> None:
    peers = {node.announce(number) for number in range(100)}
    reply = node.ask(GetPeers(HASH), allowance=Allowance(285, values=True))
    assert len(reply.contacts) >= 3
    assert len(reply.peers) >= 8
    assert set(reply.peers) <= peers


def test_noseed_and_scrape(node: Node) -> None:
    seed, leech = node.announce(1, seed=True), node.announce(2)
    assert node.ask(GetPeers(HASH, noseed=True)).peers == [leech]
    reply = node.ask(GetPeers(HASH, scrape=True))
    assert reply.seeds_bloom == bloom_filter([pack(seed)[:4]])
    assert reply.peers_bloom == bloom_filter([pack(leech)[:4]])
    assert set(reply.peers) == {seed, leech}
    nobody = node.ask(GetPeers(InfoHash(bytes(20)), scrape=True))
    assert nobody.seeds_bloom is nobody.peers_bloom is None


def test_a_seed_is_announced_as_one(node: Node) -> None:
    node.ask(AnnouncePeer(HASH, 7000, node.token(HASH), seed=True))
    assert node.ask(GetPeers(HASH, noseed=True)).peers == []
    assert node.ask(GetPeers(HASH)).peers == [Endpoint("1.2.3.4", 7000)]


def test_an_immutable_item_is_put_and_got(node: Node) -> None:
    item = ImmutableItem(b"12:Hello World!")
    empty = node.ask(Get(item.target, want=(V4, V6)))
    assert empty.item() is None
    assert (empty.nodes, empty.nodes6) == (NODES, NODES6)
    assert empty.token is not None
    node.ask(Put(item, empty.token))
    found = node.ask(Get(item.target), Endpoint("8.8.8.8", 1))
    assert found.item() == item
    assert found.token is not None
    assert found.nodes == NODES


def test_a_mutable_item_is_put_got_and_replaced(node: Node) -> None:
    item = sign(b"1:a", KEY, sequence=4, salt=b"foobar")
    token = node.token(item.target)
    node.ask(Put(item, token))
    found = node.ask(Get(item.target)).item(b"foobar")
    assert found == item
    assert isinstance(found, MutableItem) and verified(found, item.target)
    for known, wanted in ((3, True), (4, False), (5, False)):
        reply = node.ask(Get(item.target, known))
        assert (reply.value is not None) is wanted
        assert reply.sequence == 4
    newer = sign(b"1:b", KEY, sequence=5, salt=b"foobar")
    assert node.refusal(Put(newer, token, cas=3)) == ErrorCode.CAS_MISMATCH == 301
    assert node.refusal(Put(newer._replace(sequence=6), token)) == 206
    node.ask(Put(newer, token, cas=4))
    assert node.refusal(Put(item, token)) == ErrorCode.SEQUENCE_TOO_LOW == 302
    assert node.ask(Get(item.target)).item(b"foobar") == newer


@pytest.mark.parametrize("source", [SOURCE, SOURCE6])
def test_d8_the_largest_item_fits(node: Node, source: Endpoint) -> None:
    node.items.put(LARGEST, b"\1\2\3\4", now=0.0)
    reply = node.ask(Get(LARGEST.target, want=(V4, V6)), source)
    assert reply.item(bytes(64)) == LARGEST
    assert reply.token is not None


def test_samples(node: Node) -> None:
    reply = node.ask(SampleInfohashes(HASH))
    assert (reply.samples, reply.total) == (b"", 0)
    node.announce(1)
    reply = node.ask(SampleInfohashes(HASH))
    assert (reply.samples, reply.total, reply.nodes) == (HASH, 1, NODES)
    assert reply.interval is not None and 0 <= reply.interval <= 21600
    for number in range(300):
        peer = pack(Endpoint(f"9.9.{number >> 8}.{number & 255}", 1))
        node.peers[V4].announce(number.to_bytes(20, "big"), peer, seed=False, now=0.0)
    reply = node.ask(SampleInfohashes(HASH, (V4,)))
    assert reply.total == 301
    assert reply.samples is not None and len(reply.samples) == 20 * MAX_SAMPLES
    assert len(node.ask(SampleInfohashes(HASH, (V4, V6))).samples or b"") >= 600
    assert node.ask(SampleInfohashes(HASH), SOURCE6).samples == b""


def test_an_unknown_query_with_a_target_is_answered_like_find_node(node: Node) -> None:
    assert node.ask(Unknown(b"vote", HASH)).nodes == NODES
    assert node.ask(Unknown(b"vote", HASH, (V6,))).nodes6 == NODES6
    assert node.refusal(Unknown(b"vote")) == ErrorCode.METHOD_UNKNOWN == 204


def test_d1_our_own_id_is_not_answered(node: Node) -> None:
    assert node.reply(Ping(), sender=OWN) is None
    assert node.reply(GetPeers(HASH), sender=OWN) is None


def test_d14_a_read_only_node_does_not_answer(node: Node) -> None:
    node.handler.read_only = True
    assert node.reply(Ping()) is None
    node.handler.read_only = False
    assert node.reply(Ping()) is not None
