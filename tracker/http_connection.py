"""One client's HTTP connection to the tracker: bytes in, requests to the responder, bytes out.

Anyone may connect. What they try, and the answer:

* heads over 8 KiB or 64 headers, bare line feeds, bodies, chunked encoding, absolute URIs,
  HTTP/0.9, upgrades, no Host: 400, 405, 413 or 431 and the connection closes, no traceback (K1);
* pipelines of thousands: 16 requests in one read are answered, then the connection closes (K1);
* a byte a second, or nothing: 5 s for a request, 30 s between two (K2);
* asking and never reading: reading stops with the full send buffer, 5 s later it is cut (K2);
* hundreds of connections: `connections.py` counts them (K2).

There are no timers here: the server's tick looks at `deadline`.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from formats.endpoint import EndpointError
from tracker.connections import Connections
from tracker.responder import Responder, packed_address

_KEPT = (
    b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%b"
)
_CLOSED = _KEPT.replace(b"keep-alive", b"close")
_BAD_REQUEST = b"400 Bad Request"
_NOT_FOUND = b"404 Not Found"
_NOT_ALLOWED = b"405 Method Not Allowed"
_TOO_LARGE = b"413 Content Too Large"
_HEAD_TOO_LARGE = b"431 Request Header Fields Too Large"


class HttpConnection(asyncio.Protocol):
    """Parses with httptools, whose callbacks only note what came; `data_received` acts on it."""

    __slots__ = (
        "_broken",
        "_clock",
        "_closing",
        "_connections",
        "_forwarded",
        "_head_size",
        "_headers",
        "_host",
        "_in_request",
        "_ip",
        "_limits",
        "_parser",
        "_paused",
        "_reading",
        "_requests",
        "_responder",
        "_transport",
        "_trusted",
        "_unanswered",
        "_url",
        "deadline",
    )

    def __init__(
        self, responder: Responder, connections: Connections, *, clock: Callable[[], float]
    ) -> None:
        self._responder = responder
        self._connections = connections
        self._limits = connections.limits
        self._clock = clock
        self._parser = HttpRequestParser(self)
        self._ip = b""
        self._trusted = False
        self._closing = False
        self._paused = False
        self._reading = True
        self._unanswered = 0
        self._requests: list[tuple[bytes, bytes | None, bool, bytes | None]] = []
        self.deadline = clock() + self._limits.read_timeout
        self.on_message_begin()
        self._in_request = False

    # ---- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find out who it is; from the socket only (K4)."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        try:
            self._ip = packed_address(transport.get_extra_info("peername")[0].partition("%")[0])
        except (EndpointError, TypeError, IndexError):  # the client has gone already
            self.abort()
            return
        self._trusted = self._ip in self._connections.trusted
        if not self._connections.admit(self, self._ip):
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._closing = True
        self._connections.left(self)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        if self._closing:
            return
        now = self._clock()
        status = None
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            status = _BAD_REQUEST
        if self._requests:
            self._reading = False
            self._unanswered = 0
            if not self._answer(now):
                return
        elif self._in_request:
            self._unanswered += len(data)
            if self._unanswered > self._limits.head_size:
                status = _HEAD_TOO_LARGE
        if status is not None:
            self._refuse(status, now)
        elif not self._paused:
            self._renew(now)

    def _renew(self, now: float) -> None:
        """The deadline of a whole request, or of the next one's first byte."""
        if not self._in_request:
            self.deadline = now + self._limits.idle_timeout
        elif not self._reading:
            self._reading = True
            self.deadline = now + self._limits.read_timeout

    def pause_writing(self) -> None:
        """The client does not read: take no more requests from it."""
        self._paused = True
        if not self._closing:
            self._transport.pause_reading()
            self.deadline = self._clock() + self._limits.write_timeout

    def resume_writing(self) -> None:
        """The client reads again."""
        self._paused = False
        if not self._closing:
            self._transport.resume_reading()
            self._reading = False
            self._renew(self._clock())

    def abort(self) -> None:
        """Close without sending what is left."""
        self._closing = True
        self._transport.abort()

    # ---- httptools' side

    def on_message_begin(self) -> None:
        """A request starts."""
        self._in_request = True
        self._url = b""
        self._headers = 0
        self._head_size = 0
        self._host = False
        self._forwarded: bytes | None = None
        self._broken: bytes | None = None

    def on_url(self, url: bytes) -> None:
        """The target, or a part of it."""
        self._url += url
        self._head_size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Most headers are only counted."""
        self._headers += 1
        self._head_size += len(name) + len(value) + 4
        name = name.lower()
        if name == b"host":
            self._host = True
        elif name == b"x-forwarded-for":
            self._forwarded = value
        elif name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            self._broken = _TOO_LARGE
        elif name == b"upgrade":
            self._broken = _BAD_REQUEST

    def on_body(self, body: bytes) -> None:
        """No request of ours has one."""
        self._broken = _TOO_LARGE

    def on_message_complete(self) -> None:
        """The request is whole; what is wrong with it is decided here."""
        self._in_request = False
        parser = self._parser
        broken = self._broken
        if self._head_size > self._limits.head_size or self._headers > self._limits.headers:
            broken = _HEAD_TOO_LARGE
        elif parser.get_method() != b"GET":
            broken = broken or _NOT_ALLOWED
        elif not self._url.startswith(b"/") or not (
            self._host or parser.get_http_version() == "1.0"
        ):
            broken = _BAD_REQUEST
        if len(self._requests) <= self._limits.pipelined:
            keep = parser.should_keep_alive()
            self._requests.append((self._url, broken, keep, self._forwarded))

    # ---- answers

    def _answer(self, now: float) -> bool:
        """Answer what was parsed, in one write; False if the connection closes now."""
        requests, self._requests = self._requests, []
        out: list[bytes] = []
        for target, broken, keep, forwarded in requests[: self._limits.pipelined]:
            ip = self._ip
            if forwarded is not None and self._trusted:
                ip = _forwarded_address(forwarded) or ip
            reply = None
            if broken is None:
                reply = self._responder.respond(target, ip, now=now, trusted=self._trusted)
            if reply is None:
                self._send(out)
                self._refuse(broken or _NOT_FOUND, now)
                return False
            kind, body = reply
            out.append((_KEPT if keep else _CLOSED) % (kind, len(body), body))
            if not keep:
                self._send(out)
                self._close(now)
                return False
        self._send(out)
        if len(requests) > self._limits.pipelined:
            self._connections.refused["pipelined"] += 1
            self._close(now)
            return False
        return True

    def _send(self, out: list[bytes]) -> None:
        if out:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def _refuse(self, status: bytes, now: float) -> None:
        self._connections.refused[status[:3].decode()] += 1
        self._transport.write(
            b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status
        )
        self._close(now)

    def _close(self, now: float) -> None:
        self._closing = True
        self.deadline = now + self._limits.write_timeout
        self._transport.close()


def _forwarded_address(header: bytes) -> bytes | None:
    """The address a trusted proxy saw: the last of `X-Forwarded-For`."""
    try:
        return packed_address(header.rpartition(b",")[2].strip().decode("ascii", "replace"))
    except EndpointError:
        return None
