"""Reading datagrams: what is dropped, what is refused with an error, what is ignored."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dht import krpc_decoder
from dht.contact import Family
from dht.krpc_decoder import cheap_check, parse
from dht.krpc_messages import ErrorReply, GetPeers, KrpcError, Query, Response
from formats import bencode
from formats.bencode import Value

ID = b"abcdefghij0123456789"
HASH = b"mnopqrstuvwxyz123456"
PING = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"


def refused(datagram: bytes) -> KrpcError:
    with pytest.raises(KrpcError) as caught:
        parse(datagram)
    return caught.value


@pytest.mark.parametrize(
    "datagram",
    [b"", b"d", b"de", b"d1:t2:aa1:y1e", b"l1:t2:aa1:y1:qe", PING[:-1], PING + b"\n", b"x" * 99],
)
def test_d1_what_cannot_be_a_message_is_dropped_undecoded(datagram: bytes) -> None:
    assert not cheap_check(datagram)


def test_d1_sizes() -> None:
    assert not cheap_check(b"d" + bytes(12) + b"e")
    assert cheap_check(b"d" + bytes(13) + b"e")
    assert cheap_check(b"d" + bytes(1498) + b"e")
    assert not cheap_check(b"d" + bytes(1499) + b"e")
    assert cheap_check(PING)


@pytest.mark.parametrize(
    "datagram",
    [
        b"d1:y1:q1:q4:ping1:ad2:id20:abcdefghij0123456789ee",
        PING.replace(b"2:aa", b"i5e"),
        PING.replace(b"2:aa", b"17:aaaaaaaaaaaaaaaaa"),
        PING.replace(b"1:y1:q", b"1:y1:z"),
        PING.replace(b"1:y1:q", b""),
        PING.replace(b"1:y1:q", b"1:yi1e"),
        b"d1:rle1:t2:aa1:y1:re",
        b"d1:rd2:id19:abcdefghij012345678e1:t2:aa1:y1:re",
        b"d1:t2:aa1:y1:re",
        b"d" + 500 * b"l" + 500 * b"e" + b"e",
        PING + PING,
        b"d1:" + 16 * b"9" + b":e",
    ],
)
def test_d2_what_is_no_query_gets_no_answer(datagram: bytes) -> None:
    assert refused(datagram).reply is None


def test_d2_a_transaction_of_16_bytes_is_echoed() -> None:
    message = parse(PING.replace(b"2:aa", b"16:0123456789abcdef"))
    assert message.transaction == b"0123456789abcdef"


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (PING.replace(b"d2:id20:abcdefghij0123456789e", b"le"), "no arguments"),
        (PING.replace(b"2:id20:abcdefghij0123456789", b""), "id is not 20 bytes"),
        (PING.replace(b"20:abcdefghij0123456789", b"19:abcdefghij012345678"), "id is not 20 bytes"),
        (PING.replace(b"20:abcdefghij0123456789", b"i20e"), "id is not 20 bytes"),
        (PING.replace(b"4:ping", b"i1e"), "no method"),
    ],
)
def test_d2_a_query_that_is_wrong_is_error_203(datagram: bytes, reason: str) -> None:
    assert refused(datagram).reply == ErrorReply(b"aa", 203, reason)


def response(results: dict[bytes, Value], **outer: Value) -> Response:
    message: dict[bytes, Value] = {b"t": b"aa", b"y": b"r", b"r": {b"id": ID, **results}}
    message |= {key.encode(): value for key, value in outer.items()}
    parsed = parse(bencode.encode(message))
    assert isinstance(parsed, Response)
    return parsed


@pytest.mark.parametrize(
    "results",
    [
        {b"nodes": bytes(25), b"nodes6": bytes(37)},
        {b"nodes": [b"x"], b"nodes6": 5, b"token": [], b"values": b"123456"},
        {b"values": [b"12345", b"1234567", 6, [b"123456"], {}]},
        {b"token": bytes(65)},
        {b"k": bytes(31), b"sig": bytes(63), b"seq": -1},
        {b"samples": bytes(19), b"num": -1, b"interval": 21_601},
        {b"BFsd": bytes(255), b"BFpe": b""},
        {b"v": bytes(1000)},
    ],
)
def test_d2_a_field_of_the_wrong_form_is_absent(results: dict[bytes, Value]) -> None:
    assert response(results) == Response(b"aa", response({}).sender)


def test_d2_the_good_ones_of_mixed_values_are_kept() -> None:
    found = response({b"values": [b"\1\2\3\4\0\5", b"bad", bytes(15) + b"\1\0\7", b"\1\2\3\4\0\0"]})
    assert [str(peer) for peer in found.peers] == ["1.2.3.4:5", "[::1]:7"]


@pytest.mark.parametrize("garbage", [b"\xff" * 17, 7, [b"v"], {}])
def test_d14_a_version_that_is_none_is_ignored(garbage: Value) -> None:
    assert response({}, v=garbage, ip=garbage).version is None
    assert response({}, v=garbage, ip=garbage).external is None


def test_a_value_of_a_response_in_a_form_we_could_not_store_is_absent() -> None:
    datagram = b"d1:rd2:id20:abcdefghij01234567891:vd1:bi1e1:ai2eee1:t2:aa1:y1:re"
    parsed = parse(datagram)
    assert isinstance(parsed, Response)
    assert parsed.value is None
    good = parse(datagram.replace(b"1:bi1e1:ai2e", b"1:ai2e1:bi1e"))
    assert isinstance(good, Response)
    assert good.value == b"d1:ai2e1:bi1ee"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (b"1:eli204e7:unknowne", ErrorReply(b"aa", 204, "unknown")),
        (b"1:eli204e3:\xff\x1b!e", ErrorReply(b"aa", 204, "�\x1b!")),
        (b"1:el7:unknowne", ErrorReply(b"aa", 201, "")),
        (b"1:ele", ErrorReply(b"aa", 201, "")),
        (b"1:e3:bad", ErrorReply(b"aa", 201, "")),
        (b"", ErrorReply(b"aa", 201, "")),
        (b"1:eli1e999:" + 999 * b"x" + b"e", ErrorReply(b"aa", 1, 200 * "x")),
    ],
)
def test_an_error_is_an_error_whatever_it_says(error: bytes, expected: ErrorReply) -> None:
    assert parse(b"d" + error + b"1:t2:aa1:y1:ee") == expected


usual_parts = st.tuples(
    st.binary(min_size=20, max_size=20),
    st.binary(min_size=20, max_size=20),
    st.sampled_from([b"", b"4:wantle", b"4:wantl2:n4e", b"4:wantl2:n6e", b"4:wantl2:n42:n6e"]),
    st.sampled_from([b"", b"2:roi1e"]),
    st.binary(min_size=2, max_size=2) | st.binary(min_size=4, max_size=4),
    st.sampled_from([b"", b"1:v4:LT\x02\x11", b"1:v4:qee\n"]),
)


def long_way(datagram: bytes, monkeypatch: pytest.MonkeyPatch) -> object:
    with monkeypatch.context() as patch:
        patch.setattr(krpc_decoder, "_USUAL_GET_PEERS", re.compile(b"(?!)").fullmatch)
        try:
            return parse(datagram)
        except KrpcError as error:
            return str(error)


@given(usual_parts, st.integers(0, 200), st.integers(0, 255))
def test_the_usual_get_peers_is_read_like_any_other(
    parts: tuple[bytes, ...], at: int, byte: int
) -> None:
    sender, info_hash, want, read_only, transaction, version = parts
    datagram = b"d1:ad2:id20:%b9:info_hash20:%b%be1:q9:get_peers%b1:t%d:%b%b1:y1:qe" % (
        sender, info_hash, want, read_only, len(transaction), transaction, version,
    )  # fmt: skip
    damaged = bytearray(datagram)
    damaged[at % len(datagram)] = byte
    with pytest.MonkeyPatch.context() as monkeypatch:
        quick = parse(datagram)
        assert quick == long_way(datagram, monkeypatch)
        assert isinstance(quick, Query) and isinstance(quick.body, GetPeers)
        assert krpc_decoder._USUAL_GET_PEERS(datagram)
        try:
            found: object = parse(bytes(damaged))
        except KrpcError as error:
            found = str(error)
        assert found == long_way(bytes(damaged), monkeypatch)


def test_d14_a_read_only_sender_is_told_apart() -> None:
    for flag, expected in ((b"2:roi1e", True), (b"2:roi0e", False), (b"2:ro1:1", False)):
        message = parse(PING.replace(b"1:t2", flag + b"1:t2"))
        assert isinstance(message, Query)
        assert message.read_only is expected


def test_families_that_are_wanted() -> None:
    datagram = b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234564:want%be1:q9:find_node1:t2:aa1:y1:qe"
    for want, families in (
        (b"l2:n42:n6e", (Family.V4, Family.V6)),
        (b"l2:n62:n4e", (Family.V4, Family.V6)),
        (b"l2:n62:n9i4e2:n6e", (Family.V6,)),
        (b"2:n6", ()),
        (b"le", ()),
    ):
        message = parse(datagram % want)
        assert isinstance(message, Query)
        assert message.body == (HASH, families)
