"""A client's bytes to the HTTP tracker: the parser, the query, the swarms and every answer.

The tracker answers anything, so nothing may be raised at all.
"""

import asyncio
import random
from typing import Any

from tracker.connections import Connections, HttpLimits
from tracker.http_connection import HttpConnection
from tracker.responder import Responder
from tracker.swarm import SwarmLimits, Swarms

_HEAD = b" HTTP/1.1\r\nHost: tracker.test\r\n"
_HASH = b"%2C%6b%68%58%d6%1d%a9T%3dB1%a7%1d%b4%b1%c9%26K%06%85"
_ANNOUNCE = b"GET /announce?info_hash=" + _HASH + b"&peer_id=-LT2100-RL!x8%7e%29DR0b6&port=6881"

SEEDS: list[bytes] = [
    _ANNOUNCE + b"&uploaded=0&downloaded=0&left=16384&key=5A1B2C3D&event=started&numwant=200"
    b"&compact=1&ip=1.2.3.4&ipv6=2001%3Adb8%3A%3A1" + _HEAD + b"User-Agent: libtorrent\r\n\r\n",
    _ANNOUNCE + b"&left=0&event=completed" + _HEAD + b"X-Forwarded-For: 1.2.3.4, ::1\r\n\r\n",
    _ANNOUNCE + b"&event=stopped&numwant=-1" + _HEAD + b"Connection: close\r\n\r\n",
    b"GET /scrape?info_hash=" + _HASH + b"&info_hash=aaaaaaaaaaaaaaaaaaaa" + _HEAD + b"\r\n",
    b"GET /stats" + _HEAD + b"\r\nGET / HTTP/1.0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
]

_LIMITS = SwarmLimits(torrents=50, peers=500)
_responder = Responder(Swarms(rng=random.Random(1), limits=_LIMITS))
_connections = Connections(HttpLimits(), frozenset([b"\x0a\0\0\1"]))


class _Sink(asyncio.Transport):
    def __init__(self, host: str) -> None:
        super().__init__(extra={"peername": (host, 40000)})

    def write(self, data: Any) -> None:
        assert data.startswith(b"HTTP/1.1 ")

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


def execute(data: bytes) -> None:
    """Send the bytes in two reads, from a proxy and from a stranger."""
    for host in ("10.0.0.1", "5.6.7.8"):
        connection = HttpConnection(_responder, _connections, clock=lambda: 1.0)
        connection.connection_made(_Sink(host))
        half = len(data) // 2
        connection.data_received(data[:half])
        connection.data_received(data[half:])
        connection.connection_lost(None)
    assert len(_connections) == 0
