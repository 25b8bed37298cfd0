import time
from dataclasses import replace
from typing import Any

import bencodepy
import libtorrent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats import bencode
from formats.bencode import METAINFO, WIRE, BencodeError, Limits

PROPERTY = settings(derandomize=True, deadline=None, database=None)
BOTH = pytest.mark.parametrize("limits", [METAINFO, WIRE], ids=["strict", "wire"])

INTEGERS = st.integers(bencode.INT64_MIN + 1, bencode.INT64_MAX)  # libtorrent reads the least as 0
VALUES: st.SearchStrategy[Any] = st.recursive(
    INTEGERS | st.binary(max_size=120),
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.binary(max_size=12), inner, max_size=6)
    ),
    max_leaves=25,
)
DEEP_WIRE = replace(WIRE, depth=100)

BEP5_PING = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"
BEP5_PEERS = (
    b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re"
)
BEP9_DATA = b"d8:msg_typei1e5:piecei0e10:total_sizei34256ee"
BEP10_HANDSHAKE = b"d1:md11:LT_metadatai1e6:\xb5T_PEXi2ee1:pi6881e1:v13:\xc2\xb5Torrent 1.2e"


def refusal(data: bytes, limits: Limits) -> str:
    with pytest.raises(BencodeError) as caught:
        bencode.decode(data, limits)
    return str(caught.value)


# Values


@BOTH
@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"4:spam", b"spam"),
        (b"0:", b""),
        (b"9:123456789", b"123456789"),
        (b"10:1234567890", b"1234567890"),
        (b"i3e", 3),
        (b"i-3e", -3),
        (b"i0e", 0),
        (b"i9223372036854775807e", 2**63 - 1),
        (b"i-9223372036854775808e", -(2**63)),
        (b"l4:spam4:eggse", [b"spam", b"eggs"]),
        (b"d3:cow3:moo4:spam4:eggse", {b"cow": b"moo", b"spam": b"eggs"}),
        (b"d4:spaml1:a1:bee", {b"spam": [b"a", b"b"]}),
        (b"le", []),
        (b"de", {}),
        (b"ld0:leee", [{b"": []}]),
        (b"lli1eei2ei-2ee", [[1], 2, -2]),
    ],
)
def test_examples_of_bep_3(data: bytes, value: Any, limits: Limits) -> None:
    assert bencode.decode(data, limits) == value
    assert bencode.encode(value) == data


def test_messages_of_the_specifications() -> None:
    assert bencode.decode(BEP5_PING, WIRE) == {
        b"t": b"aa",
        b"y": b"q",
        b"q": b"ping",
        b"a": {b"id": b"abcdefghij0123456789"},
    }
    assert bencode.decode(BEP5_PEERS, WIRE) == {
        b"t": b"aa",
        b"y": b"r",
        b"r": {
            b"id": b"abcdefghij0123456789",
            b"token": b"aoeusnth",
            b"values": [b"axje.u", b"idhtnm"],
        },
    }
    assert bencode.decode(BEP10_HANDSHAKE, WIRE) == {
        b"m": {b"LT_metadata": 1, b"\xb5T_PEX": 2},
        b"p": 6881,
        b"v": "µTorrent 1.2".encode(),
    }


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer(kind: Any) -> None:
    data = kind(BEP5_PING)
    assert bencode.decode(data, WIRE) == bencode.decode(BEP5_PING, WIRE)
    assert type(bencode.decode(kind(b"1:a"), WIRE)) is bytes
    assert bencode.decode_prefix(kind(b"i1erest"), WIRE) == (1, 3)
    assert bencode.raw_value(kind(b"d1:ai7ee"), b"a") == b"i7e"


def test_values_do_not_alias_a_reused_buffer() -> None:
    buffer = bytearray(b"l4:spame")
    value = bencode.decode(memoryview(buffer), WIRE)
    buffer[:] = bytes(8)
    assert value == [b"spam"]


# Against two other implementations


