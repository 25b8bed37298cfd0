"""Expected bytes are written out from the tables of BEP 15 and the examples of BEP 41."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.endpoint import Endpoint
from formats.identifiers import InfoHash, PeerId
from tracker import udp_message
from tracker.announce import AnnounceRequest, AnnounceResponse, Event, SwarmCounts
from tracker.errors import TrackerFailure
from tracker.udp_message import Action, UdpMessageError

HASH = InfoHash(b"\xaa" * 20)
ID = PeerId(b"-ES0100-abcdefghijkl")
REQUEST = AnnounceRequest(
    HASH,
    ID,
    6881,
    uploaded=3,
    downloaded=1,
    left=2,
    event=Event.STARTED,
    key=0x01020304,
    numwant=30,
)
ANNOUNCE = (
    b"\1\2\3\4\5\6\7\x08"  # 0: connection_id
    b"\0\0\0\1"  # 8: action, announce
    b"\0\0\0\x09"  # 12: transaction_id
    + b"\xaa"
    * 20  # 16: info_hash
    + b"-ES0100-abcdefghijkl"  # 36: peer_id
    b"\0\0\0\0\0\0\0\1"  # 56: downloaded
    b"\0\0\0\0\0\0\0\2"  # 64: left
    b"\0\0\0\0\0\0\0\3"  # 72: uploaded
    b"\0\0\0\2"  # 80: event, started
    b"\0\0\0\0"  # 84: IP address, default
    b"\1\2\3\4"  # 88: key
    b"\0\0\0\x1e"  # 92: num_want
    b"\x1a\xe1"  # 96: port
)
CONNECTION = 0x0102030405060708
COUNTS = SwarmCounts(complete=7, incomplete=5, downloaded=9)


def test_a_connect_request() -> None:
    packet = udp_message.connect_request(0xDEADBEEF)
    assert packet == bytes.fromhex("00000417 27101980 00000000 deadbeef")
    assert udp_message.parse_request_head(packet) == (0x41727101980, Action.CONNECT, 0xDEADBEEF)


def test_a_connect_reply() -> None:
    packet = udp_message.connect_reply(0xDEADBEEF, CONNECTION)
    assert packet == bytes.fromhex("00000000 deadbeef 01020304 05060708")
    assert udp_message.parse_reply_head(packet) == (Action.CONNECT, 0xDEADBEEF)
    assert udp_message.parse_connection_id(packet) == CONNECTION


def test_an_announce_request() -> None:
    assert udp_message.announce_request(CONNECTION, 9, REQUEST) == ANNOUNCE
    assert len(ANNOUNCE) == 98
    assert udp_message.parse_request_head(ANNOUNCE) == (CONNECTION, Action.ANNOUNCE, 9)
    # A tracker does not need the rest.
    expected = REQUEST._replace(uploaded=0, downloaded=0, key=None)
    assert udp_message.parse_announce_request(ANNOUNCE) == expected


@pytest.mark.parametrize(
    ("event", "number"),
    [(Event.NONE, 0), (Event.COMPLETED, 1), (Event.STARTED, 2), (Event.STOPPED, 3)],
)
def test_events_have_the_numbers_of_bep_15(event: Event, number: int) -> None:
    packet = udp_message.announce_request(CONNECTION, 9, REQUEST._replace(event=event))
    assert packet[80:84] == bytes((0, 0, 0, number))
    assert udp_message.parse_announce_request(packet).event is event


def test_k3_an_unknown_event_and_port_0_are_refused_with_a_reason() -> None:
    with pytest.raises(TrackerFailure, match="unknown event"):
        udp_message.parse_announce_request(ANNOUNCE[:83] + b"\4" + ANNOUNCE[84:])
    with pytest.raises(TrackerFailure, match="port must be from 1 to 65535"):
        udp_message.parse_announce_request(ANNOUNCE[:96] + b"\0\0")


def test_k4_the_address_in_the_request_is_not_read() -> None:
    claiming = ANNOUNCE[:84] + b"\x08\x08\x08\x08" + ANNOUNCE[88:]
    request = udp_message.parse_announce_request(claiming)
    assert (request.ip, request.ipv4, request.ipv6) == (None, None, None)


def test_k6_a_negative_num_want_is_the_default() -> None:
    packet = udp_message.announce_request(CONNECTION, 9, REQUEST._replace(numwant=-1))
    assert packet[92:96] == b"\xff\xff\xff\xff"
    assert udp_message.parse_announce_request(packet).numwant == 50


@given(st.binary(max_size=120), st.integers(0, 97))
def test_k9_short_requests_are_errors_and_nothing_else_is_raised(data: bytes, size: int) -> None:
    with pytest.raises(UdpMessageError, match="an announce that is too short"):
        udp_message.parse_announce_request(ANNOUNCE[:size])
    if len(data) < 16:
        with pytest.raises(UdpMessageError, match="a request that is too short"):
            udp_message.parse_request_head(data)
    else:
        udp_message.parse_request_head(data)


def test_bep_41_url_data() -> None:
    url_data = b"/dir?a=b&c=d"
    packet = udp_message.announce_request(CONNECTION, 9, REQUEST, url_data=url_data)
    assert packet == ANNOUNCE + b"\x02\x0c/dir?a=b&c=d"
    assert udp_message.parse_url_data(packet) == url_data
    assert udp_message.parse_announce_request(packet) == udp_message.parse_announce_request(
        ANNOUNCE
    )


@pytest.mark.parametrize(
    ("options", "url_data"),
    [
        (b"", b""),
        (b"\2\0", b""),
        (b"\x02\x0c/dir?a=b&c=d\1\1\0", b"/dir?a=b&c=d"),
        (b"\1\2\2/a\1\2\1b", b"/ab"),
        (b"\2\2/a\0\2\2/b", b"/a"),  # after EndOfOptions
        (b"\x07\3xyz\2\2/a", b"/a"),  # an option of somebody's
        (b"\2\2/a\x07", b"/a"),  # cut short
        (b"\2\2/a\2\3/b", b"/a"),
    ],
)
def test_bep_41_options(options: bytes, url_data: bytes) -> None:
    assert udp_message.parse_url_data(ANNOUNCE + options) == url_data


@given(st.binary(max_size=1024))
def test_bep_41_long_urls_go_in_parts(url_data: bytes) -> None:
    options = udp_message.encode_url_data(url_data)
    assert len(options) == len(url_data) + 2 * -(-len(url_data) // 255)
    assert udp_message.parse_url_data(ANNOUNCE + options) == url_data


@given(st.binary(max_size=200))
def test_bep_41_any_options_are_read(options: bytes) -> None:
    assert len(udp_message.parse_url_data(ANNOUNCE + options)) <= len(options)


def test_an_announce_reply_over_ipv4() -> None:
    peers = b"\1\2\3\4\x1a\xe1\5\6\7\x08\0\x50"
    packet = udp_message.announce_reply(9, COUNTS, interval=1800, peers=peers, peer_size=6)
    assert packet == (
        b"\0\0\0\1"  # 0: action
        b"\0\0\0\x09"  # 4: transaction_id
        b"\0\0\x07\x08"  # 8: interval
        b"\0\0\0\5"  # 12: leechers
        b"\0\0\0\7"  # 16: seeders
        b"\1\2\3\4\x1a\xe1"  # 20 + 6 * n: IP address, 24 + 6 * n: TCP port
        b"\5\6\7\x08\0\x50"
    )
    assert udp_message.parse_reply_head(packet) == (Action.ANNOUNCE, 9)
    assert udp_message.parse_announce_reply(packet, ipv6=False) == AnnounceResponse(
        interval=1800,
        peers=(Endpoint("1.2.3.4", 6881), Endpoint("5.6.7.8", 80)),
        complete=7,
        incomplete=5,
    )


def test_an_announce_reply_over_ipv6_has_a_stride_of_18() -> None:
    peers = bytes.fromhex("2001067c000000000000000000000001 1ae1")
    packet = udp_message.announce_reply(9, COUNTS, interval=1800, peers=peers, peer_size=18)
    assert packet[20:] == peers
    response = udp_message.parse_announce_reply(packet, ipv6=True)
    assert response.peers == (Endpoint("2001:67c::1", 6881),)


@pytest.mark.parametrize(("size", "most"), [(6, 200), (18, 66)])
def test_k6_a_reply_has_at_most_1220_bytes(size: int, most: int) -> None:
    packet = udp_message.announce_reply(
        9, COUNTS, interval=1800, peers=b"\1" * size * 1000, peer_size=size
    )
    assert len(packet) == 20 + most * size <= 1220


def test_c5_a_negative_interval_stays_one_for_the_tiers_to_clamp() -> None:
    packet = b"\0\0\0\1\0\0\0\x09\xff\xff\xff\xff" + bytes(8)
    assert udp_message.parse_announce_reply(packet, ipv6=False).interval == -1


def test_c6_peers_cut_short_without_port_or_beyond_200_are_left_out() -> None:
    head = udp_message.announce_reply(9, COUNTS, interval=1800, peers=b"", peer_size=6)
    parse = udp_message.parse_announce_reply
    assert parse(head + b"\1\2\3\4\0\0\1\2\3", ipv6=False).peers == ()
    assert parse(head + b"\1\2\3\4\0\1" * 3, ipv6=False).peers == (Endpoint("1.2.3.4", 1),)
    many = b"".join(b"\1\2\3\4" + port.to_bytes(2, "big") for port in range(1, 1000))
    assert len(parse(head + many, ipv6=False).peers) == 200


def test_a_scrape() -> None:
    hashes = [HASH, InfoHash(b"\xbb" * 20)]
    packet = udp_message.scrape_request(CONNECTION, 9, hashes)
    assert packet == b"\1\2\3\4\5\6\7\x08\0\0\0\2\0\0\0\x09" + b"\xaa" * 20 + b"\xbb" * 20
    assert udp_message.parse_scrape_request(packet + b"more") == hashes
    reply = udp_message.scrape_reply(9, [COUNTS, SwarmCounts(0, 0, 0)])
    assert reply == (
        b"\0\0\0\2\0\0\0\x09"
        b"\0\0\0\7\0\0\0\x09\0\0\0\5"  # seeders, completed, leechers
        + bytes(12)
    )  # fmt: skip
    assert udp_message.parse_reply_head(reply) == (Action.SCRAPE, 9)
    assert udp_message.parse_scrape_reply(reply, hashes) == {
        hashes[0]: COUNTS,
        hashes[1]: SwarmCounts(0, 0, 0),
    }
    assert udp_message.parse_scrape_reply(reply[:-1], hashes) == {hashes[0]: COUNTS}
    assert udp_message.parse_scrape_reply(reply, hashes[:1]) == {hashes[0]: COUNTS}


def test_k8_a_scrape_names_from_1_to_74_torrents() -> None:
    with pytest.raises(TrackerFailure, match="needs info_hash"):
        udp_message.parse_scrape_request(udp_message.scrape_request(CONNECTION, 9, []) + b"x")
    full = udp_message.scrape_request(CONNECTION, 9, [HASH] * 74)
    assert len(full) <= 1500
    assert udp_message.parse_scrape_request(full) == [HASH] * 74
    with pytest.raises(TrackerFailure, match="may name 74 torrents"):
        udp_message.parse_scrape_request(full + HASH)


def test_an_error() -> None:
    packet = udp_message.error_reply(9, "no such torrent")
    assert packet == b"\0\0\0\3\0\0\0\x09no such torrent"
    assert udp_message.parse_reply_head(packet) == (Action.ERROR, 9)
    failure = udp_message.parse_error(packet)
    assert failure.reason == "no such torrent"
    assert failure.retry_in is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "no reason given"),
        (b"Connection ID missmatch.\0", "Connection ID missmatch."),
        (b"\x1b[2J\xff", "\\x1b[2J\ufffd"),
        (b"x" * 60_000, "x" * 200),
    ],
)
def test_c6_the_text_of_an_error_is_fit_for_a_screen(text: bytes, reason: str) -> None:
    assert udp_message.parse_error(b"\0\0\0\3\0\0\0\x09" + text).reason == reason


def test_c8_replies_too_short_for_their_action() -> None:
    for action, size in ((0, 16), (1, 20), (2, 8), (3, 8)):
        whole = bytes((0, 0, 0, action)) + bytes(size - 4)
        assert udp_message.parse_reply_head(whole) == (Action(action), 0)
        with pytest.raises(UdpMessageError, match="a reply that is too short"):
            udp_message.parse_reply_head(whole[:-1])
    with pytest.raises(UdpMessageError, match="an unknown action"):
        udp_message.parse_reply_head(b"\0\0\0\4" + bytes(20))


def test_no_reply_is_a_connect_request() -> None:
    """So two trackers cannot be made to answer each other for ever."""
    replies = [
        udp_message.connect_reply(2**32 - 1, 2**64 - 1),
        udp_message.announce_reply(2**32 - 1, COUNTS, interval=1, peers=b"", peer_size=6),
        udp_message.scrape_reply(2**32 - 1, [COUNTS]),
        udp_message.error_reply(2**32 - 1, "unknown event"),
    ]
    names = [
        udp_message.PROTOCOL_ID >> 32,
        *(int.from_bytes(reply[:4], "big") for reply in replies),
    ]
    assert all(names[0] != name for name in names[1:])
    assert all(a < b for a, b in pairwise(names[1:]))
