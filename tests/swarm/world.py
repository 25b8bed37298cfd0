"""A swarm of whole nodes on the simulated internet, and the trackers it meets at."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import simulation
from formats.endpoint import Endpoint
from node.config import NodeConfig
from node.node import Node
from node.torrent.options import TorrentOptions
from node.torrent.torrent import Torrent
from simulation import Host, Network
from simulation.disk import SimulatedDisk
from tests.swarm.content import MIB, Content
from tests.swarm.invariants import Watcher
from tests.swarm.lying_disk import LyingDisk
from tests.swarm.strangers import Stranger
from tracker.server import TrackerServer, start_tracker

_T = TypeVar("_T")

PORT = 6881
UP = 1 * MIB
"""Bytes per second of everybody's uplink, unless told otherwise."""
DOWN = 8 * MIB
LATENCY = 0.02
"""Seconds from each host to the middle."""


class Member:
    """One node of the swarm, its host and its disk. Both outlive the node."""

    torrent: Torrent

    def __init__(self, world: "World", host: Host, disk: SimulatedDisk, *, honest: bool) -> None:
        self.world = world
        self.host = host
        self.disk = disk
        self.honest = honest
        self.completed_at: float | None = None
        self.is_alive = False
        self._leave = asyncio.Event()
        self._life: asyncio.Task[None]

    def __repr__(self) -> str:
        return self.host.name

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.host.address, PORT)

    @property
    def progress(self) -> float:
        return self.torrent.picker.have.bit_count() / self.torrent.picker.piece_count

    @property
    def uploaded(self) -> int:
        """Payload bytes."""
        return self.torrent.up.total

    async def start(self, config: NodeConfig, options: TorrentOptions) -> None:
        """Return when the torrent has been added."""
        self.started_with = config, options
        self._leave.clear()
        added = asyncio.Event()
        life = self.host.run(self._live(config, options, added))
        self._life = self.world.tasks.create_task(life, name=f"life of {self}")
        await added.wait()

    async def stop(self) -> None:
        """The polite way."""
        self._leave.set()
        await self._life

    async def kill(self) -> None:
        """The node is gone between two packets; its peers see RST."""
        self.is_alive = False
        self.host.kill()
        self._life.cancel()
        await asyncio.gather(self._life, return_exceptions=True)

    async def _live(
        self, config: NodeConfig, options: TorrentOptions, added: asyncio.Event
    ) -> None:
        node = Node(config, rng=self.host.rng, clock=self.host.clock, open_disk=lambda _: self.disk)
        async with node:
            self.torrent = await node.add(
                self.world.content.metainfo, Path("/downloads"), options=options
            )
            self.is_alive = True
            added.set()
            await self._leave.wait()
        self.is_alive = False


