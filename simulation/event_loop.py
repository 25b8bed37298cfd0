"""An asyncio event loop whose clock, network, names and executor are simulated.

Only what `asyncio.BaseEventLoop` leaves to its children is written here: `select` jumps the clock
to the next timer or delivery instead of waiting, and the `create_…` methods open simulated
sockets. Everything above (tasks, timeouts, streams, aiohttp) is stock.

The clock starts at 0.0 and moves only when nothing is ready. Deliveries that are due at one
instant happen in the order in which they were sent; timers of that instant follow.
"""

import asyncio
import heapq
import itertools
import socket
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from types import SimpleNamespace
from typing import Any, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

from simulation.datagram import DatagramTransport
from simulation.errors import Deadlock, SimulationError
from simulation.executor import InlineExecutor
from simulation.host import Host, current_host
from simulation.names import family_of, numeric
from simulation.network import Network
from simulation.ports import ANY4, ANY6, socket_address
from simulation.server import Connection, Listener, ProtocolFactory, Server, connect
from simulation.tasks import SimulatedFuture, new_task, pending_tasks

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

TURNS_PER_INSTANT = 100_000
"""Turns of the loop in which the clock may stand still before that counts as a live-lock."""

NAMED_TASKS = 20
"""Tasks named in an error message."""


