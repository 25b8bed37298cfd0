"""Listening, connecting, and the handshake between them.

A SYN takes one delay to the target, the answer one delay back (the connecting side is connected
then), and the ACK one more: `protocol_factory` of the listening side runs 1.5 round trips after
the SYN, before any byte arrives. SYNs into a cut way are sent again after 1, 2, 4 … seconds;
the attempt fails with TimeoutError after SYN_PATIENCE, as on Linux.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING

from simulation.pipe import Item, Mark, Pipe
from simulation.socket_info import Address, SocketInfo
from simulation.stream import StreamTransport
from simulation.trace import Flow, Kind

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.network import Network

SYN_PATIENCE = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Seconds waited for an answer to each SYN: Linux, tcp_syn_retries = 6, 127 s in all."""

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class Listener:
    """One address on which a server accepts."""

    def __init__(self, host: "Host", address: str, port: int) -> None:
        self.host = host
        self.address = address
        self.server: Server | None = None  # set while it accepts
        self.context: Context = host.network.context
        host.check_alive()
        self.port = host.tcp.bind(address, port, self)
        host.open(self)

    def __repr__(self) -> str:
        return f"<TCP listener {self.host.name} {self.address} port {self.port}>"

    def close(self) -> None:
        self.server = None
        self.host.tcp.release(self.address, self.port)
        self.host.close(self)

    def host_killed(self) -> None:
        self.close()

    def host_resumed(self) -> None:
        """What arrived meanwhile is delivered by the host."""


class Server(asyncio.AbstractServer):
    """As asyncio's of Python 3.12: `wait_closed` waits for the accepted connections too."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listeners: list[Listener],
        protocol_factory: ProtocolFactory,
    ) -> None:
        self._loop = loop
        self._listeners = listeners
        self.protocol_factory = protocol_factory
        self._connections: dict[StreamTransport, None] = {}
        self._serving = self._closed = False
        self._waiters: list[asyncio.Future[None]] = []
        self._forever: asyncio.Future[None] | None = None

    @property
    def sockets(self) -> tuple[SocketInfo, ...]:
        if self._closed:
            return ()
        return tuple(
            SocketInfo(socket.SOCK_STREAM, local=(one.address, one.port)) for one in self._listeners
        )

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def is_serving(self) -> bool:
        return self._serving

    def accept(self) -> None:
        """Starts accepting; twice is as good as once."""
        self._serving = True
        for listener in self._listeners:
            listener.server = self
            listener.context = copy_context()

    async def start_serving(self) -> None:
        if self._closed:
            raise RuntimeError(f"server {self!r} is closed")
        self.accept()
        await asyncio.sleep(0)

    async def serve_forever(self) -> None:
        if self._forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        await self.start_serving()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        finally:
            self._forever = None
            self.close()
            await self.wait_closed()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._serving = False
        for listener in self._listeners:
            listener.close()
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._wake_if_over()

    def close_clients(self) -> None:
        for transport in list(self._connections):
            transport.close()

    def abort_clients(self) -> None:
        for transport in list(self._connections):
            transport.abort()

    async def wait_closed(self) -> None:
        if not self._closed or self._connections:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def attach(self, transport: StreamTransport) -> None:
        self._connections[transport] = None

    def detach(self, transport: StreamTransport) -> None:
        del self._connections[transport]
        self._wake_if_over()

    def _wake_if_over(self) -> None:
        if self._closed and not self._connections:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)


class Handshake:
    """A half-open connection at the listening side: becomes a transport when the ACK comes."""

    def __init__(
        self, listener: Listener, incoming: Pipe, outgoing: Pipe, info: SocketInfo
    ) -> None:
        self._listener = listener
        self._incoming = incoming
        self._outgoing = outgoing
        self._info = info

    def arrived(self, item: Item) -> None:
        server = self._listener.server
        if item is not Mark.OPEN or server is None:
            self._outgoing.reset()
            return
        try:
            protocol = server.protocol_factory()
        except BaseException:
            self._outgoing.reset()
            raise
        StreamTransport(
            self._listener.host,
            protocol,
            incoming=self._incoming,
            outgoing=self._outgoing,
            info=self._info,
            context=self._listener.context,
            server=server,
        ).start()


class Connection:
    """An established connection that no protocol has yet."""

    def __init__(self, host: "Host", incoming: Pipe, outgoing: Pipe, info: SocketInfo) -> None:
        self._host = host
        self._incoming = incoming
        self._outgoing = outgoing
        self._info = info

    async def start(self, protocol: asyncio.BaseProtocol) -> StreamTransport:
        """The transport, after `connection_made`. Raises OSError (ENETDOWN)."""
        transport = StreamTransport(
            self._host,
            protocol,
            incoming=self._incoming,
            outgoing=self._outgoing,
            info=self._info,
        )
        waiter = asyncio.get_running_loop().create_future()
        self._outgoing.open()
        transport.start(waiter)
        await waiter
        return transport


async def connect(
    network: "Network", source: "Host", local_port: int, remote: Address
) -> Connection:
    """Raises OSError: refused, timed out, no way there, or the own host killed."""
    address = source.source_address(remote[0])
    local = (address, local_port or source.tcp.free_port())
    target = network.host_at(remote[0], source)
    flow = Flow(source.number, local[1], target.number if target else 0, remote[1])
    for patience in SYN_PATIENCE:
        source.check_alive()
        deadline = network.scheduler.time() + patience
        network.trace.record(network.scheduler.time(), deadline, Kind.CONNECT, flow, b"")
        if target is not None:
            listener = await _exchange(network, source, target, remote)
            if listener is not None:
                return _establish(network, source, listener, local=local, remote=remote)
        await asyncio.sleep(max(0.0, deadline - network.scheduler.time()))
    raise TimeoutError(errno.ETIMEDOUT, f"no answer from {remote[0]} port {remote[1]}")


async def _exchange(
    network: "Network", source: "Host", target: "Host", remote: Address
) -> Listener | None:
    """SYN and its answer: who accepts; None: no answer. Raises ConnectionRefusedError."""
    await asyncio.sleep(network.segment_delay(source, target))
    if not network.is_open(source, target):
        return None
    listener = None if target.refusing else target.tcp.find(*remote)
    accepts = listener is not None and listener.server is not None
    await asyncio.sleep(network.segment_delay(target, source))
    if not network.is_open(source, target):
        return None
    source.check_alive()
    if not accepts:
        where = f"{remote[0]} port {remote[1]}"
        raise ConnectionRefusedError(errno.ECONNREFUSED, f"connection refused by {where}")
    return listener


def _establish(
    network: "Network", source: "Host", listener: Listener, *, local: Address, remote: Address
) -> Connection:
    target = listener.host
    there = Pipe(network, source, target, ports=(local[1], remote[1]))
    back = Pipe(network, target, source, ports=(remote[1], local[1]))
    info = SocketInfo(socket.SOCK_STREAM, local=remote, remote=local)
    there.attach_receiver(Handshake(listener, there, back, info), listener.context)
    info = SocketInfo(socket.SOCK_STREAM, local=local, remote=remote)
    return Connection(source, back, there, info)