@PROPERTY
@given(VALUES)
def test_equal_to_bencodepy_and_libtorrent_on_every_valid_input(value: Any) -> None:
    data = bencodepy.encode(value)
    assert bencode.encode(value) == data == libtorrent.bencode(value)
    assert bencode.decode(data, METAINFO) == value
    assert bencode.decode(data, DEEP_WIRE) == value
    assert bencodepy.decode(data) == value
    assert libtorrent.bdecode(data) == value


@PROPERTY
@given(VALUES, st.data())
def test_what_strict_accepts_is_canonical_and_others_read_it_alike(
    value: Any, draw: st.DataObject
) -> None:
    data = bytearray(bencodepy.encode(value))
    at = draw.draw(st.integers(0, len(data) - 1))
    data[at : at + draw.draw(st.integers(0, 2))] = draw.draw(
        st.sampled_from([b"", b"0", b"-", b"e", b"i", b"1:", b"2:", b"d", b"l", b"9", b"_", b"+"])
    )
    try:
        strict = bencode.decode(data, METAINFO)
    except BencodeError:
        pass
    else:
        assert bencode.encode(strict) == data
        assert bencode.decode(data, DEEP_WIRE) == strict
    try:
        wire = bencode.decode(data, DEEP_WIRE)
    except BencodeError:
        return
    assert libtorrent.bdecode(bytes(data)) is not None
    assert bencode.decode(bencode.encode(wire), METAINFO) == wire


@PROPERTY
@given(st.binary(max_size=60))
def test_g2_nothing_but_bencode_error_leaves(data: bytes) -> None:
    for limits in (METAINFO, WIRE):
        try:
            bencode.decode(data, limits)
            bencode.raw_value(data, b"info", limits)
        except BencodeError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 120


@PROPERTY
@given(VALUES)
def test_every_cut_is_refused(value: Any) -> None:
    data = bencodepy.encode(value)
    for end in range(len(data)):
        with pytest.raises(BencodeError):
            bencode.decode(data[:end], METAINFO)


# B1, B2: how much


@BOTH
@pytest.mark.parametrize(("opening", "closing"), [(b"l", b"e"), (b"d0:", b"e")])
def test_b1_depth(limits: Limits, opening: bytes, closing: bytes) -> None:
    deepest = opening * (limits.depth - 1) + b"le" + closing * (limits.depth - 1)
    bencode.decode(deepest, limits)
    inner = deepest[len(opening) : -1]
    assert bencode.raw_value(b"d1:a" + inner + b"e", b"a", limits) == inner
    assert refusal(opening + deepest + closing, limits) == (
        f"more than {limits.depth} containers inside one another"
    )
    with pytest.raises(BencodeError, match="inside one another"):
        bencode.raw_value(b"d1:a" + deepest + b"e", b"a", limits)


def test_b1_a_hundred_thousand_lists_need_no_stack() -> None:
    refusal(b"l" * 100_000 + b"e" * 100_000, METAINFO)
    deep = replace(METAINFO, depth=100_000)
    value = bencode.decode(b"l" * 100_000 + b"e" * 100_000, deep)
    for _ in range(99_999):
        assert type(value) is list
        value = value[0]
    assert value == []


def test_b2_tokens() -> None:
    limits = Limits(depth=2, tokens=10, size=100, strict=False)
    assert bencode.decode(b"l" + b"0:" * 8 + b"e", limits) == [b""] * 8
    assert refusal(b"l" + b"0:" * 9 + b"e", limits) == "more than 10 bencoded tokens"
    assert bencode.decode(b"d" + b"0:le" * 2 + b"e", limits) == {b"": []}
    assert refusal(b"d" + b"0:le" * 3 + b"e", limits) == "more than 10 bencoded tokens"


def test_b2_tokens_of_a_message_on_the_wire() -> None:
    bencode.decode(b"l" + b"i1e" * 1_998 + b"e", WIRE)
    assert refusal(b"l" + b"i1e" * 1_999 + b"e", WIRE) == "more than 2000 bencoded tokens"


