import pytest

from formats.identifiers import InfoHash, PeerId
from tracker.announce import (
    UNKNOWN_LEFT,
    AnnounceRequest,
    Event,
    SwarmCounts,
    encode_announce,
    encode_failure,
    encode_peers,
    encode_scrape,
    encode_swarms,
    parse_announce,
    parse_scrape,
)
from tracker.errors import NEVER, TrackerFailure

HASH = InfoHash(bytes(range(120, 140)))
PEER = PeerId(b"-ES0100-abcdefghijkl")

LIBTORRENT = (
    b"info_hash=%2c%6b%68%58%d6%1d%a9T%3dB1%a7%1d%b4%b1%c9%26K%06%85&peer_id=-LT2100-RL!x8%7e%29DR0b6"
    b"&port=6881&uploaded=0&downloaded=0&left=16384&corrupt=0&key=5A1B2C3D&event=started&numwant=200"
    b"&compact=1&no_peer_id=1&supportcrypto=1&redundant=0"
)
"""As libtorrent sends it."""


def query(**changes: str | None) -> bytes:
    """A good announce with some fields replaced, or left out if None."""
    fields: dict[str, str | None] = {
        "info_hash": "h" * 20, "peer_id": "p" * 20, "port": "6881", "uploaded": "0",
        "downloaded": "0", "left": "0", "compact": "1",
    }  # fmt: skip
    fields.update(changes)
    return "&".join(
        f"{name}={value}" for name, value in fields.items() if value is not None
    ).encode()


def test_libtorrents_announce_is_read() -> None:
    request = parse_announce(LIBTORRENT)
    assert request.info_hash.hex() == "2c6b6858d61da9543d4231a71db4b1c9264b0685"
    assert request.peer_id == b"-LT2100-RL!x8~)DR0b6"
    assert (request.port, request.left, request.event) == (6881, 16384, Event.STARTED)
    assert request.numwant == 200


def test_the_example_of_bep_23_is_read() -> None:
    request = parse_announce(
        b"peer_id=aaaaaaaaaaaaaaaaaaaa&info_hash=aaaaaaaaaaaaaaaaaaaa"
        b"&port=6881&left=0&downloaded=100&uploaded=0&compact=1"
    )
    assert request == (b"a" * 20, b"a" * 20, 6881, 0, 100, 0, Event.NONE, *request[7:])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"info_hash": None}, "info_hash is missing"),
        ({"info_hash": ""}, "info_hash must be given once, 20 bytes"),
        ({"info_hash": "h" * 19}, "info_hash must be given once, 20 bytes"),
        ({"info_hash": "h" * 40}, "info_hash must be given once, 20 bytes"),
        ({"info_hash": "%zz" + "h" * 17}, "bad percent-encoding"),
        (
            {"info_hash": "h" * 20 + "&info_hash=" + "i" * 20},
            "info_hash must be given once, 20 bytes",
        ),
        ({"peer_id": None}, "peer_id is missing"),
        ({"peer_id": "p" * 21}, "peer_id must be 20 bytes"),
        ({"port": None}, "port is missing"),
        ({"port": "0"}, "port must be from 1 to 65535"),
        ({"port": "65536"}, "port must be from 1 to 65535"),
        ({"port": "-1"}, "port must be from 1 to 65535"),
        ({"port": "68x"}, "port must be from 1 to 65535"),
        ({"port": "9" * 30}, "port must be from 1 to 65535"),
        ({"left": "-1"}, "bad left"),
        ({"left": "18446744073709551616"}, "bad left"),
        ({"uploaded": "1e9"}, "bad uploaded"),
        ({"downloaded": "0x10"}, "bad downloaded"),
        ({"event": "exploded"}, "unknown event"),
        ({"event": "started%00"}, "unknown event"),
        ({"numwant": "many"}, "bad numwant"),
    ],
)
def test_k3_a_bad_announce_is_refused_with_a_short_reason(
    changes: dict[str, str | None], reason: str
) -> None:
    with pytest.raises(TrackerFailure) as refusal:
        parse_announce(query(**changes))
    assert refusal.value.reason == reason
    assert len(encode_failure(refusal.value)) < 100


@pytest.mark.parametrize(
    ("text", "event"),
    [("", ""), ("empty", ""), ("paused", ""), ("started", "started"), ("completed", "completed"), ("stopped", "stopped")],
)  # fmt: skip
def test_events_of_bep_3_and_21(text: str, event: str) -> None:
    assert parse_announce(query(event=text)).event == event