class World:
    """`async with World(network, content) as world`: at its end everybody leaves politely, and the
    invariants must have held all the time."""

    def __init__(self, network: Network, content: Content) -> None:
        self.network = network
        self.content = content
        self.members: list[Member] = []
        self.trackers: dict[str, TrackerServer] = {}
        self.tasks = asyncio.TaskGroup()
        self.watcher = Watcher(self)
        self._watching: asyncio.Task[None]
        self._strangers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "World":
        await self.tasks.__aenter__()
        self._watching = self.tasks.create_task(self.watcher.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watching.cancel()
        for stranger in self._strangers:
            stranger.cancel()
        if error is None:
            self.watcher.look()
            await asyncio.gather(*(member.stop() for member in self.members if member.is_alive))
        try:
            await self.tasks.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            if error is not None and error in group.exceptions:
                raise error from None
            raise
        for tracker in self.trackers.values():
            await tracker.close()

    @property
    def loop(self) -> simulation.SimulatedEventLoop:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, simulation.SimulatedEventLoop)
        return loop

    def now(self) -> float:
        return self.loop.time()

    # Who takes part

    async def tracker(self, name: str = "tracker", **host_options: Any) -> Host:
        """The product's own tracker on a host of that name, port 6969."""
        host = self.network.host(name, latency=LATENCY, **host_options)
        address = host.addresses[0] if len(host.addresses) == 1 else "::"
        starting = start_tracker(host=address, port=6969, rng=host.rng)
        self.trackers[name] = await host.run(starting)
        return host

    async def seed(self, name: str = "seed", **options: Any) -> Member:
        """A node that has everything."""
        member = await self.join(name, complete=True, **options)
        await self.until(lambda: member.torrent.is_complete)
        return member

    async def leechers(self, count: int, **options: Any) -> list[Member]:
        """Nodes that have nothing."""
        return [await self.join(f"leecher{n}", **options) for n in range(count)]

    async def join(
        self,
        name: str,
        *,
        complete: bool = False,
        honest: bool = True,
        up: float = UP,
        down: float = DOWN,
        address: str | None = None,
        ipv6: bool = False,
        listen: tuple[str, int] | None = None,
        torrent: TorrentOptions | None = None,
        disk: Callable[..., SimulatedDisk] = SimulatedDisk,
        peers: Sequence[Endpoint] = (),
        **config: Any,
    ) -> Member:
        """A node of our own. It is excluded from the checks of the data and of bans if dishonest."""
        host = self.network.host(
            name, up=up, down=down, latency=LATENCY, address=address, ipv6=ipv6
        )
        member = Member(self, host, disk(self.loop.executor, clock=host.clock), honest=honest)
        if isinstance(member.disk, LyingDisk):
            member.disk.rng = self.network.random(f"lies of {name}")
        if complete:
            for file in self.content.metainfo.files:
                handle = member.disk.open(file.path, write=True)
                handle.write(memoryview(self.content.of_file(file)), 0)
        options = torrent or TorrentOptions(assume_verified=complete, peers=tuple(peers))
        if not ipv6:
            listen = listen or (host.address, PORT)
        self.members.append(member)
        await member.start(NodeConfig(**{"listen": listen, "use_dht": False} | config), options)
        return member

    def stranger(self, habit: type[Stranger], name: str = "stranger") -> Stranger:
        """A peer with a bad habit."""
        host = self.network.host(name, up=UP, down=DOWN, latency=LATENCY)
        stranger = habit(self, host)
        self._strangers.append(self.tasks.create_task(host.run(stranger.live())))
        return stranger

    async def rejoin(self, member: Member) -> None:
        """A member that was killed starts again, with the disk it left behind."""
        member.host.boot()
        member.completed_at = None
        config, options = member.started_with
        await member.start(config, options)

    # Waiting

    async def complete(self, members: Iterable[Member], within: float = 300.0) -> float:
        """The virtual time when the last of them had every wanted piece.

        Asserts that it takes at most `within` seconds from now; says who lacks what.
        """
        members = list(members)
        deadline = self.now() + within
        while not all(member.completed_at is not None for member in members):
            for member in members:
                if member.completed_at is None and member.torrent.is_complete:
                    member.completed_at = self.now()
            assert self.now() < deadline, self._who_waits(members)
            await asyncio.sleep(0.05)
        return max(member.completed_at or 0.0 for member in members)

    async def until(self, condition: Callable[[], bool], within: float = 300.0) -> float:
        """The virtual time when the condition held at last."""
        deadline = self.now() + within
        while not condition():
            assert self.now() < deadline, self._who_waits(self.members)
            await asyncio.sleep(0.05)
        return self.now()

    def _who_waits(self, members: Iterable[Member]) -> str:
        lines = []
        for member in members:
            if member.completed_at is None:
                status = member.torrent.status()
                lines.append(
                    f"{member}: {status.state} {status.pieces}/{status.piece_count} pieces,"
                    f" {status.peers} peers, {status.error or ''}"
                )
        return f"at {self.now():.1f} s still waiting:\n" + "\n".join(lines)


def run(main: Callable[[Network], Awaitable[_T]], *, seed: int = 1, until: float = 3_600) -> _T:
    """`simulation.run` with patience that no scenario needs."""
    return simulation.run(main, seed=seed, until=until)
