"""The arguments of queries: refused with the right error, or read."""

import pytest

from dht.item import ImmutableItem, MutableItem
from dht.krpc_messages import (
    AnnouncePeer,
    Body,
    ErrorCode,
    Get,
    GetPeers,
    KrpcError,
    Ping,
    Put,
    SampleInfohashes,
    Unknown,
)
from dht.krpc_query_reader import Arguments, read_query
from formats import bencode
from formats.bencode import Value
from formats.identifiers import InfoHash

ID, HASH = b"i" * 20, InfoHash(b"h" * 20)
MUTABLE: Arguments = {
    b"token": b"t", b"v": b"x", b"k": bytes(32), b"sig": bytes(64), b"seq": 4, b"salt": b"s",
}  # fmt: skip


def read(method: bytes, arguments: Arguments) -> Body:
    message: dict[bytes, Value] = {
        b"a": {b"id": ID, **arguments}, b"q": method, b"t": b"aa", b"y": b"q",
    }  # fmt: skip
    return read_query(b"aa", message, bencode.encode(message)).body


def code(method: bytes, arguments: Arguments) -> ErrorCode:
    with pytest.raises(KrpcError) as caught:
        read(method, arguments)
    return caught.value.code


@pytest.mark.parametrize(
    ("method", "key"),
    [
        (b"find_node", b"target"),
        (b"get_peers", b"info_hash"),
        (b"announce_peer", b"info_hash"),
        (b"get", b"target"),
        (b"sample_infohashes", b"target"),
    ],
)
@pytest.mark.parametrize("value", [None, b"", bytes(19), bytes(21), 5, [HASH]])
def test_d2_a_target_that_is_not_20_bytes_is_error_203(
    method: bytes, key: bytes, value: Value | None
) -> None:
    arguments: Arguments = {b"port": 1, b"token": b"t"}
    if value is not None:
        arguments[key] = value
    assert code(method, arguments) is ErrorCode.PROTOCOL


@pytest.mark.parametrize("port", [None, 0, -1, 65536, b"6881", 2**40])
def test_d2_a_port_that_is_none_is_error_203_unless_it_is_implied(port: Value | None) -> None:
    arguments: Arguments = {b"info_hash": HASH, b"token": b"t"}
    if port is not None:
        arguments[b"port"] = port
    assert code(b"announce_peer", arguments) is ErrorCode.PROTOCOL
    assert code(b"announce_peer", {**arguments, b"implied_port": 0}) is ErrorCode.PROTOCOL
    assert code(b"announce_peer", {**arguments, b"implied_port": b"1"}) is ErrorCode.PROTOCOL
    implied = read(b"announce_peer", {**arguments, b"implied_port": 1})
    assert implied == AnnouncePeer(HASH, 0, b"t", implied_port=True)


@pytest.mark.parametrize("token", [None, 5, bytes(65)])
def test_d4_without_a_token_nobody_writes(token: Value | None) -> None:
    arguments: Arguments = {b"info_hash": HASH, b"port": 1, b"v": b"x"}
    if token is not None:
        arguments[b"token"] = token
    assert code(b"announce_peer", arguments) is ErrorCode.PROTOCOL
    assert code(b"put", arguments) is ErrorCode.PROTOCOL


def test_options() -> None:
    assert read(b"ping", {}) == Ping()
    body = read(b"get_peers", {b"info_hash": HASH, b"scrape": 1, b"noseed": 1})
    assert isinstance(body, GetPeers)
    assert (body.noseed, body.scrape) == (True, True)
    body = read(b"get_peers", {b"info_hash": HASH, b"scrape": 2, b"noseed": b"1", b"want": 4})
    assert body == GetPeers(HASH)
    body = read(b"announce_peer", {b"info_hash": HASH, b"port": 65535, b"token": b"", b"seed": 1})
    assert isinstance(body, AnnouncePeer)
    assert (body.port, body.seed, body.implied_port) == (65535, True, False)
    assert read(b"get", {b"target": HASH, b"seq": 7}) == Get(HASH, 7)
    assert read(b"get", {b"target": HASH, b"seq": -7}) == Get(HASH)
    assert read(b"sample_infohashes", {b"target": HASH}) == SampleInfohashes(HASH)


def test_an_unknown_method_keeps_its_target() -> None:
    assert read(b"vote", {b"target": HASH}) == Unknown(b"vote", HASH)
    assert read(b"vote", {b"info_hash": HASH}) == Unknown(b"vote", HASH)
    assert read(b"vote", {b"target": b"short"}) == Unknown(b"vote")
    assert read(b"x" * 500, {}) == Unknown(b"x" * 32)


def test_values_of_every_type_are_kept_as_their_bytes() -> None:
    for value, raw in ((b"x", b"1:x"), (5, b"i5e"), ([], b"le"), ({b"a": [1]}, b"d1:ali1eee")):
        body = read(b"put", {b"token": b"t", b"v": value})
        assert body == Put(ImmutableItem(raw), b"t")
    body = read(b"put", {**MUTABLE, b"cas": 3})
    assert body == Put(MutableItem(b"1:x", bytes(32), bytes(64), 4, b"s"), b"t", 3)


def test_d10_a_value_of_a_thousand_bytes_is_stored_and_a_byte_more_is_error_205() -> None:
    fits = read(b"put", {b"token": b"t", b"v": bytes(996)})
    assert isinstance(fits, Put)
    assert len(fits.item.value) == 1000
    assert code(b"put", {b"token": b"t", b"v": bytes(997)}) is ErrorCode.VALUE_TOO_BIG
    assert code(b"put", {**MUTABLE, b"v": bytes(997)}) is ErrorCode.VALUE_TOO_BIG


def test_d10_a_salt_of_64_bytes_is_stored_and_a_byte_more_is_error_207() -> None:
    fits = read(b"put", {**MUTABLE, b"salt": bytes(64)})
    assert isinstance(fits, Put) and isinstance(fits.item, MutableItem)
    assert fits.item.salt == bytes(64)
    assert code(b"put", {**MUTABLE, b"salt": bytes(65)}) is ErrorCode.SALT_TOO_BIG
    assert code(b"put", {**MUTABLE, b"salt": 5}) is ErrorCode.PROTOCOL


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"k", bytes(31)), (b"k", 5), (b"sig", bytes(65)), (b"sig", None), (b"seq", None),
        (b"seq", -1), (b"seq", b"4"), (b"v", None),
    ],
)  # fmt: skip
def test_d10_half_a_mutable_item_is_error_203(key: bytes, value: Value | None) -> None:
    arguments = {name: part for name, part in MUTABLE.items() if name != key}
    if value is not None:
        arguments[key] = value
    assert code(b"put", arguments) is ErrorCode.PROTOCOL


@pytest.mark.parametrize("value", [b"d1:bi1e1:ai2ee", b"d1:ai1e1:ai2ee", b"ld1:b0:1:a0:ee"])
def test_a_value_that_is_not_canonical_is_error_203(value: bytes) -> None:
    data = b"d1:ad2:id20:%b5:token1:t1:v%be1:q3:put1:t2:aa1:y1:qe" % (ID, value)
    message = bencode.decode_dict(data, bencode.WIRE)
    with pytest.raises(KrpcError, match="canonical") as caught:
        read_query(b"aa", message, data)
    assert caught.value.code is ErrorCode.PROTOCOL
