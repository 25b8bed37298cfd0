import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.identifiers import InfoHash, PeerId
from tracker import udp_message
from tracker.announce import AnnounceRequest, Event
from tracker.source_budget import BudgetLimits
from tracker.swarm import SwarmLimits, Swarms
from tracker.udp_responder import UdpResponder

HERE, THERE = b"\1\2\3\4", b"\1\2\3\5"
HERE6 = bytes.fromhex("2600") + bytes(13) + b"\1"
HASH = InfoHash(b"\xaa" * 20)
REQUEST = AnnounceRequest(HASH, PeerId(b"-ES0100-abcdefghijkl"), 6881, left=5, event=Event.STARTED)
CONNECT = bytes.fromhex("00000417 27101980 00000000 00000007")


def tracker(limits: BudgetLimits | None = None, **swarm_limits: int) -> UdpResponder:
    swarms = Swarms(rng=random.Random(1), limits=SwarmLimits(**swarm_limits))
    return UdpResponder(swarms, rng=random.Random(2), limits=limits)


def connected(responder: UdpResponder, ip: bytes = HERE, now: float = 0.0) -> int:
    reply = responder.respond(CONNECT, ip, now)
    assert reply is not None
    return udp_message.parse_connection_id(reply)


def announced(
    responder: UdpResponder, request: AnnounceRequest = REQUEST, ip: bytes = HERE, now: float = 0.0
) -> bytes:
    packet = udp_message.announce_request(connected(responder, ip, now), 9, request)
    reply = responder.respond(packet, ip, now)
    assert reply is not None
    return reply


def test_k9_16_bytes_are_answered_with_16() -> None:
    responder = tracker()
    reply = responder.respond(CONNECT, HERE, 0.0)
    assert reply is not None
    assert reply[:8] == bytes.fromhex("00000000 00000007")
    assert len(reply) == len(CONNECT) == 16
    assert responder.respond(CONNECT + bytes(1000), HERE, 0.0) == reply
    assert len(responder.swarms) == 0


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "a request that is too short"),
        (CONNECT[:15], "a request that is too short"),
        (bytes(8) + CONNECT[8:], "a connect of another protocol"),
        (bytes(8) + b"\0\0\0\1" + bytes(86), "a connection ID that does not count"),
        (bytes(8) + b"\0\0\0\1", "a request that is too short"),
        (CONNECT[:8] + b"\0\0\0\1" + bytes(86), "a connection ID that does not count"),
        (CONNECT[:8] + b"\0\0\0\2" + bytes(24), "a connection ID that does not count"),
        (CONNECT[:8] + b"\xff\xff\xff\xff" + bytes(4), "a connection ID that does not count"),
    ],
)
def test_k9_what_is_wrong_is_dropped_without_a_word(packet: bytes, reason: str) -> None:
    responder = tracker()
    assert responder.respond(packet, HERE, 0.0) is None
    assert responder.rejected == {reason: 1}


def test_k9_also_from_those_who_are_connected() -> None:
    responder = tracker()
    head = connected(responder).to_bytes(8, "big")
    short = head + b"\0\0\0\1" + bytes(85)
    assert responder.respond(short, HERE, 0.0) is None
    assert responder.respond(head + b"\0\0\0\4" + bytes(86), HERE, 0.0) is None
    assert responder.rejected == {"an announce that is too short": 1, "an unknown action": 1}


def test_k9_a_connection_id_is_of_one_address_for_some_minutes() -> None:
    responder = tracker()
    packet = udp_message.announce_request(connected(responder), 9, REQUEST)
    assert responder.respond(packet, THERE, 0.0) is None
    assert responder.respond(packet, HERE, 239.9) is not None
    assert responder.respond(packet, HERE, 240.0) is None
    assert responder.rejected == {"a connection ID that does not count": 2}
    assert responder.swarms.peers == 1


def test_k9_a_flood_from_one_network_is_dropped_unread() -> None:
    responder = tracker(BudgetLimits(rate=1.0, burst=5))
    replies = [responder.respond(CONNECT, HERE, 0.0) for _ in range(20)]
    assert sum(reply is not None for reply in replies) == 5
    assert responder.rejected == {"source over budget": 15}
    assert responder.respond(CONNECT, THERE, 0.0) is not None
    assert responder.respond(CONNECT, HERE, 1.0) is not None