@BOTH
def test_b2_size(limits: Limits) -> None:
    text = bytes(limits.size - len(b"%d:" % limits.size))
    data = b"%d:" % len(text) + text
    data += bytes(limits.size - len(data))
    assert len(data) == limits.size
    bencode.decode_prefix(data, limits)
    expected = f"{limits.size + 1} bytes of bencode, {limits.size} allowed"
    assert refusal(data + b"x", limits) == expected
    with pytest.raises(BencodeError, match="allowed"):
        bencode.raw_value(data + b"x", b"info", limits)


# B3: integers


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        b"", b"-", b"-0", b"00", b"007", b"-07", b"+5", b" 5", b"5 ", b"1_0", b"1.0", b"1e", b"0x1",
        b"--1", b"9223372036854775808", b"-9223372036854775809", b"9" * 19, b"1" + b"0" * 19,
        b"9" * 5_000, b"\xd9\xa1", b"\xb2", b"\n1", b"1\n", b"1\0",
    ],
)  # fmt: skip
def test_b3_integers(text: bytes, limits: Limits) -> None:
    refusal(b"i" + text + b"e", limits)
    refusal(b"li" + text + b"ee", limits)
    refusal(b"d1:ai" + text + b"ee", limits)
    with pytest.raises(BencodeError):
        bencode.raw_value(b"d1:ai" + text + b"ee", b"a", limits)


def test_b3_the_reason_is_named() -> None:
    assert refusal(b"i-0e", WIRE) == "not a bencoded integer: b'i-0e'"
    assert refusal(b"i9223372036854775808e", WIRE) == (
        "an integer exceeds 64 bits: 9223372036854775808"
    )


# B4: lengths


@BOTH
@pytest.mark.parametrize(
    "data",
    [
        b"2:a", b"1:", b"10:123456789", b"-1:a", b"-2:ab", b"00:", b"01:a", b"007:1234567", b"1_0:0123456789",
        b"+1:a", b" 1:a", b"1 :a", b"1e:a", b"18446744073709551616:a", b"99999999999999999999:a",
        b"4294967297:a", b":a", b"1;a", b"\xb21:a", b"1", b"12", b"1" * 50,
    ],
)  # fmt: skip
def test_b4_lengths(data: bytes, limits: Limits) -> None:
    refusal(data, limits)
    refusal(b"l" + data + b"e", limits)
    refusal(b"d" + data + b"i1ee", limits)  # as a key: bencodepy takes the negative ones
    refusal(b"d1:a" + data + b"e", limits)
    with pytest.raises(BencodeError):
        bencode.raw_value(b"d1:a" + data + b"e", b"a", limits)
    with pytest.raises(BencodeError):
        bencode.decode_prefix(data, limits)


def test_b4_a_million_digits_are_refused_at_once() -> None:
    data = b"9" * 1_000_000
    started = time.perf_counter()
    for limits in (METAINFO, WIRE):
        refusal(data, limits)
        refusal(b"i" + data, limits)
    assert time.perf_counter() - started < 0.25


# B5, B6: keys


def test_b5_keys_that_repeat() -> None:
    data = b"d1:ai1e1:bi2e1:ai3ee"
    assert refusal(data, METAINFO) == "a dictionary has a key twice"
    assert refusal(b"d1:ai1e1:ai1ee", METAINFO) == "a dictionary has a key twice"
    assert refusal(b"d4:info" + data + b"e", METAINFO) == "a dictionary has a key twice"
    assert bencode.decode(data, WIRE) == {b"a": 1, b"b": 2}
    assert bencode.raw_value(data, b"a", WIRE) == b"i1e"
    with pytest.raises(BencodeError, match="twice"):
        bencode.raw_value(data, b"a")


def test_b6_keys_out_of_order() -> None:
    data = b"d1:bi1e1:ai2ee"
    assert refusal(data, METAINFO) == "a dictionary's keys are not in order"
    assert refusal(b"l" + data + b"e", METAINFO) == "a dictionary's keys are not in order"
    assert bencode.decode(data, WIRE) == {b"b": 1, b"a": 2}
    assert bencode.raw_value(data, b"b", WIRE) == b"i1e"
    with pytest.raises(BencodeError, match="order"):
        bencode.raw_value(data, b"b")


