"""asyncio-dgram's stream behind a guard: what is not wanted never enters its queue.

The library's protocol puts every datagram into a queue without bounds. A flood of strangers would
grow it without end and make our own answers wait behind it (D9, G5); so the guard is asked before
the queue, and a datagram that it refuses costs nothing more. Errors of sending, of which each is
kept for the next call otherwise, are counted instead.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from asyncio_dgram.aio import DatagramServer, Protocol

from formats.endpoint import Endpoint, is_ipv6

Guard: TypeAlias = Callable[[bytes, Endpoint, int], bool]
"""Whether a datagram from an endpoint may join the queue, in which so many wait already."""


class GuardedStream(DatagramServer):
    """A bound UDP socket; `send` and `recv` are asyncio-dgram's."""

    def __init__(self, transport: asyncio.DatagramTransport, protocol: "_GuardedProtocol") -> None:
        super().__init__(
            cast(Any, transport),  # the library's stub calls it a protocol
            protocol.received,
            protocol.errors,
            protocol.drained,
        )
        self._protocol = protocol

    @property
    def endpoint(self) -> Endpoint:
        """What the socket is bound to."""
        host, port = cast(tuple[str, int], self.sockname)[:2]
        return Endpoint(host, port)

    @property
    def is_writable(self) -> bool:
        """Whether `send` would return at once: the system's buffer has room."""
        return self._protocol.drained.is_set()

    def send_now(self, data: bytes, endpoint: Endpoint) -> bool:
        """Send if that takes no waiting; whether the system took it.

        `send` is a coroutine, and a node answers tens of thousands of queries a second.
        """
        transport = self._protocol.transport
        if transport is None or transport.is_closing() or not self.is_writable:
            return False
        failures = self._protocol.failures
        transport.sendto(data, endpoint)
        return self._protocol.failures == failures

    async def wait_closed(self) -> None:
        """After `close`: until the port is free again."""
        await self._protocol.closed.wait()


class _GuardedProtocol(Protocol):
    def __init__(self, guard: Guard) -> None:
        self.received: asyncio.Queue[Any] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()
        self.drained = asyncio.Event()
        self.closed = asyncio.Event()
        self.failures = 0
        self.transport: asyncio.DatagramTransport | None = None
        """None before there is one and once it is gone."""
        self._guard = guard
        super().__init__(self.received, self.errors, self.drained)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        endpoint = Endpoint(addr[0], addr[1])
        if self._guard(data, endpoint, self.received.qsize()):
            self.received.put_nowait((data, endpoint))

    def error_received(self, exc: Exception) -> None:
        self.failures += 1

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(None)
        self.transport = None
        self.drained.set()  # nobody waits for a socket that is gone
        self.closed.set()


async def open_stream(host: str, port: int, guard: Guard) -> GuardedStream:
    """Bind a numeric address. Raises OSError."""
    try:
        return await _open(guard, local_addr=(host, port))
    except OSError as error:
        if host != "::" or error.errno != errno.EADDRINUSE:
            raise
    return await _open(guard, sock=_ipv6_only(port))


async def _open(guard: Guard, **where: Any) -> GuardedStream:
    loop = asyncio.get_running_loop()
    try:
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: _GuardedProtocol(guard), **where
        )
    except OSError as error:
        if isinstance(error.__cause__, OSError):  # uvloop's has no number
            raise error.__cause__ from None
        raise
    return GuardedStream(transport, protocol)


def _ipv6_only(port: int) -> Any:
    """A socket for `::` without the IPv4 addresses, which another socket holds at this port.

    asyncio offers no way to say so before it binds.
    """
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)  # noqa: TID251 - see above
    try:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(("::", port))
    except OSError:
        sock.close()
        raise
    return sock


async def local_address(remote: Endpoint) -> str | None:
    """The address from which this machine would send to `remote`; None if it would not."""
    loop = asyncio.get_running_loop()
    unspecified = "::" if is_ipv6(remote.host) else "0.0.0.0"  # noqa: S104 - nothing is received
    try:
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=(unspecified, 0), remote_addr=remote
        )
    except OSError:
        return None
    name: tuple[str, int] = transport.get_extra_info("sockname")
    transport.close()
    return name[0]
