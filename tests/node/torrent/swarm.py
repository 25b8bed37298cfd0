"""A node on a simulated host, and strangers who talk to it as a test says."""

import asyncio
import hashlib
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from formats import bencode
from formats.endpoint import Endpoint, pack_many
from formats.identifiers import PeerId
from formats.metainfo import Metainfo, parse_metainfo
from node.config import NodeConfig
from node.node import Node
from node.peer import messages
from node.peer.connection import CLOSING_SECONDS
from node.peer.events import Event, HandshakeReceived
from node.peer.extension import ExtensionHandshake
from node.peer.handshake import Handshake
from node.peer.messages import Block, MessageId, Reject, Request
from node.peer.protocol import PeerProtocol
from node.torrent.options import TorrentOptions
from node.torrent.torrent import Torrent
from simulation.disk import SimulatedDisk
from simulation.event_loop import SimulatedEventLoop
from simulation.host import Host
from simulation.network import Network
from simulation.runner import run

PIECE = 32_768
"""Bytes of a piece: two blocks."""
BLOCK = 16_384
PORT = 6881
NAME = ("data.bin",)
_numbers = itertools.count()


def made(pieces: int = 8, *, trackers: tuple[str, ...] = ()) -> tuple[Metainfo, bytes]:
    """A torrent of one file of `pieces` pieces, and its bytes."""
    data = random.Random(pieces).randbytes(pieces * PIECE)
    hashes = [hashlib.sha1(data[i : i + PIECE]).digest() for i in range(0, len(data), PIECE)]
    info: dict[bytes, bencode.Value] = {
        b"length": len(data),
        b"name": NAME[0].encode(),
        b"piece length": PIECE,
        b"pieces": b"".join(hashes),
    }
    outer: dict[bytes, bencode.Value] = {b"info": info}
    if trackers:
        outer[b"announce-list"] = [[url.encode()] for url in trackers]
    return parse_metainfo(bencode.encode(outer)), data


def loop() -> SimulatedEventLoop:
    """The loop that runs."""
    running = asyncio.get_running_loop()
    assert isinstance(running, SimulatedEventLoop)
    return running


def play(
    main: Callable[[Network], Awaitable[None]], *, seed: int = 1, within: float = 120.0
) -> None:
    """Run `main` on an internet of its own; what it closed has time to be seen as closed."""

    async def whole(network: Network) -> None:
        await main(network)
        await asyncio.sleep(CLOSING_SECONDS + 1)

    run(whole, seed=seed, until=within)


async def until(condition: Callable[[], object], *, within: float = 300.0) -> float:
    """Wait for `condition`; the virtual seconds that took. Fails after `within`."""
    start = loop().time()
    while not condition():
        assert loop().time() - start < within, "it does not happen"
        await asyncio.sleep(0.01)
    return loop().time() - start


@dataclass(slots=True)
class Us:
    """The node under test and its one torrent."""

    node: Node
    torrent: Torrent
    disk: SimulatedDisk
    host: Host

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        return Endpoint(self.host.address, PORT)


def disk_of(host: Host, data: bytes | None = None) -> SimulatedDisk:
    """An empty disk, or one that holds the torrent's file."""
    disk = SimulatedDisk(loop().executor, clock=host.clock)
    if data is not None:
        disk.open(NAME, write=True).write(memoryview(data), 0)
    return disk


def node_on(host: Host, disk: SimulatedDisk | None = None, **config: Any) -> Node:
    """A node that is not started yet."""
    disk = disk or disk_of(host)
    settings = NodeConfig(**({"listen": (host.address, PORT), "use_dht": False} | config))
    return Node(settings, rng=host.rng, clock=host.clock, open_disk=lambda _: disk)


@asynccontextmanager
async def sharing(
    network: Network,
    metainfo: Metainfo,
    data: bytes | None = None,
    *,
    name: str = "us",
    peers: tuple[Endpoint, ...] = (),
    disk: SimulatedDisk | None = None,
    options: dict[str, Any] | None = None,
    **config: Any,
) -> AsyncIterator[Us]:
    """A node whose torrent has been checked: with `data` on its disk, or without any."""
    host = network.hosts.get(name) or network.host(name)
    disk = disk or disk_of(host, data)
    with host:
        async with node_on(host, disk, **config) as node:
            torrent = await node.add(
                metainfo, Path("/d"), options=TorrentOptions(peers=peers, **(options or {}))
            )
            await until(lambda: torrent.state != "checking")
            yield Us(node, torrent, disk, host)