def test_b6_order_is_that_of_raw_bytes() -> None:
    assert bencode.decode(b"d1:Bi1e1:ai2e2:aai3e1:\xffi4ee", METAINFO) == {
        b"B": 1, b"a": 2, b"aa": 3, b"\xff": 4,
    }  # fmt: skip
    refusal(b"d1:ai2e1:Bi1ee", METAINFO)


# B7, B8: the frame


@BOTH
@pytest.mark.parametrize("data", [b"i1e", b"1:a", b"le", b"de", b"d1:ai1ee"])
def test_b7_bytes_after_the_value(data: bytes, limits: Limits) -> None:
    assert refusal(data + b"xy", limits) == "bytes follow the bencoded value: 2"
    refusal(data + b"e", limits)
    refusal(data + data, limits)
    value, end = bencode.decode_prefix(data + b"xy", limits)
    assert (value, end) == (bencode.decode(data, limits), len(data))


def test_b7_a_piece_of_metadata_follows_its_dictionary() -> None:
    payload = b"xxxxxxxx"
    value, end = bencode.decode_prefix(BEP9_DATA + payload, WIRE)
    assert value == {b"msg_type": 1, b"piece": 0, b"total_size": 34256}
    assert (BEP9_DATA + payload)[end:] == payload
    with pytest.raises(BencodeError, match="bytes follow the bencoded value: 8"):
        bencode.raw_value(BEP9_DATA + payload, b"piece")


@BOTH
@pytest.mark.parametrize(
    "data",
    [
        b"", b"e", b"ee", b"l", b"d", b"d1:a", b"d1:ae", b"d1:ai1e1:be", b"di1ei2ee", b"dli1eei2ee",
        b"dde1:ae", b"d1:ai1ei2ei3ee", b"d1:ai1elei1ee", b"d1:ai1edei1ee", b"l1:a", b"lle", b"x", b"n", b"\0", b"\xff", b"lxe", b"d1:axe", b"ie", b"i", b"i1",
    ],
)  # fmt: skip
def test_b8_frames(data: bytes, limits: Limits) -> None:
    refusal(data, limits)
    with pytest.raises(BencodeError):
        bencode.raw_value(data, b"a", limits)


def test_b8_the_reason_is_named() -> None:
    assert refusal(b"d1:a", WIRE) == "the bencoded value is cut short"
    assert refusal(b"d1:ae", WIRE) == "a dictionary's last key has no value"
    assert refusal(b"di1ei2ee", WIRE) == "a dictionary's key is not a string"
    assert refusal(b"e", WIRE) == "no bencoded value starts with byte 101"


@pytest.mark.parametrize("data", [b"i1e", b"1:a", b"l1:ai1ee"])
def test_b8_the_top_must_be_a_dictionary(data: bytes) -> None:
    with pytest.raises(BencodeError, match="the bencoded value is not a dictionary"):
        bencode.decode_dict(data, WIRE)
    with pytest.raises(BencodeError, match="the bencoded value is not a dictionary"):
        bencode.raw_value(data, b"a", WIRE)
    assert bencode.decode_dict(b"d1:ai1ee", WIRE) == {b"a": 1}


# Raw values


def test_raw_value_is_the_original_slice() -> None:
    info = b"d6:lengthi5e4:name1:x12:piece lengthi16384e6:pieces20:" + bytes(20) + b"e"
    torrent = b"d8:announce3:url4:info" + info + b"5:nodeslee"
    assert bencode.raw_value(torrent, b"info") == info
    assert bencode.raw_value(torrent, b"announce") == b"3:url"
    assert bencode.raw_value(torrent, b"nodes") == b"le"


def test_raw_value_keeps_what_encoding_again_would_change() -> None:
    info = b"d1:bi1e1:ai2ee"
    assert bencode.raw_value(b"d4:info" + info + b"e", b"info", WIRE) == info


