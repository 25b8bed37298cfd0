"""The TCP transport: stock asyncio's selector transport in behaviour, on pipes instead of a socket.

As there: reading starts after `connection_made`; a `BufferedProtocol` gets `get_buffer(-1)`, one
copy and `buffer_updated(n)` per turn of the loop; `eof_received` answering false closes; `close`
reads no more and sends what was written; an exception in a callback goes to the exception handler
and ends the connection. As on Linux: closing with bytes unread, and bytes that come after closing,
are answered with RST. Different: `abort` sends RST (a socket would often send FIN), and RST is
noticed while reading is paused.
"""

import asyncio
import errno
from collections import deque
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Protocol

from simulation.pipe import SEND_BUFFER, Item, Mark, Pipe
from simulation.socket_info import SocketInfo

if TYPE_CHECKING:
    from simulation.host import Host

HIGH_WATER = 65_536
"""Bytes in the write buffer from which a protocol is paused: asyncio's default."""

READ_SIZE = 262_144
"""Bytes handed to `data_received` at most at once: asyncio's `max_size`."""


class Owner(Protocol):
    """The server a connection came in by."""

    def attach(self, transport: "StreamTransport") -> None: ...
    def detach(self, transport: "StreamTransport") -> None: ...


class StreamTransport(asyncio.Transport):
    """One end of a connection on `host`; call `start` once."""

    def __init__(
        self,
        host: "Host",
        protocol: asyncio.BaseProtocol,
        *,
        incoming: Pipe,
        outgoing: Pipe,
        info: SocketInfo,
        context: Context | None = None,
        server: Owner | None = None,
    ) -> None:
        extra = {"peername": info.getpeername(), "sockname": info.getsockname(), "socket": info}
        super().__init__(extra)
        self._host = host
        self._scheduler = host.network.scheduler
        self._context = context or copy_context()
        self._incoming = incoming
        self._outgoing = outgoing
        self._server = server
        self._unread: deque[bytes | memoryview] = deque()
        self._unread_after_close = False
        self._end_written = self._end_arrived = self._end_delivered = False
        self._read_scheduled = False
        self._started = False
        self._reading_paused = self._writing_paused = False
        self._closing = False  # no more reading; what was written still goes out
        self._lost = False  # connection_lost is called or scheduled
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        self.set_protocol(protocol)

    def __repr__(self) -> str:
        state = "closed" if self._lost else "closing" if self._closing else "open"
        local, remote = self.get_extra_info("sockname"), self.get_extra_info("peername")
        return f"<TCP {self._host.name} {local} > {remote} {state}>"

    def start(self, waiter: asyncio.Future[None] | None = None) -> None:
        """Opens: connection_made, then reading, then `waiter` is done. Raises OSError."""
        self._host.open(self)
        if self._server is not None:
            self._server.attach(self)
        self._outgoing.attach_sender(self, self._context)
        self._incoming.attach_receiver(self, self._context)
        self._call_soon(self._protocol.connection_made, self)
        self._call_soon(self._start_reading)
        if waiter is not None:
            self._call_soon(_wake, waiter)

    def _call_soon(self, callback: Any, *args: Any) -> None:
        self._scheduler.call_soon(callback, *args, context=self._context)

    # Protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        # A program may hand in any object with the right methods, as with stock asyncio.
        self._protocol: Any = protocol
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    # Reading

    def is_reading(self) -> bool:
        return not self._closing and not self._reading_paused

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self) -> None:
        if self._reading_paused and not self._closing:
            self._reading_paused = False
            self._read_soon()

    def _start_reading(self) -> None:
        self._started = True
        self._read_soon()

    def _read_soon(self) -> None:
        if not self._read_scheduled and (self._unread or self._end_arrived):
            self._read_scheduled = True
            self._call_soon(self._read_later)

    def _read_later(self) -> None:
        self._read_scheduled = False
        self._read()

    def arrived(self, item: Item) -> None:
        """From the incoming pipe."""
        if item is Mark.RESET:
            self._force_close(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
        elif self._lost and item is not Mark.END:
            self._outgoing.reset()
        elif item is Mark.END:
            self._end_arrived = True
            self._read()
        elif self._closing:
            self._unread_after_close = True
        elif isinstance(item, bytes):
            self._unread.append(item)
            self._read()

    def _read(self) -> None:
        """What one readiness of a socket leads to: one read, or the end."""
        if not self._started or self._read_scheduled or not self.is_reading():
            return
        try:
            if self._unread:
                self._read_buffered() if self._buffered else self._read_bytes()
            elif self._end_arrived and not self._end_delivered:
                self._deliver_end()
        except BaseException as error:
            self._outgoing.reset()
            self._force_close(error)
            raise
        if not self._end_delivered and self.is_reading():
            self._read_soon()

    def _read_bytes(self) -> None:
        parts = [self._unread.popleft()]
        size = len(parts[0])
        while self._unread and size + len(self._unread[0]) <= READ_SIZE:
            parts.append(self._unread.popleft())
            size += len(parts[-1])
        data = bytes(parts[0]) if len(parts) == 1 else b"".join(parts)
        self._incoming.consumed(len(data))
        self._protocol.data_received(data)

    def _read_buffered(self) -> None:
        buffer = self._protocol.get_buffer(-1)
        if not len(buffer):
            raise RuntimeError("get_buffer() returned an empty buffer")
        filled = 0
        with memoryview(buffer).cast("B") as view:
            while self._unread and filled < len(view):
                data = self._unread.popleft()
                room = len(view) - filled
                if len(data) > room:
                    rest = memoryview(data)
                    self._unread.appendleft(rest[room:])
                    data = rest[:room]
                view[filled : filled + len(data)] = data
                filled += len(data)
        self._incoming.consumed(filled)
        self._protocol.buffer_updated(filled)

    def _deliver_end(self) -> None:
        self._end_delivered = True
        sent, received = self._incoming.sent, self._incoming.received
        assert sent == received, f"{self!r}: {sent} bytes were sent, {received} received"
        if not self._protocol.eof_received():
            self.close()

    # Writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__}")
        if self._end_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data or self._lost:
            return
        self._outgoing.write(bytes(data))
        if not self._writing_paused and self.get_write_buffer_size() > self._high:
            self._writing_paused = True
            self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._closing:
            self._end_written = True
            self._outgoing.end()

    def get_write_buffer_size(self) -> int:
        return max(0, self._outgoing.unsent_size - SEND_BUFFER)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        if not self._writing_paused and self.get_write_buffer_size() > high:
            self._writing_paused = True
            self._protocol.pause_writing()

    def bytes_left(self) -> None:
        """From the outgoing pipe: it took bytes."""
        size = self.get_write_buffer_size()
        if self._closing and not self._lost and size == 0:
            self._finish()
        elif self._writing_paused and size <= self._low and not self._lost:
            self._writing_paused = False
            self._protocol.resume_writing()

    # Closing

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._unread_after_close = bool(self._unread)
            self._unread.clear()
            if self.get_write_buffer_size() == 0:
                self._finish()

    def abort(self) -> None:
        self._outgoing.reset()
        self._force_close(None)

    def _finish(self) -> None:
        """The kernel has every byte: the program's part is over."""
        if self._unread_after_close:
            self._outgoing.reset()
        else:
            self._outgoing.end()
        self._lose(None)

    def gave_up(self, error: OSError) -> None:
        """From the outgoing pipe: the other side cannot be reached."""
        self._force_close(error)

    def host_killed(self) -> None:
        self._outgoing.reset()
        self._force_close(ConnectionAbortedError(errno.ECONNABORTED, "the host was killed"))

    def host_resumed(self) -> None:
        self._scheduler.call_soon(self._outgoing.pump, context=self._context)

    def _force_close(self, error: BaseException | None) -> None:
        self._closing = True
        self._unread.clear()
        self._outgoing.discard()
        self._lose(error)

    def _lose(self, error: BaseException | None) -> None:
        if not self._lost:
            self._lost = True
            self._call_soon(self._connection_lost, error)

    def _connection_lost(self, error: BaseException | None) -> None:
        self._host.close(self)
        try:
            self._protocol.connection_lost(error)
        finally:
            if self._server is not None:
                self._server.detach(self)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
