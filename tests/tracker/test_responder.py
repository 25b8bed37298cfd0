import json
import random

import pytest

from formats import bencode
from tracker.responder import Responder, packed_address
from tracker.swarm import Swarms

CLIENT = b"\x05\x06\x07\x08"


def responder() -> Responder:
    return Responder(Swarms(rng=random.Random(1)))


def announce(number: int, extra: str = "") -> bytes:
    return (
        f"/announce?info_hash={'h' * 20}&peer_id={number:020}&port={number}&left=1{extra}".encode()
    )


def ask(
    tracker: Responder, target: bytes, ip: bytes = CLIENT, **options: bool
) -> dict[bytes, bencode.Value]:
    reply = tracker.respond(target, ip, now=0.0, **options)
    assert reply is not None
    return bencode.decode_dict(reply[1], bencode.METAINFO)


def test_the_external_address_is_told() -> None:
    assert ask(responder(), announce(1))[b"external ip"] == CLIENT


def test_k4_an_address_in_the_query_is_ignored() -> None:
    tracker = responder()
    ask(tracker, announce(1, "&ip=9.9.9.9&ipv4=9.9.9.8&ipv6=2001::1"))
    assert ask(tracker, announce(2), ip=b"\1\1\1\1")[b"peers"] == CLIENT + b"\0\1"


@pytest.mark.parametrize(
    ("claim", "believed"),
    [("9.9.9.9", b"\t\t\t\t"), ("%3A%3Affff%3A9.9.9.9", b"\t\t\t\t"), ("victim.example", CLIENT)],
)
def test_k4_k12_a_trusted_proxys_claim_counts_if_it_is_an_address(
    claim: str, believed: bytes
) -> None:
    reply = ask(responder(), announce(1, f"&ip={claim}"), trusted=True)
    assert reply[b"external ip"] == believed


def test_k8_there_is_no_full_scrape() -> None:
    reply = ask(responder(), b"/scrape")
    assert reply == {b"failure reason": b"a scrape needs info_hash", b"retry in": b"never"}


def test_a_scrape_counts_the_swarm_and_zeros_for_an_unknown_one() -> None:
    tracker = responder()
    ask(tracker, announce(1))
    reply = ask(tracker, f"/scrape?info_hash={'h' * 20}&info_hash={'u' * 20}".encode())
    assert reply[b"files"] == {
        b"h" * 20: {b"complete": 0, b"downloaded": 0, b"incomplete": 1},
        b"u" * 20: {b"complete": 0, b"downloaded": 0, b"incomplete": 0},
    }


def test_k13_pages_show_aggregates_only() -> None:
    tracker = responder()
    ask(tracker, announce(77))
    ask(tracker, b"/announce")
    front = tracker.respond(b"/", CLIENT, now=0)
    stats = tracker.respond(b"/stats", CLIENT, now=0)
    assert front is not None
    assert stats is not None
    assert b"1 torrents, 1 peers, 0 seeds" in front[1]
    assert json.loads(stats[1]) == {
        "torrents": 1, "peers": 1, "seeds": 0, "announces": 1, "scrapes": 0, "failures": 1,
    }  # fmt: skip
    for page in front[1], stats[1]:
        assert b"5.6.7.8" not in page
        assert b"hhh" not in page


def test_k3_a_refusal_is_counted_and_nothing_is_stored() -> None:
    tracker = responder()
    ask(tracker, b"/announce?info_hash=short&peer_id=x&port=1")
    assert tracker.rejected == {"info_hash must be given once, 20 bytes": 1}
    assert (len(tracker.swarms), tracker.swarms.peers) == (0, 0)


@pytest.mark.parametrize("target", [b"/announce/x", b"/favicon.ico", b"//", b"/stats/"])
def test_other_pages_do_not_exist(target: bytes) -> None:
    assert responder().respond(target, CLIENT, now=0) is None


def test_k12_mapped_addresses_are_ipv4() -> None:
    assert packed_address("::ffff:1.2.3.4") == packed_address("1.2.3.4") == b"\1\2\3\4"
    assert len(packed_address("2001:db8::1")) == 16
