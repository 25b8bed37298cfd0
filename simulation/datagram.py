"""The UDP transport: asyncio's selector transport in behaviour, one event per datagram."""

import asyncio
import errno
import socket
import sys
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from simulation.ports import is_ipv6, socket_address, wildcard
from simulation.socket_info import Address, SocketInfo
from simulation.trace import Flow, Kind

if TYPE_CHECKING:
    from simulation.host import Host

LARGEST_DATAGRAM = 65_507
"""Bytes of payload: IPv4's 65,535 less its header and UDP's."""

SENDS_EMPTY = sys.version_info >= (3, 13)
"""Before Python 3.13 asyncio drops an empty datagram."""


class DatagramTransport(asyncio.DatagramTransport):
    """A UDP socket of `host`, bound to `local`: an address, which may be the wildcard, and a port.

    It never pauses writing: a full up-link drops. Raises OSError: EADDRINUSE, ENETDOWN.
    """

    def __init__(
        self,
        host: "Host",
        protocol: asyncio.BaseProtocol,
        *,
        local: Address,
        remote: Address | None = None,
    ) -> None:
        host.check_alive()
        self._host = host
        self._network = host.network
        self._address = local[0]
        self._remote = remote
        self._context = copy_context()
        self._protocol: Any = protocol  # any object with the right methods, as with stock asyncio
        self._closing = False  # nothing is received any more
        self._closed = False  # nothing is sent any more either
        self._port = host.udp.bind(*local, self)
        host.open(self)
        name = (host.source_address(remote[0]) if remote else self._address, self._port)
        info = SocketInfo(socket.SOCK_DGRAM, local=name, remote=remote)
        super().__init__(
            {"socket": info, "sockname": info.getsockname(), "peername": info.getpeername()}
        )

    def __repr__(self) -> str:
        state = "closed" if self._closing else "open"
        return f"<UDP {self._host.name} {self._address} port {self._port} {state}>"

    def start(self, waiter: asyncio.Future[None]) -> None:
        scheduler = self._network.scheduler
        scheduler.call_soon(self._protocol.connection_made, self, context=self._context)
        scheduler.call_soon(_wake, waiter, context=self._context)

    # Sending

    def sendto(self, data: bytes | bytearray | memoryview, addr: Any = None) -> None:
        """`addr` is (host, port, …) with a numeric host. Loss is silent, as on the internet."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__}")
        if self._remote is not None:
            if addr is not None and addr[:2] != self._remote:
                raise ValueError(f"Invalid address: must be None or {self._remote}")
            addr = self._remote
        elif addr is None:
            raise ValueError("an address is needed: the endpoint is not connected")
        if self._closed or self._host.frozen or (not data and not SENDS_EMPTY):
            return
        address, port = addr[:2]
        if not 0 <= port <= 65_535:
            raise OverflowError("sendto(): port must be 0-65535.")
        if len(data) > LARGEST_DATAGRAM:
            self._protocol.error_received(OSError(errno.EMSGSIZE, "Message too long"))
        elif port == 0 or is_ipv6(address) != is_ipv6(self._address):
            self._protocol.error_received(OSError(errno.EINVAL, "Invalid argument"))
        else:
            self._launch(bytes(data), address, port)

    def _launch(self, data: bytes, address: str, port: int) -> None:
        network, source = self._network, self._host
        now = network.scheduler.time()
        target = network.host_at(address, source)
        if target is None:
            flow = Flow(source.number, self._port, 0, port)
            network.trace.record(now, now, Kind.LOST, flow, data, note="no such host")
            return
        flow = Flow(source.number, self._port, target.number, port)
        left = now if source is target else source.up.send_datagram(now, len(data))
        if left is None or network.is_lost(source, target):
            network.trace.record(now, now, Kind.LOST, flow, data)
            return
        arrival = left + network.delay(source, target)
        network.trace.record(now, arrival, Kind.DATAGRAM, flow, data)
        network.scheduler.deliver_at(
            arrival, self._arrive, target, data, (address, port), context=network.context
        )

    # On the way: still methods of the sending socket, in nobody's context

    def _arrive(self, target: "Host", data: bytes, destination: Address) -> None:
        """At the target's down-link."""
        network = self._network
        if not network.is_open(self._host, target):
            return
        if target.down.rate == float("inf") or target is self._host:
            self._deliver(target, data, destination)
            return
        now = network.scheduler.time()
        through = target.down.send_datagram(now, len(data))
        if through is not None:
            network.scheduler.deliver_at(
                through, self._deliver, target, data, destination, context=network.context
            )

    def _deliver(self, target: "Host", data: bytes, destination: Address) -> None:
        if target.frozen:
            target.hold(self._network.context, self._deliver, target, data, destination)
            return
        receiver = None if target.refusing else target.udp.find(*destination)
        if receiver is None:
            self._bounce(target)
            return
        source = self._address
        if source == wildcard(source):
            source = self._host.source_address(destination[0])
        receiver._context.run(receiver._receive, data, source, self._port)

    def _bounce(self, target: "Host") -> None:
        """ICMP "port unreachable": only a connected socket hears of it."""
        if self._remote is not None:
            network = self._network
            back = network.scheduler.time() + network.delay(target, self._host)
            network.scheduler.deliver_at(back, self._refused, context=self._context)

    def _refused(self) -> None:
        if not self._closing:
            error = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
            self._protocol.error_received(error)

    # Receiving

    def _receive(self, data: bytes, address: str, port: int) -> None:
        if not self._closing and self._remote in (None, (address, port)):
            self._protocol.datagram_received(data, socket_address(address, port))

    # The transport

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._close(None)

    def abort(self) -> None:
        self._close(None)

    def host_killed(self) -> None:
        self._closed = True
        self._close(ConnectionAbortedError(errno.ECONNABORTED, "the host was killed"))

    def host_resumed(self) -> None:
        """What arrived meanwhile is delivered by the host."""

    def _close(self, error: OSError | None) -> None:
        if not self._closing:
            self._closing = True
            self._host.udp.release(self._address, self._port)
            self._network.scheduler.call_soon(self._lost, error, context=self._context)

    def _lost(self, error: OSError | None) -> None:
        self._closed = True
        self._host.close(self)
        self._protocol.connection_lost(error)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
