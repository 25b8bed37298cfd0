"""Networks of whole DHT nodes on the simulated internet."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any

from dht.config import DhtConfig
from dht.dht import Dht
from dht.source_budget import BudgetLimits
from formats.endpoint import Endpoint
from simulation import Host, Network

PORT = 6881

GENEROUS = BudgetLimits(
    host_rate=1e4,
    host_burst=1e4,
    subnet_rate=1e4,
    subnet_burst=1e4,
    reply_bytes=1e7,
    values_for_strangers=True,
)
"""For networks so small that everybody asks the same few nodes all the time."""


class Member:
    """One node and its host, which outlives it."""

    dht: Dht

    def __init__(self, world: "World", host: Host, config: DhtConfig) -> None:
        self.world = world
        self.host = host
        self.config = config
        self._leave = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.host.address, PORT)

    async def start(self, **changes: Any) -> "Member":
        """Return when the sockets are open."""
        self._leave.clear()
        self.config = replace(self.config, **changes)
        opened = asyncio.Event()
        self._life = self.world.tasks.create_task(self.host.run(self._live(opened)))
        await opened.wait()
        return self

    async def stop(self) -> None:
        """The polite way."""
        if self._life is not None:
            self._leave.set()
            await self._life
            self._life = None

    async def kill(self) -> None:
        """The node is gone without a word."""
        assert self._life is not None
        self.host.kill(silent=True)
        self._life.cancel()
        await asyncio.gather(self._life, return_exceptions=True)
        self._life = None

    async def run(self, program: Any) -> Any:
        """Await something as a program of this host."""
        return await self.host.run(program)

    async def _live(self, opened: asyncio.Event) -> None:
        try:
            async with Dht(self.config, rng=self.host.rng, clock=self.host.clock) as self.dht:
                opened.set()
                await self._leave.wait()
        finally:
            opened.set()


class World:
    """`async with World(network) as world`: at its end every node has left."""

    def __init__(self, network: Network, *, latency: float = 0.02, loss: float = 0.0) -> None:
        self.network = network
        self.latency = latency
        self.loss = loss
        self.members: list[Member] = []
        self.tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> "World":
        await self.tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.sleep(0.0123)  # off the beat on which the members do things
        for member in self.members:
            await member.stop()
        await self.tasks.__aexit__(kind, error, trace)

    def host(self, name: str | None = None, *, ipv6: bool = False) -> Host:
        """A host in a /16 (and /32) of its own."""
        number = len(self.network.hosts) + 1
        return self.network.host(
            name,
            address=f"{20 + number % 50}.{number // 50}.7.1",
            ipv6=f"26{number % 100:02d}:{number // 100 + 1:x}::1" if ipv6 else False,
            latency=self.latency,
            loss=self.loss,
        )

    def member(
        self, name: str | None = None, *, ipv4: bool = True, ipv6: bool = False, **changes: Any
    ) -> Member:
        """A node that is not yet started, on a host of its own."""
        host = self.host(name, ipv6=ipv6)
        addresses = [a for a in host.addresses if (":" in a and ipv6) or (":" not in a and ipv4)]
        options: dict[str, Any] = {
            "listen": tuple((address, PORT) for address in addresses),
            "built_in_hosts": (),
            "budget_limits": GENEROUS,
        }
        member = Member(self, host, DhtConfig(**options | changes))
        self.members.append(member)
        return member

    async def grow(self, count: int, **changes: Any) -> list[Member]:
        """Start nodes one after the other; each knows one that was there before."""
        grown = []
        for _ in range(count):
            known = [(m.endpoint.host, PORT) for m in self.members[-2:]]
            member = self.member(**{"bootstrap": tuple(known)} | changes)
            grown.append(await member.start())
            await asyncio.sleep(0.5)
        return grown

    async def until(self, condition: Callable[[], bool], *, within: float) -> float:
        """Wait; returns the virtual seconds it took. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(0.1)
        return loop.time() - started


class Stranger(asyncio.DatagramProtocol):
    """A bare socket: it sends any bytes, and keeps what it receives."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Endpoint]] = []
        self.transport: asyncio.DatagramTransport

    @classmethod
    async def on(cls, host: Host, port: int = PORT) -> "Stranger":
        loop = asyncio.get_running_loop()
        _, stranger = await loop.create_datagram_endpoint(cls, local_addr=(host.address, port))
        return stranger

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received.append((data, Endpoint(addr[0], addr[1])))

    def send(self, data: bytes, to: Endpoint) -> None:
        self.transport.sendto(data, to)

    def close(self) -> None:
        self.transport.close()
