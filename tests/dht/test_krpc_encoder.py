"""Writing datagrams: the bytes, and errors no longer than what they answer."""

import pytest

from dht.contact import Family
from dht.krpc_encoder import MAX_ERROR_SIZE, encode_error, encode_query, encode_response
from dht.krpc_messages import (
    ErrorReply,
    FindNode,
    GetPeers,
    KrpcError,
    Ping,
    Query,
    Response,
)
from dht.node_id import NodeId
from formats.bencode import WIRE, decode
from formats.identifiers import InfoHash

ID = NodeId(b"abcdefghij0123456789")


def test_every_message_names_our_version() -> None:
    assert b"1:v4:ES01" in encode_query(Query(b"aa", ID, Ping()))
    assert b"1:v4:ES01" in encode_response(Response(b"aa", ID))


def test_the_bytes_of_a_query_with_everything() -> None:
    body = GetPeers(InfoHash(b"h" * 20), (Family.V4, Family.V6), noseed=True, scrape=True)
    assert encode_query(Query(b"aa", ID, body, read_only=True)) == (
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:hhhhhhhhhhhhhhhhhhhh6:noseedi1e6:scrapei1e"
        b"4:wantl2:n42:n6ee1:q9:get_peers2:roi1e1:t2:aa1:v4:ES011:y1:qe"
    )


def test_the_bytes_of_a_response_with_nodes_and_peers() -> None:
    response = Response(
        b"aa", ID, nodes=b"n" * 26, token=b"tok", values=(b"123456", b"abcdef"), ip=b"\1\2\3\4\5\6"
    )
    assert encode_response(response) == (
        b"d2:ip6:\1\2\3\4\5\x061:rd2:id20:abcdefghij01234567895:nodes26:" + b"n" * 26 + b"5:token3:"
        b"tok6:valuesl6:1234566:abcdefee1:t2:aa1:v4:ES011:y1:re"
    )


@pytest.mark.parametrize("text", ["", "bad token", "x" * 99, "x" * 2000, "ü" * 500])
@pytest.mark.parametrize("size", [0, 15, 26, 27, 31, 40, 95, 300, 1500])
@pytest.mark.parametrize("transaction", [b"", b"aa", b"0123456789abcdef"])
def test_d2_an_error_is_no_longer_than_the_query(text: str, size: int, transaction: bytes) -> None:
    out = encode_error(ErrorReply(transaction, 203, text), at_most=size)
    assert len(out) <= size
    if size >= 100:
        decoded = decode(out, WIRE)
        assert isinstance(decoded, dict)
        assert decoded[b"t"] == transaction
        assert isinstance(decoded[b"e"], list)
        assert decoded[b"e"][0] == 203
        assert isinstance(decoded[b"e"][1], bytes)
        assert text.encode().startswith(decoded[b"e"][1])


def test_d2_an_error_of_its_own_is_bounded_too() -> None:
    assert len(encode_error(ErrorReply(b"aa", 203, "x" * 10_000))) <= MAX_ERROR_SIZE


def test_an_error_knows_its_reply() -> None:
    assert KrpcError("no").reply is None
    assert KrpcError("no", transaction=b"aa").reply == ErrorReply(b"aa", 203, "no")


def test_the_family_asked_for() -> None:
    out = encode_query(Query(b"aa", ID, FindNode(b"t" * 20, (Family.V6,))))
    assert b"6:target20:tttttttttttttttttttt4:wantl2:n6ee" in out