@pytest.mark.parametrize(
    ("text", "numwant"), [(None, 50), ("-1", 50), ("-5", 50), ("0", 0), ("1000000", 10**6)]
)
def test_k6_numwant_is_read_and_minus_one_means_the_default(text: str | None, numwant: int) -> None:
    assert parse_announce(query(numwant=text)).numwant == numwant


def test_a_peer_that_does_not_tell_what_is_left_is_a_leech() -> None:
    assert parse_announce(query(left=None)).left == UNKNOWN_LEFT > 0


def test_what_the_client_writes_the_server_reads() -> None:
    request = AnnounceRequest(
        HASH, PEER, 51413, uploaded=1, downloaded=2, left=3, event=Event.COMPLETED, key=0xABC,
        numwant=77, ipv6="2001:db8::1", tracker_id=b"a&b=c",
    )  # fmt: skip
    text = encode_announce(request)
    assert text == (
        "info_hash=xyz%7B%7C%7D~%7F%80%81%82%83%84%85%86%87%88%89%8A%8B&peer_id=-ES0100-abcdefghijkl"
        "&port=51413&uploaded=1&downloaded=2&left=3&compact=1&no_peer_id=1&numwant=77"
        "&event=completed&key=00000abc&trackerid=a%26b%3Dc&ipv6=2001%3Adb8%3A%3A1"
    )
    assert parse_announce(text.encode()) == request._replace(key=None, tracker_id=None)


def test_the_reply_to_an_announce_is_canonical_bencode() -> None:
    counts = SwarmCounts(complete=1, incomplete=2, downloaded=3)
    reply = encode_peers(
        counts,
        interval=1800,
        min_interval=300,
        external_ip=b"\1\2\3\4",
        peers4=b"iiiipp",
        peers6=b"",
    )
    assert reply == (
        b"d8:completei1e10:downloadedi3e11:external ip4:\1\2\3\4" b"10:incompletei2e8:intervali1800e"
        b"12:min intervali300e5:peers6:iiiippe"
    )  # fmt: skip
    both = encode_peers(
        counts,
        interval=1,
        min_interval=1,
        external_ip=bytes(16),
        peers4=b"",
        peers6=b"i" * 16 + b"pp",
    )
    assert both.endswith(b"5:peers0:6:peers618:iiiiiiiiiiiiiiiippe")  # the example of BEP 7


def test_failures_carry_retry_in() -> None:
    assert encode_failure(TrackerFailure("no")) == b"d14:failure reason2:noe"
    assert (
        encode_failure(TrackerFailure("Overloaded", retry_in=5))
        == b"d14:failure reason10:Overloaded8:retry ini5ee"
    )
    assert (
        encode_failure(TrackerFailure("Not a tracker", retry_in=NEVER))
        == b"d14:failure reason13:Not a tracker8:retry in5:nevere"
    )


def test_the_example_of_bep_48_is_written() -> None:
    assert encode_swarms(
        {
            InfoHash(b"y" * 20): SwarmCounts(21, 20, 206),
            InfoHash(b"x" * 20): SwarmCounts(11, 19, 13772),
        }
    ) == (
        b"d5:filesd20:xxxxxxxxxxxxxxxxxxxxd8:completei11e10:downloadedi13772e10:incompletei19e"
        b"e20:yyyyyyyyyyyyyyyyyyyyd8:completei21e10:downloadedi206e10:incompletei20eeee"
    )


def test_k8_a_scrape_names_one_to_fifty_torrents() -> None:
    assert parse_scrape(encode_scrape([HASH, PEER_HASH, HASH]).encode()) == [HASH, PEER_HASH]
    with pytest.raises(TrackerFailure, match="needs info_hash") as refusal:
        parse_scrape(b"")
    assert refusal.value.retry_in == NEVER
    many = [InfoHash(number.to_bytes(20, "big")) for number in range(51)]
    assert len(parse_scrape(encode_scrape(many[:50]).encode())) == 50
    with pytest.raises(TrackerFailure, match="50"):
        parse_scrape(encode_scrape(many).encode())
    with pytest.raises(TrackerFailure, match="20 bytes"):
        parse_scrape(b"info_hash=short")


PEER_HASH = InfoHash(b"p" * 20)