class SimulatedEventLoop(asyncio.BaseEventLoop):
    """Everything random follows from `seed`; `network` is the internet its programs live on."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        self._now = 0.0
        self._clock_resolution = 1e-9  # seconds; timers due within it are due
        self._selector = SimpleNamespace(select=self._advance)
        self._turns = 0  # in this instant
        self._order = itertools.count()
        self._deliveries: list[tuple[float, int, asyncio.Handle]] = []
        self._connected: WeakKeyDictionary[Any, Connection] = WeakKeyDictionary()
        self.executor = InlineExecutor()
        self.network = Network(self, seed=seed)
        self.set_task_factory(new_task)

    # Clock and order

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def deliver_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context
    ) -> None:
        """As `call_at`, for the network: first sent, first delivered, and cheaper."""
        handle = asyncio.Handle(callback, args, self, context)
        heapq.heappush(self._deliveries, (when, next(self._order), handle))

    def _advance(self, timeout: float | None) -> None:
        """The selector's `select`: jumps to the next event instead of waiting for it."""
        deliveries = self._deliveries
        if timeout == 0:
            self._turns += 1
            if self._turns > TURNS_PER_INSTANT:
                self._turns = 0
                raise SimulationError(f"time stands still at {self._now}: {self._who_waits()}")
        elif timeout is None and not deliveries:
            raise Deadlock(f"nothing will ever happen after {self._now} s: {self._who_waits()}")
        else:
            self._turns = 0
            if timeout is None or (deliveries and deliveries[0][0] < self._scheduled[0].when()):
                self._now = max(self._now, deliveries[0][0])
            else:
                self._now = self._scheduled[0].when()
        while deliveries and deliveries[0][0] <= self._now:
            self._ready.append(heapq.heappop(deliveries)[2])

    def _process_events(self, event_list: None) -> None:
        """`_advance` has put everything in its place."""

    def _write_to_self(self) -> None:
        """There is no thread to be woken from."""

    def _who_waits(self) -> str:
        names = [
            f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')})"
            for task in pending_tasks(self)
        ]
        return f"{len(names)} tasks wait: " + ", ".join(names[:NAMED_TASKS])

    def create_future(self) -> asyncio.Future[Any]:
        return SimulatedFuture(loop=self)

    def run_until_idle(self) -> None:
        """Runs what is ready, and what that makes ready, without moving the clock."""
        for _ in range(TURNS_PER_INSTANT):
            if not self._ready:
                break
            self.stop()
            self.run_forever()

    def run_in_executor(
        self, executor: Any, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Whatever the executor: see `executor.InlineExecutor`."""
        return self.create_task(self.executor.run(func, args), name="executor job")

    def add_signal_handler(self, sig: int, callback: Callable[[*_Ts], object], *args: *_Ts) -> None:
        """No signal is ever sent."""

    def remove_signal_handler(self, sig: int) -> bool:
        return False

    # Names

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """From `network.names`. Raises socket.gaierror."""
        name = host.decode("idna") if isinstance(host, bytes) else host
        addresses = numeric(name, passive=bool(flags & socket.AI_PASSIVE))
        if addresses is None:
            if flags & socket.AI_NUMERICHOST:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            await asyncio.sleep(self.network.names.latency)
            addresses = self.network.names.resolve(name or "")
        kind = type or socket.SOCK_STREAM
        found = [
            (family_of(address), kind, proto, "", socket_address(address, int(port or 0)))
            for address in addresses
            if family in (0, family_of(address))
        ]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return found

    async def getnameinfo(
        self, sockaddr: tuple[str, int] | tuple[str, int, int, int], flags: int = 0
    ) -> tuple[str, str]:
        if flags & socket.NI_NUMERICHOST:
            return sockaddr[0], str(sockaddr[1])
        await asyncio.sleep(self.network.names.latency)
        return self.network.names.name_of(sockaddr[0]), str(sockaddr[1])

    # Streams

    async def create_connection(
        self,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        family: int = 0,
        sock: Any = None,
        local_addr: Any = None,
        **options: Any,
    ) -> Any:
        """As asyncio's; the addresses of a name are tried one after the other. No TLS."""
        if ssl:
            raise NotImplementedError("TLS is not simulated")
        if sock is None:
            connection = await self._connect(host, port, family, local_addr)
        else:
            connection = self._connected.pop(sock)
            sock.close()
        protocol = protocol_factory()
        return await connection.start(protocol), protocol

    async def _connect(self, host: Any, port: Any, family: int, local_addr: Any) -> Connection:
        local, local_port = (local_addr or ("", 0))[:2]
        errors: list[OSError] = []
        for _, _, _, _, remote in await self.getaddrinfo(host, port, family=family):
            try:
                source = await self._local_host(local, remote[0])
                return await connect(self.network, source, local_port, remote[:2])
            except OSError as error:
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        raise OSError(f"Multiple exceptions: {', '.join(str(error) for error in errors)}")

    async def _local_host(self, local: str, remote: str) -> Host:
        if not local:
            return current_host()
        found = await self.getaddrinfo(local, 0, family=family_of(remote))
        return self.network.local_host(found[0][4][0])

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """For libraries that hand a connected socket to `create_connection` (aiohttp's client).

        The socket itself stays unconnected: it only stands for the simulated connection.
        """
        found = await self.getaddrinfo(address[0], address[1], family=sock.family)
        remote = found[0][4][:2]
        local, local_port = sock.getsockname()[:2]
        source = await self._local_host(local, remote[0])
        self._connected[sock] = await connect(self.network, source, local_port, remote)

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        host: Any = None,
        port: Any = None,
        *,
        family: int = 0,
        flags: int = socket.AI_PASSIVE,
        sock: Any = None,
        ssl: Any = None,
        start_serving: bool = True,
        **options: Any,
    ) -> Any:
        """As asyncio's, from host and port only. No TLS. Raises OSError (EADDRINUSE)."""
        if ssl or sock is not None:
            raise NotImplementedError("neither TLS nor ready-made sockets are simulated")
        names: Iterable[str | None] = [host] if host is None or isinstance(host, str) else host
        listeners: list[Listener] = []
        try:
            for name in names:
                for info in await self.getaddrinfo(name, port, family=family, flags=flags):
                    address, number = info[4][:2]
                    listeners.append(Listener(self.network.local_host(address), address, number))
        except OSError:
            for listener in listeners:
                listener.close()
            raise
        server = Server(self, listeners, protocol_factory)
        if start_serving:
            await server.start_serving()
        return server

    async def sendfile(self, *args: Any, **options: Any) -> int:
        """Callers fall back to read and write."""
        raise NotImplementedError("sendfile is not simulated")

    # Datagrams

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], Any],
        local_addr: Any = None,
        remote_addr: Any = None,
        *,
        family: int = 0,
        sock: Any = None,
        **options: Any,
    ) -> Any:
        """As asyncio's. Raises OSError (EADDRINUSE, EADDRNOTAVAIL)."""
        if sock is not None:
            raise NotImplementedError("ready-made sockets are not simulated")
        remote = None
        if remote_addr is not None:
            remote = await self._datagram_address(remote_addr, family)
            family = family_of(remote[0])
        if local_addr is None:
            local_addr = (ANY6 if family == socket.AF_INET6 else ANY4, 0)
        local = await self._datagram_address(local_addr, family)
        protocol = protocol_factory()
        transport = DatagramTransport(
            self.network.local_host(local[0]), protocol, local=local, remote=remote
        )
        waiter = self.create_future()
        transport.start(waiter)
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol

    async def _datagram_address(self, address: Any, family: int) -> tuple[str, int]:
        options = {"family": family, "type": socket.SOCK_DGRAM, "flags": socket.AI_PASSIVE}
        found = await self.getaddrinfo(address[0], address[1], **options)
        host, port = found[0][4][:2]
        return host, port
