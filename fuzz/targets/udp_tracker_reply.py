"""A UDP tracker's replies as the client reads them; only UdpMessageError may come (C6, C8)."""

from formats.endpoint import Endpoint, pack_many
from formats.identifiers import InfoHash
from tracker import udp_message
from tracker.announce import SwarmCounts
from tracker.reply import KEPT_PEERS, KEPT_TEXT
from tracker.udp_message import Action, UdpMessageError

_COUNTS = SwarmCounts(7, 5, 9)
_HASHES = [InfoHash(bytes([number]) * 20) for number in range(3)]
_PEERS = [Endpoint("1.2.3.4", 6881), Endpoint("5.6.7.8", 1), Endpoint("2600::1", 80)]
_PEERS4, _PEERS6 = pack_many(_PEERS)

SEEDS: list[bytes] = [
    udp_message.connect_reply(9, 0x0102030405060708),
    udp_message.announce_reply(9, _COUNTS, interval=1800, peers=_PEERS4 * 20, peer_size=6),
    udp_message.announce_reply(9, _COUNTS, interval=1800, peers=_PEERS6 * 5, peer_size=18),
    udp_message.scrape_reply(9, [_COUNTS] * 3),
    udp_message.error_reply(9, "Connection ID missmatch.\0"),
]


def execute(data: bytes) -> None:
    """Read `data` as what its head says it is."""
    try:
        action, _ = udp_message.parse_reply_head(data)
    except UdpMessageError:
        return
    match action:
        case Action.CONNECT:
            assert 0 <= udp_message.parse_connection_id(data) < 1 << 64
        case Action.ANNOUNCE:
            for ipv6 in (False, True):
                response = udp_message.parse_announce_reply(data, ipv6=ipv6)
                assert len(response.peers) <= min(KEPT_PEERS, len(data) // 6)
                assert all(0 < port < 65536 for _, port in response.peers)
        case Action.SCRAPE:
            swarms = udp_message.parse_scrape_reply(data, _HASHES)
            assert 12 * len(swarms) <= len(data) - 8
        case Action.ERROR:
            reason = udp_message.parse_error(data).reason
            assert reason.isprintable()
            assert 0 < len(reason) <= KEPT_TEXT
