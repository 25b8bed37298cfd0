import pytest

from formats import bencode
from formats.bencode import Value
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash
from tracker.announce import DEFAULT_INTERVAL, SwarmCounts
from tracker.errors import NEVER, TrackerError, TrackerFailure
from tracker.reply import parse_response, parse_swarms


def reply(fields: dict[bytes, Value]) -> bytes:
    return bencode.encode(fields)


def test_the_example_of_bep_7() -> None:
    response = parse_response(
        b"d8:intervali1800e5:peers6:\1\2\3\4\x1a\xe16:peers618:"
        + b"\x20\x01"
        + bytes(13)
        + b"\1\0\x50e"
    )
    assert response.interval == 1800
    assert response.peers == (Endpoint("1.2.3.4", 6881), Endpoint("2001::1", 80))


def test_peers_as_dictionaries_of_bep_3() -> None:
    response = parse_response(
        b"d8:intervali900e5:peersld2:ip7:1.2.3.47:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881ee"
        b"d2:ip11:2001:db8::17:peer id20:bbbbbbbbbbbbbbbbbbbb4:porti6882eeee"
    )
    assert response.peers == (Endpoint("1.2.3.4", 6881), Endpoint("2001:db8::1", 6882))


def test_every_field() -> None:
    response = parse_response(
        reply(
            {
                b"interval": 1800, b"min interval": 60, b"complete": 5, b"incomplete": 6,
                b"external ip": b"\x05\6\7\x08", b"warning message": b"soon\x1b[31m gone",
                b"tracker id": b"abc", b"peers": b"",
            }
        )
    )  # fmt: skip
    assert (response.min_interval, response.complete, response.incomplete) == (60, 5, 6)
    assert response.external_ip == "5.6.7.8"
    assert response.warning == "soon\\x1b[31m gone"
    assert response.tracker_id == b"abc"


@pytest.mark.parametrize("interval", [0, 1, -1, 2**63 - 1])
def test_c5_intervals_come_as_numbers_and_nothing_else(interval: int) -> None:
    assert parse_response(reply({b"interval": interval})).interval == interval


@pytest.mark.parametrize("wrong", [b"1800", [], {}])
def test_c5_an_interval_of_another_type_is_absent(wrong: Value) -> None:
    response = parse_response(reply({b"interval": wrong, b"min interval": wrong}))
    assert (response.interval, response.min_interval) == (DEFAULT_INTERVAL, None)


@pytest.mark.parametrize(
    ("retry", "minutes"),
    [
        (5, 5),
        (b"5", 5),
        (b"never", NEVER),
        (0, None),
        (-3, None),
        (b"soon", None),
        (b"9" * 99, None),
    ],
)
def test_c5_retry_in(retry: Value, minutes: float | None) -> None:
    with pytest.raises(TrackerFailure) as failure:
        parse_response(reply({b"failure reason": b"Overloaded", b"retry in": retry}))
    assert failure.value.retry_in == minutes
    assert str(failure.value) == "the tracker refused: Overloaded"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not a tracker reply"),
        (b"<!DOCTYPE html><html>", r"not a tracker reply \(HTML\)"),
        (b"\n <html>", r"not a tracker reply \(HTML\)"),
        (b"de trailing", "not a tracker reply"),
        (b"l" * 1000, "not a tracker reply"),
        (b"i5e", "not a tracker reply"),
        (b"d5:peers", "not a tracker reply"),
    ],
)
def test_c6_garbage_is_named(body: bytes, sentence: str) -> None:
    with pytest.raises(TrackerError, match=sentence):
        parse_response(body)


def test_c6_at_most_200_peers_are_kept_of_a_hundred_thousand() -> None:
    many = b"".join(number.to_bytes(4, "big") + b"\x1a\xe1" for number in range(1, 100_001))
    peers = parse_response(reply({b"peers": many})).peers
    assert len(peers) == 200
    assert peers[0] == Endpoint("0.0.0.1", 6881)


def test_c6_a_million_tokens_are_refused() -> None:
    many: list[Value] = [{b"ip": b"1.2.3.4", b"port": 1}] * 3000
    with pytest.raises(TrackerError, match="tokens"):
        parse_response(reply({b"peers": many}))


@pytest.mark.parametrize(
    "entry",
    [
        {b"ip": b"tracker.example", b"port": 80},
        {b"ip": b"127.1", b"port": 80},
        {b"ip": b"1.2.3.4", b"port": 0},
        {b"ip": b"1.2.3.4", b"port": 65536},
        {b"ip": b"1.2.3.4", b"port": b"80"},
        {b"ip": b"1.2.3.4\xff", b"port": 80},
        {b"port": 80},
        b"1.2.3.4:80",
        [],
    ],
)
def test_c6_host_names_and_malformed_entries_are_dropped_alone(entry: Value) -> None:
    body = reply({b"peers": [entry, {b"ip": b"::ffff:9.9.9.9", b"port": 9}]})
    assert parse_response(body).peers == (Endpoint("9.9.9.9", 9),)


def test_c6_a_missized_list_is_ignored_and_the_other_counts() -> None:
    four, six = b"\1\2\3\4\0\1", bytes(15) + b"\2\0\2"
    assert parse_response(reply({b"peers": four + b"x", b"peers6": six})).peers == (
        Endpoint("::2", 2),
    )
    assert parse_response(reply({b"peers": four, b"peers6": six[1:]})).peers == (
        Endpoint("1.2.3.4", 1),
    )


def test_c6_failure_texts_are_escaped_and_cut() -> None:
    with pytest.raises(TrackerFailure) as failure:
        parse_response(reply({b"failure reason": b"\xff\x1b]0;x\x07\xe2\x80\xae" + b"a" * 5000}))
    assert failure.value.reason.startswith("\ufffd\\x1b]0;x\\x07\\u202ea")
    assert len(failure.value.reason) == 200
    with pytest.raises(TrackerFailure, match="no reason given"):
        parse_response(reply({b"failure reason": []}))


def test_c6_an_external_ip_of_another_size_is_ignored() -> None:
    assert parse_response(reply({b"external ip": b"12345"})).external_ip is None
    assert parse_response(reply({b"external ip": bytes(15) + b"\1"})).external_ip == "::1"


def test_the_example_of_bep_48() -> None:
    assert parse_swarms(
        b"d5:filesd20:xxxxxxxxxxxxxxxxxxxxd8:completei11e10:downloadedi13772e10:incompletei19ee"
        b"20:yyyyyyyyyyyyyyyyyyyyd8:completei21e10:downloadedi206e10:incompletei20eeee"
    ) == {
        InfoHash(b"x" * 20): SwarmCounts(11, 19, 13772),
        InfoHash(b"y" * 20): SwarmCounts(21, 20, 206),
    }


def test_malformed_scrape_entries_are_left_out() -> None:
    files: dict[bytes, Value] = {b"short": {}, b"l" * 20: [], b"x" * 20: {b"complete": -1}}
    assert parse_swarms(reply({b"files": files})) == {InfoHash(b"x" * 20): SwarmCounts(0, 0, 0)}