def test_peers_are_named_to_each_other() -> None:
    responder = tracker()
    first = announced(responder)
    assert first[:8] == b"\0\0\0\1\0\0\0\x09"
    assert 1800 <= int.from_bytes(first[8:12], "big") <= 1980
    assert first[12:] == b"\0\0\0\1\0\0\0\0"  # leechers, seeders
    second = announced(responder, REQUEST._replace(port=1, left=0), THERE)
    assert second[12:] == b"\0\0\0\1\0\0\0\1" + HERE + b"\x1a\xe1"


def test_each_family_is_named_its_own() -> None:
    responder = tracker()
    announced(responder)
    other6 = HERE6[:-1] + b"\2"
    announced(responder, REQUEST._replace(peer_id=PeerId(b"6" * 20)), other6)
    reply = announced(responder, REQUEST._replace(peer_id=PeerId(b"7" * 20)), HERE6)
    assert reply[12:] == b"\0\0\0\3\0\0\0\0" + other6 + b"\x1a\xe1"
    reply = announced(responder, REQUEST._replace(peer_id=PeerId(b"8" * 20)), THERE)
    assert reply[20:] == HERE + b"\x1a\xe1"


@pytest.mark.parametrize(("ip", "most"), [(HERE, 100), (HERE6, 66)])
@pytest.mark.parametrize("numwant", [2**31 - 1, 1_000_000])
def test_k6_a_million_peers_wanted(ip: bytes, most: int, numwant: int) -> None:
    responder = tracker()
    for number in range(250):
        other = ip[:-2] + bytes((9, number))
        responder.swarms.announce(REQUEST, other, now=0.0)
    reply = announced(responder, REQUEST._replace(numwant=numwant), ip)
    assert len(reply) == 20 + most * (len(ip) + 2) <= 1220
    by_default = announced(responder, REQUEST._replace(numwant=-1), ip[:-1] + b"\xff")
    assert len(by_default) == 20 + 50 * (len(ip) + 2)
    assert len(announced(responder, REQUEST._replace(numwant=0), ip[:-1] + b"\xfe")) == 20


def test_k3_a_failure_is_told_to_those_who_are_connected() -> None:
    responder = tracker()
    assert announced(responder, REQUEST._replace(port=0)) == (
        b"\0\0\0\3\0\0\0\x09port must be from 1 to 65535"
    )
    assert responder.answered["failures"] == 1
    assert responder.rejected == {"port must be from 1 to 65535": 1}


def test_k7_a_full_tracker_says_so() -> None:
    responder = tracker(torrents=1)
    announced(responder)
    other = REQUEST._replace(info_hash=InfoHash(b"\xbb" * 20))
    assert announced(responder, other) == b"\0\0\0\3\0\0\0\x09this tracker is full"


def test_k11_stopped_takes_out_ones_own() -> None:
    responder = tracker()
    announced(responder)
    stop = REQUEST._replace(event=Event.STOPPED)
    announced(responder, stop._replace(peer_id=PeerId(b"z" * 20)))
    assert responder.swarms.peers == 1
    announced(responder, stop)
    assert responder.swarms.peers == 0


def test_a_scrape_is_answered_in_the_order_asked() -> None:
    responder = tracker()
    announced(responder)
    unknown = InfoHash(b"\xbb" * 20)
    packet = udp_message.scrape_request(connected(responder), 9, [unknown, HASH, unknown])
    assert responder.respond(packet, HERE, 0.0) == (
        b"\0\0\0\2\0\0\0\x09" + bytes(12) + bytes(11) + b"\1" + bytes(12)
    )
    assert responder.answered == {"connects": 2, "announces": 1, "scrapes": 1}
    packet = udp_message.scrape_request(connected(responder), 9, [])
    assert responder.respond(packet, HERE, 0.0) == b"\0\0\0\3\0\0\0\x09a scrape needs info_hash"


@given(st.binary(max_size=200), st.integers(0, 4))
def test_whatever_comes_nothing_is_raised(data: bytes, action: int) -> None:
    responder = tracker()
    assert len(responder.respond(data, HERE, 0.0) or b"") <= 16
    head = connected(responder).to_bytes(8, "big") + action.to_bytes(4, "big")
    assert len(responder.respond(head + data, HERE, 0.0) or b"") <= 1220
