import asyncio
import random
from typing import Any

import pytest

from tracker.connections import Connections, HttpLimits
from tracker.http_connection import HttpConnection
from tracker.responder import Responder
from tracker.swarm import Swarms

GOOD = b"/announce?info_hash=hhhhhhhhhhhhhhhhhhhh&peer_id=pppppppppppppppppppp&port=6881&left=0"
REQUEST = b"GET " + GOOD + b" HTTP/1.1\r\nHost: tracker\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport that remembers what it was told."""

    def __init__(self, host: str) -> None:
        super().__init__(extra={"peername": (host, 40000)})
        self.sent = b""
        self.state = "open"
        self.reading = True

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self.state = "closed"

    def abort(self) -> None:
        self.state = "aborted"

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Site:
    """A tracker without sockets; `now` is its clock."""

    def __init__(self, *, trusted: frozenset[bytes] = frozenset(), **limits: Any) -> None:
        self.responder = Responder(Swarms(rng=random.Random(1)))
        self.connections = Connections(HttpLimits(**limits), trusted)
        self.now = 100.0

    def connect(self, host: str = "5.6.7.8") -> tuple[HttpConnection, Wire]:
        connection = HttpConnection(self.responder, self.connections, clock=lambda: self.now)
        wire = Wire(host)
        connection.connection_made(wire)
        return connection, wire

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.connections.tick(self.now)


def exchange(data: bytes, **options: Any) -> Wire:
    connection, wire = Site(**options).connect()
    connection.data_received(data)
    return wire


def test_an_announce_is_answered_and_the_connection_stays() -> None:
    wire = exchange(REQUEST)
    head, _, body = wire.sent.partition(b"\r\n\r\n")
    assert head == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: %d\r\nConnection: keep-alive" % len(body)
    )
    assert body.startswith(b"d8:completei1e")
    assert wire.state == "open"


def test_byte_by_byte_gives_the_same_answer() -> None:
    connection, wire = Site().connect()
    for byte in REQUEST * 2:
        connection.data_received(bytes([byte]))
    assert wire.sent == 2 * exchange(REQUEST).sent
    assert wire.state == "open"


@pytest.mark.parametrize(
    "data",
    [
        REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        b"GET " + GOOD + b" HTTP/1.0\r\n\r\n",
    ],
)
def test_close_is_honoured(data: bytes) -> None:
    wire = exchange(data + b"trailing bytes")
    assert wire.sent.startswith(b"HTTP/1.1 200 OK")
    assert wire.sent.count(b"HTTP/1.1") == 1
    assert b"\r\nConnection: close\r\n" in wire.sent
    assert wire.state == "closed"


def test_http_1_0_keeps_the_connection_if_asked() -> None:
    wire = exchange(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert b"\r\nConnection: keep-alive\r\n" in wire.sent
    assert wire.state == "open"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),  # no Host
        (b"GET http://tracker/ HTTP/1.1\r\nHost: tracker\r\n\r\n", b"400"),
        (b"GET /\r\n\r\n", b"400"),  # HTTP/0.9
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\nHost: x\n\n", b"400"),
        (b"GET / HTTP/7.3\r\nHost: x\r\n\r\n", b"400"),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", b"413"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 8192 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000, b"431"),  # and more to come
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 64 + b"\r\n", b"431"),
        (b"GET /secret HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),  # TLS
        (b"\x13BitTorrent protocol", b"400"),
    ],
)
def test_k1_a_broken_request_gets_a_status_and_the_end(data: bytes, status: bytes) -> None:
    wire = exchange(data)
    assert wire.sent[:13] == b"HTTP/1.1 " + status + b" "
    assert wire.sent.count(b"HTTP/1.1") == 1
    assert wire.state == "closed"


