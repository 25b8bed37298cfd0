"""One connection to one peer: the I/O around a PeerProtocol.

What a peer may try: trickling bytes so that each costs us a copy (a long message is gathered, and
parsed once it is whole), never reading what we send (`tick` closes it, and so does a full buffer),
staying silent (`tick`), and anything at all in the bytes themselves (`protocol`).

Sending never waits. Whoever writes blocks asks `write_room` first and goes on at `on_writable`.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

from formats.endpoint import Endpoint, normalise
from node.peer.errors import PeerError
from node.peer.events import Event
from node.peer.handshake import Handshake
from node.peer.protocol import Answer, PeerProtocol
from node.peer.receive_buffer import ReceiveBuffer

WRITE_LIMIT = 4 << 20
"""Bytes a connection may have waiting to be sent: 256 blocks, a few milliseconds of a fast link."""
LEAST_WRITE_LIMIT = 256 << 10
"""Bytes; fewer would make system calls of single blocks."""
SMALL_MESSAGE_ROOM = 1 << 20
"""Bytes of small messages that may wait beyond the write limit; then the peer is not reading."""
WRITE_STALL_TIMEOUT = 120.0
"""Seconds in which the peer must take at least one of the waiting bytes (P9)."""
CLOSING_SECONDS = 5.0
"""How long a closed connection may still deliver its last small messages."""
DIAL_TIMEOUT = 10.0
"""Seconds for the TCP connection to be made."""

_GATHER_FROM = 32 * 1024  # bytes of an incomplete message from which it gets a buffer of its own
_CLOSING_BYTES = 64 * 1024  # bytes worth delivering after a close

NOWHERE = Endpoint("", 0)
"""The address of a stranger who was gone before the system could be asked for it."""

CLOSED_BY_PEER = "the peer closed the connection"
WRITE_STALLED = "the peer stopped reading"


class PeerOwner(Protocol):
    """Who acts on a conversation. It may be exchanged at any time: `connection.owner = torrent`."""

    def on_events(self, connection: "PeerConnection", events: list[Event]) -> None:
        """The events of one read. What the owner then says leaves in one write.

        A PeerError that it raises closes the connection.
        """

    def on_writable(self, connection: "PeerConnection") -> None:
        """At least half of the write limit is free again."""

    def on_closed(self, connection: "PeerConnection", reason: str) -> None:
        """The connection is over; called once, never from within another call of the owner."""


class PeerConnection(asyncio.BufferedProtocol):
    """A transport, a PeerProtocol, and the bytes in between.

    Times are seconds of the loop's clock, sizes bytes. `remote` is known once connected.
    """

    __slots__ = (
        "_buffer", "_closing_timer", "_is_closed_reported", "_is_flush_requested",
        "_is_gathering", "_is_reading_paused", "_loop", "_most_waiting", "_remainder",
        "_stalled_since", "_taken_at_stall", "_transport", "_write_limit", "close_reason",
        "connected_at", "last_received_at", "last_sent_at", "owner", "protocol",
        "received_bytes", "remote", "sent_block_bytes", "sent_bytes", "writable",
    )  # fmt: skip

    def __init__(
        self,
        protocol: PeerProtocol,
        owner: PeerOwner,
        *,
        loop: asyncio.AbstractEventLoop,
        buffer: ReceiveBuffer,
        remote: Endpoint = NOWHERE,
        write_limit: int = WRITE_LIMIT,
    ) -> None:
        self.protocol = protocol
        self.owner = owner
        self.remote = remote
        self.close_reason: str | None = None
        """Why the connection ended; None while it lives."""
        self.writable = True
        """False from half of the write limit waiting until only a quarter is."""
        self.received_bytes = self.sent_bytes = self.sent_block_bytes = 0
        self.connected_at = self.last_received_at = self.last_sent_at = loop.time()
        self._loop = loop
        self._buffer = buffer
        self._write_limit = write_limit
        self._most_waiting = write_limit + SMALL_MESSAGE_ROOM
        self._transport: asyncio.Transport | None = None
        self._remainder: bytes | bytearray = b""
        self._is_gathering = False
        self._is_flush_requested = False
        self._is_closed_reported = False
        self._is_reading_paused = False
        self._closing_timer: asyncio.TimerHandle | None = None
        self._stalled_since = self.connected_at
        self._taken_at_stall = 0

    @property
    def is_outgoing(self) -> bool:
        """Whether we dialled."""
        return self.protocol.is_outgoing

    @property
    def received_block_bytes(self) -> int:
        """Bytes of the blocks we asked for."""
        return self.protocol.block_bytes_received

    # --- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's and others' are not subclasses
        self._transport = transport
        peername = transport.get_extra_info("peername")
        if peername:
            self.remote = Endpoint(normalise(peername[0]), peername[1])
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._apply_write_limit()
        self.flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop reads to: behind what is left of the last read."""
        view = self._buffer.view
        if self._is_gathering or not self._remainder:
            return view
        size = len(self._remainder)
        view[:size] = self._remainder
        return view[size:]

    def buffer_updated(self, nbytes: int) -> None:
        """`nbytes` lie in the buffer that `get_buffer` gave out last."""
        if self.close_reason is not None:
            return
        self.received_bytes += nbytes
        self.last_received_at = self._loop.time()
        if self._is_gathering:
            assert isinstance(self._remainder, bytearray)
            self._remainder += self._buffer.view[:nbytes]
            if len(self._remainder) < 4 + int.from_bytes(self._remainder[:4]):
                return
            data = memoryview(self._remainder)
        else:
            data = self._buffer.view[: len(self._remainder) + nbytes]
        try:
            rest = self._receive(data)
        except PeerError as error:
            self.close(str(error))
            return
        self._is_gathering = len(rest) > _GATHER_FROM
        self._remainder = bytearray(rest) if self._is_gathering else bytes(rest)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.close_reason is None:
            self.close_reason = _reason(exc)
        if self._closing_timer is not None:
            self._closing_timer.cancel()
        self._transport = None
        self._report_closed()

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        if self.close_reason is None:
            self.owner.on_writable(self)
            self.flush()

    # --- what the owner calls

    def flush(self) -> None:
        """Send what the protocol has queued, in one write."""
        if self._transport is not None and self.close_reason is None:
            data = self.protocol.data_to_send()
            if data:
                self._write(self._transport, data)

    def request_flush(self) -> None:
        """Flush once at the end of this turn of the loop, however often this is called in it."""
        if not self._is_flush_requested:
            self._is_flush_requested = True
            self._loop.call_soon(self._flush_requested)

    def write_blocks(self, buffer: bytes | bytearray | memoryview, payload_bytes: int) -> None:
        """Send a buffer of whole "piece" messages that carry `payload_bytes` of blocks.

        What the protocol has queued goes first. The buffer is the transport's from now on: it must
        not change any more.
        """
        self.flush()
        if self._transport is not None and self.close_reason is None:
            self.sent_block_bytes += payload_bytes
            self.protocol.note_blocks_sent()
            self._write(self._transport, buffer)

    def set_write_limit(self, size: int) -> None:
        """Let about `size` bytes wait to be sent, within LEAST_WRITE_LIMIT and WRITE_LIMIT."""
        limit = min(max(size, LEAST_WRITE_LIMIT), WRITE_LIMIT)
        if not self._write_limit // 2 < limit < 2 * self._write_limit:
            self._write_limit = limit
            self._apply_write_limit()

    @property
    def write_room(self) -> int:
        """Bytes until the write limit; 0 when closed.

        When this is less than half of the limit, `on_writable` will be called.
        """
        if self._transport is None or self.close_reason is not None:
            return 0
        return max(0, self._write_limit - self._transport.get_write_buffer_size())

    def pause_reading(self) -> None:
        """Read no more, for a download limit; the peer's silence is not held against it."""
        if not self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = False
            if self.close_reason is None:
                self._transport.resume_reading()

    def set_piece_sizes(self, piece_count: int, piece_length: int, total_size: int) -> None:
        """The metadata is known; closes the connection if what the peer said does not fit it."""
        try:
            self.protocol.set_piece_sizes(piece_count, piece_length, total_size)
        except PeerError as error:
            self.close(str(error))

    def tick(self, now: float) -> None:
        """Once a second or so: deadlines, keep-alive, stalled writes."""
        if self._transport is None or self.close_reason is not None:
            return
        waiting = self._transport.get_write_buffer_size()
        taken = self.sent_bytes - waiting
        if not waiting or taken != self._taken_at_stall:
            self._taken_at_stall = taken
            self._stalled_since = now
        elif now - self._stalled_since >= WRITE_STALL_TIMEOUT:
            self.close(WRITE_STALLED)
            return
        if self._is_reading_paused:
            self.protocol.note_reading_paused()
        try:
            self.protocol.tick(now)
        except PeerError as error:
            self.close(str(error))
            return
        self.flush()

    def close(self, reason: str) -> None:
        """End the connection. The first reason counts; `on_closed` follows in the next turn.

        A few small messages still leave within CLOSING_SECONDS; waiting blocks are thrown away.
        """
        if self.close_reason is not None:
            return
        self.close_reason = reason
        self._loop.call_soon(self._report_closed)
        transport = self._transport
        if transport is None:
            return
        if transport.get_write_buffer_size() > _CLOSING_BYTES:
            transport.abort()
            return
        last = self.protocol.data_to_send()
        if last:
            transport.write(last)
        if transport.get_write_buffer_size():
            self._closing_timer = self._loop.call_later(CLOSING_SECONDS, transport.abort)
        transport.close()

    # --- inside

    def _receive(self, data: memoryview) -> memoryview:
        """Parse and hand over all complete messages; what is left. Raises PeerError."""
        while True:
            was_introduced = self.protocol.remote is not None
            taken, events = self.protocol.receive(data)
            data = data[taken:]
            if events:
                self.owner.on_events(self, events)
            if was_introduced or not taken or self.close_reason is not None:
                return data

    def _apply_write_limit(self) -> None:
        if self._transport is not None:
            limit = self._write_limit
            self._transport.set_write_buffer_limits(high=limit // 2, low=limit // 4)

    def _write(self, transport: asyncio.Transport, data: bytes | bytearray | memoryview) -> None:
        transport.write(data)
        self.sent_bytes += len(data)
        self.last_sent_at = self._loop.time()
        if transport.get_write_buffer_size() > self._most_waiting:
            self.close(WRITE_STALLED)

    def _flush_requested(self) -> None:
        self._is_flush_requested = False
        self.flush()

    def _report_closed(self) -> None:
        if not self._is_closed_reported:
            assert self.close_reason is not None
            self._is_closed_reported = True
            self.owner.on_closed(self, self.close_reason)


def _reason(error: Exception | None) -> str:
    if error is None:
        return CLOSED_BY_PEER
    detail = error.strerror if isinstance(error, OSError) else None
    return f"the connection broke: {detail or type(error).__name__}"


async def connect(
    endpoint: Endpoint,
    local: Handshake,
    owner: PeerOwner,
    *,
    buffer: ReceiveBuffer,
    local_addr: tuple[str, int] | None = None,
    timeout: float = DIAL_TIMEOUT,
) -> PeerConnection:
    """Dial a peer; our handshake is on its way when this returns.

    The owner may hear of the connection before that. Raises OSError (TimeoutError among them).
    """
    loop = asyncio.get_running_loop()

    def new_connection() -> PeerConnection:
        protocol = PeerProtocol.outgoing(local, loop.time())
        return PeerConnection(protocol, owner, loop=loop, buffer=buffer, remote=endpoint)

    async with asyncio.timeout(timeout):
        _, connection = await loop.create_connection(
            new_connection, endpoint.host, endpoint.port, local_addr=local_addr
        )
    return connection


def acceptor(
    answer: Answer, owner: PeerOwner, *, buffer: ReceiveBuffer
) -> Callable[[], PeerConnection]:
    """The factory for `loop.create_server`: `answer` finds the torrent that a stranger names."""
    loop = asyncio.get_running_loop()

    def new_connection() -> PeerConnection:
        protocol = PeerProtocol.incoming(answer, loop.time())
        return PeerConnection(protocol, owner, loop=loop, buffer=buffer)

    return new_connection
