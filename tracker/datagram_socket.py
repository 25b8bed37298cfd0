"""asyncio-dgram's stream without its queue: each datagram is judged where it arrives.

The library puts every datagram into a queue without bounds, for a task to read. A tracker's packets
need neither: a server's reply and a client's match take microseconds. So nothing of a flood is ever
stored; what comes faster than it is handled waits in the system's buffer, which has a bound, and is
dropped there (K9, G5). Likewise a reply that the system would not take at once is dropped.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from asyncio_dgram.aio import DatagramServer, Protocol

from formats.endpoint import Endpoint

Receiver: TypeAlias = Callable[[bytes, tuple[Any, ...]], None]
"""Called with each datagram and its source as the system names it: (host, port, ...)."""


class DatagramSocket(DatagramServer):
    """A bound UDP socket; made by `open_socket`."""

    def __init__(self, transport: asyncio.DatagramTransport, protocol: "_Direct") -> None:
        super().__init__(
            cast(Any, transport),  # the library's stub calls it a protocol
            protocol.received,
            protocol.errors,
            protocol.drained,
        )
        self._datagrams = transport
        self._protocol = protocol

    @property
    def endpoint(self) -> Endpoint:
        """What the socket is bound to."""
        host, port = cast(tuple[str, int], self.sockname)[:2]
        return Endpoint(host, port)

    def send_now(self, data: bytes, target: tuple[Any, ...]) -> bool:
        """Send, or give up at once; False if it is known that nothing was sent."""
        protocol = self._protocol
        if self._datagrams.is_closing() or not protocol.drained.is_set():
            return False
        failures = protocol.failures
        self._datagrams.sendto(data, target)
        return protocol.failures == failures

    async def wait_closed(self) -> None:
        """After `close`: until the port is free again."""
        await self._protocol.closed.wait()


class _Direct(Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self.received: asyncio.Queue[Any] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()
        self.drained = asyncio.Event()
        self.closed = asyncio.Event()
        self.failures = 0
        self._receiver = receiver
        super().__init__(self.received, self.errors, self.drained)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._receiver(data, addr)

    def error_received(self, exc: Exception) -> None:
        self.failures += 1

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(None)
        self.closed.set()


async def open_socket(host: str, port: int, receiver: Receiver) -> DatagramSocket:
    """Bind a numeric address; port 0 is any free one. Raises OSError."""
    loop = asyncio.get_running_loop()
    try:
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: _Direct(receiver), local_addr=(host, port)
        )
    except OSError as error:
        if isinstance(error.__cause__, OSError):  # uvloop's has no number
            raise error.__cause__ from None
        raise
    return DatagramSocket(transport, protocol)