def test_k1_an_endless_head_in_small_pieces_is_cut_at_8_kib() -> None:
    connection, wire = Site().connect()
    connection.data_received(b"GET / HTTP/1.1\r\n")
    sent = 16
    while wire.state == "open":
        connection.data_received(b"A: b\r\n")
        sent += 6
    assert wire.sent.startswith(b"HTTP/1.1 431")
    assert 8192 < sent < 8200


def test_k1_sixteen_pipelined_requests_are_answered_and_no_more() -> None:
    site = Site()
    connection, wire = site.connect()
    connection.data_received(REQUEST * 16)
    assert wire.sent.count(b"HTTP/1.1 200") == 16
    assert wire.state == "open"
    connection, wire = site.connect()
    connection.data_received(REQUEST * 1000)
    assert wire.sent.count(b"HTTP/1.1 200") == 16
    assert wire.state == "closed"
    assert site.connections.refused["pipelined"] == 1
    assert site.responder.answered["announces"] == 32


def test_k1_what_came_before_a_broken_request_is_answered() -> None:
    wire = exchange(REQUEST + b"\0garbage\r\n\r\n")
    assert wire.sent.count(b"HTTP/1.1 200") == 1
    assert b"HTTP/1.1 400" in wire.sent
    assert wire.state == "closed"


def test_k2_a_request_must_be_whole_after_five_seconds_however_it_drips() -> None:
    site = Site()
    connection, wire = site.connect()
    for byte in REQUEST[:4]:
        site.wait(1.1)
        connection.data_received(bytes([byte]))
    assert wire.state == "open"
    site.wait(1)
    assert wire.state == "aborted"
    assert site.connections.refused["timeouts"] == 1


def test_k2_between_requests_there_are_thirty_seconds() -> None:
    site = Site()
    connection, wire = site.connect()
    connection.data_received(REQUEST)
    site.wait(29)
    connection.data_received(REQUEST + REQUEST[:10])
    site.wait(4.9)
    assert wire.state == "open"
    connection.data_received(REQUEST[10:])
    site.wait(29)
    assert wire.state == "open"
    site.wait(1)
    assert wire.state == "aborted"


def test_k2_a_client_that_does_not_read_is_not_read_and_then_cut() -> None:
    site = Site()
    connection, wire = site.connect()
    connection.data_received(REQUEST)
    connection.pause_writing()
    assert not wire.reading
    site.wait(4)
    connection.resume_writing()
    assert wire.reading
    connection.pause_writing()
    connection.data_received(REQUEST)  # what the loop had already read
    site.wait(5)
    assert wire.state == "aborted"


def test_k2_a_connection_beyond_the_limit_is_cut_at_once() -> None:
    site = Site()
    open_wires = [site.connect() for _ in range(32)]
    assert all(wire.state == "open" for _, wire in open_wires)
    assert site.connect()[1].state == "aborted"
    assert site.connect("::ffff:5.6.7.8")[1].state == "aborted"  # the same machine (K12)
    assert site.connect("5.6.7.9")[1].state == "open"
    open_wires[0][0].connection_lost(None)
    assert site.connect()[1].state == "open"


def test_k4_only_a_trusted_proxys_header_names_the_client() -> None:
    data = REQUEST.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 6.6.6.6, 9.9.9.9\r\n\r\n")
    assert b"external ip4:\5\6\7\x08" in exchange(data).sent
    proxy = frozenset([b"\5\6\7\x08"])
    assert b"external ip4:\t\t\t\t" in exchange(data, trusted=proxy).sent
    assert (
        b"external ip4:\5\6\7\x08" in exchange(data.replace(b"9.9.9.9", b"x"), trusted=proxy).sent
    )


def test_a_client_that_is_gone_before_it_is_looked_at() -> None:
    site = Site()
    connection = HttpConnection(site.responder, site.connections, clock=lambda: 0.0)
    wire = Wire("")
    wire._extra = {"peername": None}
    connection.connection_made(wire)
    connection.connection_lost(None)
    assert wire.state == "aborted"
    assert len(site.connections) == 0
