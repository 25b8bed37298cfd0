"""A client's packets to the UDP tracker, from strangers and from those who are connected.

The tracker answers or drops anything, so nothing may be raised at all; who has not shown a
connection ID gets no more than 16 bytes (K9), and nobody more than 1,220 (K6).
"""

import random

from formats.identifiers import InfoHash, PeerId
from tracker import udp_message
from tracker.announce import AnnounceRequest, Event
from tracker.source_budget import BudgetLimits
from tracker.swarm import SwarmLimits, Swarms
from tracker.udp_responder import UdpResponder

_HASH = InfoHash(b"mnopqrstuvwxyz123456")
_REQUEST = AnnounceRequest(_HASH, PeerId(b"-LT2100-RL!x8~e)DR0b"), 6881, left=16384, key=7)
_IP4, _IP6 = b"\1\2\3\4", bytes.fromhex("2600") + bytes(13) + b"\1"

_responder = UdpResponder(
    Swarms(rng=random.Random(1), limits=SwarmLimits(torrents=50, peers=500)),
    rng=random.Random(2),
    limits=BudgetLimits(burst=10**12),
)
_NOW = 1.0


def _connection(ip: bytes) -> bytes:
    reply = _responder.respond(udp_message.connect_request(1), ip, _NOW)
    assert reply is not None
    return reply[8:]


_CONNECTIONS = {ip: _connection(ip) for ip in (_IP4, _IP6)}

SEEDS: list[bytes] = [
    udp_message.connect_request(0xDEADBEEF),
    udp_message.announce_request(0, 9, _REQUEST._replace(event=Event.STARTED, numwant=-1)),
    udp_message.announce_request(0, 9, _REQUEST, url_data=b"/dir?a=b&c=d") + b"\1\1\0",
    udp_message.announce_request(0, 9, _REQUEST._replace(left=0, event=Event.COMPLETED)),
    udp_message.announce_request(0, 9, _REQUEST._replace(event=Event.STOPPED, numwant=0)),
    udp_message.scrape_request(0, 9, [_HASH, InfoHash(bytes(20))]),
]


def execute(data: bytes) -> None:
    """Send `data` as it is, and with a connection ID that counts."""
    for ip, connection in _CONNECTIONS.items():
        reply = _responder.respond(data, ip, _NOW)
        assert reply is None or len(reply) == 16 <= len(data)
        reply = _responder.respond(connection + data[8:], ip, _NOW)
        if reply is not None:
            assert len(reply) <= udp_message.LONGEST_REPLY
            action, transaction = udp_message.parse_reply_head(reply)
            assert action in (int.from_bytes(data[8:12], "big"), udp_message.Action.ERROR)
            assert transaction == int.from_bytes(data[12:16], "big")
    assert len(udp_message.parse_url_data(data)) <= len(data)