def frames(data: bytes) -> list[tuple[str, bytes]]:
    """The messages behind a handshake, as (kind, payload)."""
    found = []
    at = 68
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        if size:
            found.append((MessageId(data[at + 4]).name, data[at + 5 : at + 4 + size]))
        at += 4 + size
    return found


@dataclass(eq=False)
class Stranger(asyncio.Protocol):
    """A peer that says only what the test tells it to. `react` hears every event."""

    metainfo: Metainfo
    peer_id: PeerId = field(default_factory=lambda: PeerId(b"-XX0100-%012d" % next(_numbers)))
    fast: bool = True
    extensions: bool = True
    outgoing: bool = True
    react: Callable[["Stranger", Event], None] | None = None
    events: list[Event] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    closed: bool = False

    def __post_init__(self) -> None:
        self.local = Handshake(
            self.metainfo.info_hash, self.peer_id, fast=self.fast, extensions=self.extensions
        )
        now = loop().time()
        if self.outgoing:
            self.talk = PeerProtocol.outgoing(self.local, now)
        else:
            self.talk = PeerProtocol.incoming(lambda _: self.local, now)
        self._pending = bytearray()
        self.transport: asyncio.Transport | None = None

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.say()

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._pending += data
        while self._pending:
            taken, events = self.talk.receive(memoryview(bytes(self._pending)))
            del self._pending[:taken]
            for event in events:
                self._hear(event)
            if not taken:
                break
        self.say()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True

    def _hear(self, event: Event) -> None:
        if isinstance(event, HandshakeReceived):
            metainfo = self.metainfo
            self.talk.set_piece_sizes(
                metainfo.piece_count, metainfo.piece_length, metainfo.total_size
            )
        if isinstance(event, Block):
            event = Block(event.index, event.begin, memoryview(bytes(event.data)))
        self.events.append(event)
        if self.react is not None:
            self.react(self, event)

    # What the test calls

    def say(self) -> None:
        """Send what the protocol has queued."""
        if self.transport is not None and not self.closed:
            self.transport.write(self.talk.data_to_send())

    def send(self, data: bytes) -> None:
        """Send these bytes."""
        assert self.transport is not None
        self.say()
        self.transport.write(data)

    def close(self) -> None:
        """Hang up."""
        assert self.transport is not None
        self.transport.close()

    @property
    def is_introduced(self) -> bool:
        """The other side's handshake came."""
        return self.talk.remote is not None

    @property
    def frames(self) -> list[tuple[str, bytes]]:
        """What it was told, in order."""
        return frames(bytes(self.received))

    def heard(self, kind: type[Event]) -> list[Any]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def keys(self, kind: type[Request | Reject | Block]) -> list[tuple[int, int, int]]:
        """What the events of one kind name, in order: (index, begin, length)."""
        return [
            (event.index, event.begin, len(event.data) if kind is Block else event.length)
            for event in self.heard(kind)
        ]

    @property
    def blocks(self) -> list[tuple[int, int, int]]:
        """The blocks that came, in order."""
        return self.keys(Block)

    @property
    def asked(self) -> list[tuple[int, int, int]]:
        """What was requested of it, in order."""
        return self.keys(Request)

    @property
    def rejected(self) -> list[tuple[int, int, int]]:
        """Which of its requests were rejected, in order."""
        return self.keys(Reject)

    def wants(self) -> None:
        """Become interested."""
        self.talk.interested()
        self.say()

    def has(self, pieces: int | None = None) -> None:
        """Say which pieces it has: these (bit i set = piece i), or all."""
        count = self.metainfo.piece_count
        pieces = (1 << count) - 1 if pieces is None else pieces
        size = -(-count // 8)
        bits = int(f"{pieces:0{size * 8}b}"[::-1], 2) if pieces else 0
        self.talk.send_bitfield(bits.to_bytes(size))
        self.say()

    def introduce(self, **fields: Any) -> None:
        """Send an extension handshake."""
        self.talk.send_extension_handshake(ExtensionHandshake(**fields))
        self.say()

    def unchoke(self) -> None:
        """Let the other side ask."""
        self.talk.unchoke()
        self.say()

    def ask(self, *requests: tuple[int, int, int]) -> None:
        """Request blocks, repeats included."""
        self.send(b"".join(messages.encode_request(MessageId.REQUEST, *key) for key in requests))
        self.talk.requested.update(dict.fromkeys(requests))

    def give(self, index: int, begin: int, data: bytes) -> None:
        """Send a block."""
        self.send(messages.BLOCK_HEADER.pack(9 + len(data), 7, index, begin) + data)


def gives(data: bytes, *, spoil: bool = False) -> Callable[[Stranger, Event], None]:
    """A `react` that answers requests, with the torrent's bytes or with others."""

    def react(stranger: Stranger, event: Event) -> None:
        if isinstance(event, Request):
            at = event.index * PIECE + event.begin
            block = data[at : at + event.length]
            stranger.give(event.index, event.begin, bytes(len(block)) if spoil else block)

    return react


async def dial(network: Network, us: Us, stranger: Stranger, *, name: str = "stranger") -> Stranger:
    """The stranger calls us from a host of its own; returns when it was answered or sent away."""
    host = network.hosts.get(name) or network.host(name)
    await loop().create_connection(
        lambda: stranger, us.host.address, PORT, local_addr=(host.address, 0)
    )
    await until(lambda: stranger.is_introduced or stranger.closed)
    await asyncio.sleep(0.1)
    return stranger


async def seed_on(
    network: Network, metainfo: Metainfo, data: bytes, *, name: str = "seed", **fields: Any
) -> "Listening":
    """A stranger that has everything, waits for calls and answers requests."""

    def react(stranger: Stranger, event: Event) -> None:
        if isinstance(event, HandshakeReceived):
            stranger.talk.send_bitfield(b"\xff" * -(-metainfo.piece_count // 8))
            stranger.talk.unchoke()
        else:
            answer(stranger, event)

    answer = fields.pop("react", None) or gives(data)
    return await listen(network, metainfo, name=name, react=react, **fields)


@dataclass(slots=True)
class Listening:
    """A host where strangers answer calls."""

    host: Host
    server: asyncio.Server
    strangers: list[Stranger]

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        return Endpoint(self.host.address, PORT)

    def close(self) -> None:
        """Listen no more and hang up."""
        self.server.close()
        for stranger in self.strangers:
            if stranger.transport is not None:
                stranger.transport.abort()


async def listen(
    network: Network, metainfo: Metainfo, *, name: str = "stranger", **fields: Any
) -> Listening:
    """A new stranger answers each call."""
    host = network.hosts.get(name) or network.host(name)
    strangers: list[Stranger] = []

    def answer() -> Stranger:
        strangers.append(Stranger(metainfo, outgoing=False, **fields))
        return strangers[-1]

    server = await loop().create_server(answer, host.address, PORT)
    return Listening(host, server, strangers)


@dataclass(slots=True)
class NotingTracker:
    """An HTTP tracker that notes what it is asked and always answers the same."""

    host: Host
    peers: tuple[Endpoint, ...] = ()
    interval: int = 1800
    silent: bool = False
    """Take requests and never answer."""
    asked: list[dict[str, bytes]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """What goes into a torrent."""
        return f"http://{self.host.address}:6969/announce"

    async def start(self) -> "NotingTracker":
        """Begin to listen."""
        self.server = await asyncio.start_server(self._serve, self.host.address, 6969)
        return self

    def close(self) -> None:
        """Listen no more."""
        assert self.server is not None
        self.server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            query = head.split(b" ")[1].partition(b"?")[2].decode("ascii")
            pairs = (pair.partition("=") for pair in query.split("&"))
            self.asked.append({name: unquote_to_bytes(value) for name, _, value in pairs})
            self.times.append(loop().time())
            if self.silent:
                await reader.read()
                return
            body = bencode.encode({b"interval": self.interval, b"peers": pack_many(self.peers)[0]})
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
            )
            writer.write(body)
            await writer.drain()
        finally:
            writer.close()