def test_raw_value_looks_at_the_top_only() -> None:
    with pytest.raises(BencodeError, match="the dictionary has no key b'info'"):
        bencode.raw_value(b"d1:ad4:infoi1eee", b"info")


def test_raw_value_validates_what_follows() -> None:
    for tail in (b"", b"1:z", b"1:ai2ee", b"1:zi01ee", b"i1ei2ee", b"ee"):
        with pytest.raises(BencodeError):
            bencode.raw_value(b"d4:infode" + tail, b"info")


@PROPERTY
@given(st.dictionaries(st.binary(max_size=8), VALUES, max_size=6))
def test_raw_values_are_the_values(values: dict[bytes, Any]) -> None:
    data = bencodepy.encode(values)
    for key, value in values.items():
        assert bencode.raw_value(data, key) == bencodepy.encode(value)


# B9: typed getters

SOURCE: dict[bytes, bencode.Value] = {
    b"int": 80,
    b"text": b"80",
    b"list": [1],
    b"dict": {b"a": 1},
    b"\xff": b"\xff\xfea",
}


@pytest.mark.parametrize("key", [b"int", b"text", b"list", b"dict", b"absent"])
def test_b9_each_getter_knows_its_type_alone(key: bytes) -> None:
    assert bencode.get_int(SOURCE, key) == (80 if key == b"int" else None)
    assert bencode.get_bytes(SOURCE, key) == (b"80" if key == b"text" else None)
    assert bencode.get_text(SOURCE, key, at_most=9) == ("80" if key == b"text" else None)
    assert bencode.get_list(SOURCE, key) == ([1] if key == b"list" else None)
    assert bencode.get_dict(SOURCE, key) == ({b"a": 1} if key == b"dict" else None)


def test_b9_ranges_and_sizes() -> None:
    assert bencode.get_int(SOURCE, b"int", minimum=80, maximum=80) == 80
    assert bencode.get_int(SOURCE, b"int", minimum=81) is None
    assert bencode.get_int(SOURCE, b"int", maximum=79) is None
    assert bencode.get_bytes(SOURCE, b"text", size=2, at_most=2) == b"80"
    assert bencode.get_bytes(SOURCE, b"text", size=3) is None
    assert bencode.get_bytes(SOURCE, b"text", at_most=1) is None


def test_b9_text_is_cut_and_never_fails() -> None:
    assert bencode.get_text(SOURCE, b"\xff", at_most=9) == "\ufffd\ufffda"
    assert bencode.get_text({b"v": "µTorrent".encode() * 1000}, b"v", at_most=4) == "µTor"
    assert bencode.get_text({b"v": "𝄞".encode() * 9}, b"v", at_most=3) == "𝄞𝄞𝄞"
    assert bencode.get_text({b"v": b""}, b"v", at_most=3) == ""


# Encoding


def test_encode_sorts_keys_by_their_bytes() -> None:
    assert bencode.encode({b"b": 1, b"\xff": 2, b"a": (3, b"x"), b"": {}, b"B": []}) == (
        b"d0:de1:Ble1:ali3e1:xe1:bi1e1:\xffi2ee"
    )


@pytest.mark.parametrize(
    "value",
    [True, None, 1.5, "text", bytearray(b"a"), memoryview(b"a"), {1}, {"a": 1}, {1: 1}, {b"a": 1, "a": 2}],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_encode_refuses_other_types(value: Any) -> None:
    for wrapped in (value, [value], (value,), {b"a": value}, [{b"a": [value]}]):
        with pytest.raises(TypeError):
            bencode.encode(wrapped)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**5_000], ids=["+", "-", "huge"])
def test_encode_refuses_integers_that_no_decoder_reads(number: int) -> None:
    with pytest.raises(OverflowError):
        bencode.encode([number])


def test_encode_does_not_change_the_package_for_others() -> None:
    assert bencodepy.encode({"a": True}) == b"d1:ai1ee"
