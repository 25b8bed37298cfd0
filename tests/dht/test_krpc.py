"""KRPC against the messages of BEP 5, libtorrent's datagrams and the general encoder."""

import json
import string
from pathlib import Path

import libtorrent
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dht import krpc
from dht.bloom import BLOOM_SIZE, bloom_filter
from dht.contact import Family
from dht.item import ImmutableItem, MutableItem, verified
from dht.krpc_messages import VERSION
from dht.node_id import NodeId
from formats import bencode
from formats.bencode import Value
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash

A, M = NodeId(b"abcdefghij0123456789"), NodeId(b"mnopqrstuvwxyz123456")
H = InfoHash(M)

BEP_5: list[tuple[bytes, krpc.Message]] = [
    (
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
        krpc.Query(b"aa", A, krpc.Ping()),
    ),
    (b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re", krpc.Response(b"aa", M)),
    (
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
        krpc.Query(b"aa", A, krpc.FindNode(M)),
    ),
    (
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
        krpc.Query(b"aa", A, krpc.GetPeers(H)),
    ),
    (
        b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
        krpc.Response(b"aa", A, token=b"aoeusnth", values=(b"axje.u", b"idhtnm")),
    ),
    (
        b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
        krpc.Query(b"aa", A, krpc.AnnouncePeer(H, 6881, b"aoeusnth", implied_port=True)),
    ),
    (
        b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
        krpc.ErrorReply(b"aa", 201, "A Generic Error Ocurred"),
    ),
]


@pytest.mark.parametrize(("datagram", "message"), BEP_5)
def test_the_examples_of_bep_5_byte_for_byte(datagram: bytes, message: krpc.Message) -> None:
    assert krpc.cheap_check(datagram)
    parsed = krpc.parse(datagram)
    assert parsed == message
    assert type(parsed) is type(message)
    if isinstance(message, krpc.Query) and isinstance(parsed, krpc.Query):
        assert type(parsed.body) is type(message.body)
    assert krpc.encode(message).replace(b"1:v4:ES01", b"") == datagram


DATAGRAMS = {
    name: bytes.fromhex(digits)
    for name, digits in json.loads(
        (Path(__file__).parent / "libtorrent_datagrams.json").read_text()
    )["datagrams"].items()
}


def of_libtorrent(name: str) -> krpc.Message:
    return krpc.parse(DATAGRAMS[name])


def response(name: str) -> krpc.Response:
    message = of_libtorrent("reply to " + name)
    assert isinstance(message, krpc.Response)
    return message


@pytest.mark.parametrize("name", sorted(DATAGRAMS))
def test_a_datagram_of_libtorrent_says_the_same_to_us_as_to_its_own_decoder(name: str) -> None:
    datagram = DATAGRAMS[name]
    assert krpc.cheap_check(datagram)
    message = krpc.parse(datagram)
    theirs = libtorrent.bdecode(datagram)
    assert message.transaction == theirs[b"t"]
    if isinstance(message, krpc.ErrorReply):
        assert [message.code, message.message.encode()] == theirs[b"e"]
        return
    assert message.version == theirs[b"v"]
    assert message.sender == theirs[b"a" if isinstance(message, krpc.Query) else b"r"][b"id"]
    ours = libtorrent.bdecode(krpc.encode(message))
    theirs.get(b"r", {}).pop(b"p", None)  # libtorrent tells its port, which no BEP asks for
    theirs.get(b"a", {}).pop(b"seed", None)  # it writes a seed of 0, which is left out
    assert ours == theirs


def test_the_queries_of_libtorrent() -> None:
    bodies = {
        name: (type(message.body), message.read_only)
        for name in DATAGRAMS
        if isinstance(message := of_libtorrent(name), krpc.Query)
    }
    assert bodies == {
        "get_peers": (krpc.GetPeers, False),
        "get_peers read-only": (krpc.GetPeers, True),
        "announce_peer": (krpc.AnnouncePeer, False),
        "get": (krpc.Get, False),
        "put immutable": (krpc.Put, False),
        "put mutable": (krpc.Put, False),
        "sample_infohashes": (krpc.SampleInfohashes, False),
    }


def test_the_items_of_libtorrent_are_signed() -> None:
    mutable, immutable = of_libtorrent("put mutable"), of_libtorrent("put immutable")
    assert isinstance(mutable, krpc.Query) and isinstance(mutable.body, krpc.Put)
    assert isinstance(mutable.body.item, MutableItem)
    assert mutable.body.item.salt == b"foobar"
    assert mutable.body.item.is_signed
    assert isinstance(immutable, krpc.Query) and isinstance(immutable.body, krpc.Put)
    assert immutable.body.item == ImmutableItem(b"12:Hello World!")


def test_the_answers_of_libtorrent() -> None:
    ping = response("ping")
    assert ping.external is not None and ping.external.host == "127.0.0.1"
    assert [contact.endpoint for contact in response("find_node").contacts] == [ping.external]
    assert response("get_peers").token is not None
    assert response("get_peers with values").peers == [ping.external]
    scrape = response("get_peers scrape")
    assert scrape.seeds_bloom == bloom_filter([b"\x7f\0\0\x01"])  # as libtorrent counts
    assert scrape.peers_bloom == bytes(BLOOM_SIZE)
    sample = response("sample_infohashes")
    assert (sample.total, sample.interval, len(sample.samples or b"")) == (1, 10, 20)
    item = response("get mutable").item(b"foobar")
    assert isinstance(item, MutableItem)
    assert verified(item, item.target)
    assert response("get mutable seq").item(b"foobar") is None
    assert response("get mutable seq").sequence == item.sequence == 4
    codes = {
        name: message.code
        for name in DATAGRAMS
        if isinstance(message := of_libtorrent(name), krpc.ErrorReply)
    }
    assert codes == {
        "reply to announce_peer bad token": 203,
        "reply to put bad signature": krpc.ErrorCode.INVALID_SIGNATURE,
        "reply to put cas": krpc.ErrorCode.CAS_MISMATCH,
        "reply to put old": krpc.ErrorCode.SEQUENCE_TOO_LOW,
        "reply to unknown": 203,
    }


def fixed(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


def optional(strategy: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes | None]:
    return st.none() | strategy


def entries(size: int) -> st.SearchStrategy[bytes]:
    return st.integers(0, 9).flatmap(lambda count: fixed(count * size))


ids = fixed(20).map(NodeId)
hashes = fixed(20).map(InfoHash)
transactions = st.binary(max_size=16)
versions = st.just(VERSION) | st.binary(max_size=16)
tokens = st.binary(max_size=64)
wants = st.sampled_from([(), (Family.V4,), (Family.V6,), (Family.V4, Family.V6)])
int64 = st.integers(0, 2**63 - 1)
values = st.recursive(
    st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.binary(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
).map(lambda value: bencode.encode(value))
items = st.builds(ImmutableItem, values) | st.builds(
    MutableItem, values, fixed(32), fixed(64), int64, st.binary(max_size=64)
)
flags = st.booleans()
bodies = st.one_of(
    st.builds(krpc.Ping),
    st.builds(krpc.FindNode, ids, wants),
    st.builds(krpc.GetPeers, hashes, wants, flags, flags),
    st.builds(krpc.AnnouncePeer, hashes, st.integers(1, 65535), tokens, flags, flags),
    st.builds(krpc.Get, ids, st.none() | int64, wants),
    st.builds(krpc.Put, items, tokens, st.none() | int64),
    st.builds(krpc.SampleInfohashes, ids, wants),
    st.builds(
        krpc.Unknown,
        st.text(string.ascii_lowercase, min_size=11, max_size=30).map(str.encode),
        optional(ids),
        wants,
    ),
)
queries = st.builds(krpc.Query, transactions, ids, bodies, flags, versions)
blooms = optional(fixed(BLOOM_SIZE))


@st.composite
def responses(draw: st.DrawFn) -> krpc.Response:
    return krpc.Response(
        draw(transactions),
        draw(ids),
        nodes=draw(entries(26)),
        nodes6=draw(entries(38)),
        token=draw(optional(tokens)),
        values=tuple(draw(st.lists(fixed(draw(st.sampled_from([6, 18]))), max_size=9))),
        ip=draw(optional(fixed(6) | fixed(18))),
        version=draw(versions),
        value=draw(optional(values)),
        public_key=draw(optional(fixed(32))),
        signature=draw(optional(fixed(64))),
        sequence=draw(st.none() | int64),
        samples=draw(optional(entries(20))),
        total=draw(st.none() | int64),
        interval=draw(st.none() | st.integers(0, 21600)),
        seeds_bloom=draw(blooms),
        peers_bloom=draw(blooms),
    )


errors = st.builds(
    krpc.ErrorReply, transactions, st.sampled_from(krpc.ErrorCode), st.text(max_size=99)
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(queries | responses() | errors)
def test_what_we_encode_is_canonical_for_everybody_and_reads_back(message: krpc.Message) -> None:
    datagram = krpc.encode(message)
    assume(len(datagram) <= 1500)
    decoded = bencode.decode(datagram, bencode.METAINFO)  # strict about order
    assert bencode.encode(decoded) == datagram
    assert libtorrent.bdecode(datagram) == decoded
    parsed = krpc.parse(datagram)
    assert parsed == message
    assert type(getattr(parsed, "body", None)) is type(getattr(message, "body", None))


def test_the_general_encoder_writes_the_same_full_response() -> None:
    message = krpc.Response(
        b"tt", A, nodes=bytes(26), nodes6=bytes(38), token=b"token", values=(b"123456",) * 2,
        ip=b"\x01\x02\x03\x04\x1a\xe1", version=b"XX99", value=b"i5e", public_key=bytes(32),
        signature=bytes(64), sequence=3, samples=bytes(40), total=2, interval=60,
        seeds_bloom=bytes(256), peers_bloom=bytes(256),
    )  # fmt: skip
    results: dict[bytes, Value] = {
        b"id": A, b"nodes": bytes(26), b"nodes6": bytes(38), b"token": b"token",
        b"values": [b"123456"] * 2, b"v": 5, b"k": bytes(32), b"sig": bytes(64), b"seq": 3,
        b"samples": bytes(40), b"num": 2, b"interval": 60, b"BFsd": bytes(256), b"BFpe": bytes(256),
    }  # fmt: skip
    whole: dict[bytes, Value] = {
        b"r": results, b"t": b"tt", b"v": b"XX99", b"y": b"r", b"ip": b"\x01\x02\x03\x04\x1a\xe1",
    }  # fmt: skip
    assert krpc.encode_response(message) == bencode.encode(whole)
    assert krpc.parse(krpc.encode_response(message)) == message
    assert message.external == Endpoint("1.2.3.4", 6881)
