"""The I/O: over a transport of the test's own, over loopback sockets, and with libtorrent."""

import asyncio
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libtorrent
import pytest
import uvloop

from formats.endpoint import Endpoint
from formats.identifiers import InfoHash, PeerId
from node.peer import connection as module
from node.peer import messages
from node.peer.connection import (
    LEAST_WRITE_LIMIT,
    SMALL_MESSAGE_ROOM,
    WRITE_LIMIT,
    PeerConnection,
    acceptor,
    connect,
)
from node.peer.errors import Breach, PeerError
from node.peer.events import Event, ExtensionHandshakeReceived, HandshakeReceived
from node.peer.extension import ExtensionHandshake
from node.peer.handshake import Handshake
from node.peer.messages import Block, MessageId, Request
from node.peer.protocol import PeerProtocol
from node.peer.receive_buffer import ReceiveBuffer

INFO_HASH = InfoHash(b"\xaa" * 20)
US = Handshake(INFO_HASH, PeerId(b"u" * 20))
THEM = Handshake(INFO_HASH, PeerId(b"t" * 20))
BLOCK = bytes(range(256)) * 64


class Clock:
    """What a connection asks of its loop: the time, and to be called soon or later."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.soon: list[Callable[[], object]] = []
        self.later: list[tuple[float, Callable[[], object]]] = []
        self.cancelled = 0

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[], object]) -> None:
        self.soon.append(callback)

    def call_later(self, delay: float, callback: Callable[[], object]) -> "Clock":
        self.later.append((delay, callback))
        return self

    def cancel(self) -> None:
        self.cancelled += 1

    def turn(self) -> None:
        """What is due in this turn of the loop."""
        due, self.soon = self.soon, []
        for callback in due:
            callback()


class Wire(asyncio.Transport):
    """A transport whose other end takes as many bytes as the test says."""

    def __init__(self) -> None:
        super().__init__({"peername": ("::ffff:1.2.3.4", 6881)})
        self.writes: list[bytes] = []
        self.waiting = 0
        self.stalls = False
        self.limits: tuple[int | None, int | None] = (None, None)
        self.limits_set = 0
        self.calls: list[str] = []

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))
        if self.stalls:
            self.waiting += len(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limits = (high, low)
        self.limits_set += 1

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def abort(self) -> None:
        self.calls.append("abort")

    def close(self) -> None:
        self.calls.append("close")


class Owner:
    """Notes what it is told, and answers with `react`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.batches = 0
        self.closed: list[str] = []
        self.writable = 0
        self.react: Callable[[PeerConnection, Event], None] | None = None
        self.changed = asyncio.Event()

    def on_events(self, connection: PeerConnection, events: list[Event]) -> None:
        self.batches += 1
        for event in events:
            if isinstance(event, Block):
                event = Block(event.index, event.begin, memoryview(bytes(event.data)))
            self.events.append(event)
            if self.react is not None:
                self.react(connection, event)
        self.changed.set()

    def on_writable(self, connection: PeerConnection) -> None:
        self.writable += 1
        self.changed.set()

    def on_closed(self, connection: PeerConnection, reason: str) -> None:
        self.closed.append(reason)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class Bench:
    """A connection over a Wire, past the handshake unless told otherwise."""

    def __init__(self, *, introduced: bool = True, write_limit: int = 4 << 20) -> None:
        self.clock, self.wire, self.owner = Clock(), Wire(), Owner()
        self.connection = PeerConnection(
            PeerProtocol.outgoing(US, self.clock.now),
            self.owner,
            loop=self.clock,
            buffer=ReceiveBuffer(128 * 1024),
            write_limit=write_limit,
        )
        self.connection.connection_made(self.wire)
        if introduced:
            self.feed(THEM.encode())
            self.connection.set_piece_sizes(100, 32_768, 3_276_800)
            self.wire.writes.clear()
            self.owner.events.clear()
            self.owner.batches = 0

    def feed(self, data: bytes) -> None:
        """One read."""
        view = self.connection.get_buffer(-1)
        view[: len(data)] = data
        self.connection.buffer_updated(len(data))


def test_connecting_sends_the_handshake_and_notes_the_canonical_address() -> None:
    bench = Bench(introduced=False)
    assert bench.wire.writes == [US.encode()]
    assert bench.connection.remote == Endpoint("1.2.3.4", 6881)
    assert bench.connection.is_outgoing
    assert bench.wire.limits == (2 << 20, 1 << 20)
    assert bench.connection.connected_at == 1_000.0
    assert bench.connection.sent_bytes == 68


def test_what_the_owner_says_leaves_in_one_write() -> None:
    bench = Bench()

    def react(connection: PeerConnection, event: Event) -> None:
        if isinstance(event, messages.Unchoke):
            connection.protocol.interested()
            connection.protocol.request([(1, 0, 16_384)])

    bench.owner.react = react
    bench.clock.now = 1_007.0
    bench.feed(messages.encode_plain(MessageId.HAVE_ALL) + messages.encode_plain(MessageId.UNCHOKE))
    assert bench.owner.batches == 1
    assert bench.wire.writes == [
        messages.encode_plain(MessageId.INTERESTED)
        + messages.encode_request(MessageId.REQUEST, 1, 0, 16_384)
    ]
    assert bench.connection.last_received_at == bench.connection.last_sent_at == 1_007.0
    assert bench.connection.received_bytes == 68 + 10


def test_the_owner_prepares_between_the_handshake_and_what_follows() -> None:
    bench = Bench(introduced=False)
    torrent = Owner()

    def react(connection: PeerConnection, event: Event) -> None:
        assert isinstance(event, HandshakeReceived)
        connection.owner = torrent
        connection.set_piece_sizes(10, 1, 10)
        connection.protocol.send_bitfield(b"")

    bench.owner.react = react
    bench.feed(THEM.encode() + messages.encode_bitfield(b"\xff\xc0"))
    assert torrent.events == [messages.Bitfield(b"\xff\xc0")]
    assert bench.wire.writes[1:] == [messages.encode_plain(MessageId.HAVE_NONE)]


@pytest.mark.parametrize("step", [1, 1_000, 16_397, 100_000])
def test_messages_are_put_together_from_any_reads(step: int) -> None:
    bench = Bench()
    requests = [(piece, 0, 16_384) for piece in range(5)]
    bench.connection.protocol.request(requests)
    data = b"".join(messages.encode_block(index, 0, BLOCK) for index, _, _ in requests)
    for at in range(0, len(data), step):
        bench.connection.get_buffer(65_536)  # a loop may ask and then read nothing
        bench.feed(data[at : at + step])
    assert bench.owner.events == [Block(index, 0, memoryview(BLOCK)) for index in range(5)]
    assert bench.connection.received_block_bytes == 5 * 16_384


def test_connections_share_one_buffer() -> None:
    one, other = Bench(), Bench()
    other.connection._buffer = one.connection._buffer
    data = messages.encode_index(MessageId.HAVE, 7)
    for at in range(9):
        one.feed(data[at : at + 1])
        other.feed(data[at : at + 1])
    assert one.owner.events == other.owner.events == [messages.Have(7)]


def test_p9_a_long_message_that_trickles_is_gathered_not_copied() -> None:
    bench = Bench()
    bench.connection.protocol.send_extension_handshake(ExtensionHandshake({"ut_pex": 1}))
    long = messages.encode_extended(1, bytes(400_000))
    data = memoryview(long + messages.encode_index(MessageId.HAVE, 7) * 9_000)[: len(long) + 80_003]
    parsed: list[int] = []
    receive = PeerProtocol.receive

    class Counting(PeerProtocol):
        __slots__ = ()

        def receive(self, data: memoryview) -> tuple[int, list[Event]]:
            parsed.append(len(data))
            return receive(self, data)

    bench.connection.protocol.__class__ = Counting
    bench.connection.protocol._haves_left = 10_000
    for at in range(0, len(data), 10_000):
        bench.feed(bytes(data[at : at + 10_000]))
    assert [type(event).__name__ for event in bench.owner.events[:2]] == [
        "ExtensionMessage",
        "Have",
    ]
    assert len(bench.owner.events) == 1 + 80_003 // 9
    assert len([size for size in parsed if size >= 100_000]) == 1
    bench.feed(messages.encode_index(MessageId.HAVE, 7)[80_003 % 9 :])
    assert bench.owner.events[-1] == messages.Have(7)


def test_a_breach_closes_with_its_sentence() -> None:
    bench = Bench()
    bench.feed(b"\xff\xff\xff\xff")
    assert bench.connection.close_reason == Breach.MESSAGE_TOO_LONG.value
    assert bench.wire.calls == ["close"]
    assert bench.owner.closed == []
    bench.clock.turn()
    bench.connection.connection_lost(None)
    assert bench.owner.closed == [Breach.MESSAGE_TOO_LONG.value]


def test_a_breach_that_the_owner_finds_closes_too() -> None:
    bench = Bench()

    def react(connection: PeerConnection, event: Event) -> None:
        raise PeerError(Breach.BAD_EXTENSION_MESSAGE)

    bench.owner.react = react
    bench.feed(messages.encode_index(MessageId.HAVE, 7))
    assert bench.connection.close_reason == Breach.BAD_EXTENSION_MESSAGE.value


def test_an_error_of_ours_flies() -> None:
    bench = Bench()

    def react(connection: PeerConnection, event: Event) -> None:
        raise KeyError("a bug")

    bench.owner.react = react
    with pytest.raises(KeyError):
        bench.feed(messages.encode_index(MessageId.HAVE, 7))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, "the peer closed the connection"),
        (
            ConnectionResetError(104, "Connection reset by peer"),
            "the connection broke: Connection reset by peer",
        ),
        (KeyError("x"), "the connection broke: KeyError"),
    ],
)
def test_the_end_is_reported_once_with_its_reason(error: Exception | None, reason: str) -> None:
    bench = Bench()
    bench.connection.connection_lost(error)
    bench.connection.close("too late")
    bench.clock.turn()
    assert bench.owner.closed == [reason]
    bench.connection.protocol.unchoke()
    bench.connection.flush()
    bench.connection.write_blocks(b"x", 0)
    bench.connection.tick(9_999.0)
    bench.connection.pause_reading()
    assert bench.wire.writes == [] and bench.wire.calls == []
    assert bench.connection.write_room == 0


def test_p16_a_connection_to_ourselves_answers_before_it_closes() -> None:
    clock, wire, owner = Clock(), Wire(), Owner()
    connection = PeerConnection(
        PeerProtocol.incoming(lambda _: US, 0.0),
        owner,
        loop=clock,
        buffer=ReceiveBuffer(),
    )
    connection.connection_made(wire)
    assert not connection.is_outgoing
    view = connection.get_buffer(-1)
    view[:68] = US.encode()
    connection.buffer_updated(68)
    assert wire.writes == [US.encode()]
    assert connection.close_reason == Breach.OURSELVES.value


def test_after_a_close_nothing_is_heard_or_said() -> None:
    bench = Bench()
    bench.connection.close("enough")
    bench.connection.close("again")
    bench.feed(messages.encode_index(MessageId.HAVE, 7))
    bench.connection.protocol.unchoke()
    bench.connection.flush()
    bench.connection.resume_writing()
    assert bench.owner.events == [] and bench.wire.writes == [] and bench.owner.writable == 0
    assert bench.connection.close_reason == "enough"


def test_a_close_lets_small_messages_go_for_five_seconds() -> None:
    bench = Bench()
    bench.wire.stalls = True
    bench.connection.protocol.choke()
    bench.connection.protocol.have(1)
    bench.connection.close("enough")
    assert bench.wire.calls == ["close"]
    assert bench.clock.later == [(5.0, bench.wire.abort)]
    bench.connection.connection_lost(None)
    assert bench.clock.cancelled == 1


def test_a_close_throws_waiting_blocks_away() -> None:
    bench = Bench()
    bench.wire.stalls = True
    bench.connection.write_blocks(bytes(100_000), 99_000)
    bench.connection.close("enough")
    assert bench.wire.calls == ["abort"]


def test_flushes_that_are_requested_are_one() -> None:
    bench = Bench()
    for index in range(3):
        bench.connection.protocol.have(index)
        bench.connection.request_flush()
    assert bench.wire.writes == [] and len(bench.clock.soon) == 1
    bench.clock.turn()
    assert len(bench.wire.writes) == 1 and len(bench.wire.writes[0]) == 27
    bench.connection.request_flush()
    assert len(bench.clock.soon) == 1


def test_blocks_go_behind_what_was_said_before_them() -> None:
    bench = Bench(write_limit=1_000_000)
    bench.wire.stalls = True
    bench.connection.protocol.unchoke()
    upload = messages.encode_block(1, 0, BLOCK) * 20
    bench.connection.write_blocks(bytearray(upload), 20 * 16_384)
    assert bench.wire.writes == [messages.encode_plain(MessageId.UNCHOKE), upload]
    assert bench.connection.sent_block_bytes == 20 * 16_384
    assert bench.connection.sent_bytes == 68 + 5 + len(upload)
    assert bench.connection.write_room == 1_000_000 - 5 - len(upload)


def test_the_owner_hears_when_there_is_room_again() -> None:
    bench = Bench()
    bench.connection.pause_writing()
    assert not bench.connection.writable
    bench.owner.on_writable = lambda connection: connection.protocol.have(3)
    bench.connection.resume_writing()
    assert bench.connection.writable
    assert bench.wire.writes == [messages.encode_index(MessageId.HAVE, 3)]


@pytest.mark.parametrize(
    ("size", "limit"),
    [
        (-1, LEAST_WRITE_LIMIT),
        (0, LEAST_WRITE_LIMIT),
        (LEAST_WRITE_LIMIT - 1, LEAST_WRITE_LIMIT),
        (300_000, 300_000),
        (1_500_000, 1_500_000),
        (WRITE_LIMIT // 2, WRITE_LIMIT // 2),
    ],
)
def test_the_write_limit_moves_the_room_and_the_water_marks(size: int, limit: int) -> None:
    bench = Bench()
    bench.wire.stalls = True
    bench.connection.write_blocks(bytes(100_000), 0)
    bench.connection.set_write_limit(size)
    assert bench.connection.write_room == limit - 100_000
    assert bench.wire.limits == (limit // 2, limit // 4)


@pytest.mark.parametrize("size", [WRITE_LIMIT, WRITE_LIMIT + 1, 1 << 40])
def test_the_write_limit_is_never_more_than_at_first(size: int) -> None:
    bench = Bench()
    bench.connection.set_write_limit(0)
    bench.connection.set_write_limit(size)
    assert bench.connection.write_room == WRITE_LIMIT
    assert bench.wire.limits == (WRITE_LIMIT // 2, WRITE_LIMIT // 4)


def test_a_write_limit_that_hardly_differs_is_left_alone() -> None:
    bench = Bench(write_limit=1_000_000)
    assert bench.wire.limits_set == 1
    for size in (500_001, 999_999, 1_000_000, 1_000_001, 1_999_999):
        bench.connection.set_write_limit(size)
        assert bench.connection.write_room == 1_000_000
    assert bench.wire.limits_set == 1
    bench.connection.set_write_limit(2_000_000)
    assert bench.connection.write_room == 2_000_000
    bench.connection.set_write_limit(1_000_001)
    assert bench.connection.write_room == 2_000_000
    bench.connection.set_write_limit(1_000_000)
    assert bench.connection.write_room == 1_000_000
    assert bench.wire.limits_set == 3
    assert bench.wire.limits == (500_000, 250_000)


def test_no_more_room_than_none_when_the_limit_falls_below_what_waits() -> None:
    bench = Bench()
    bench.wire.stalls = True
    bench.connection.write_blocks(bytes(3_000_000), 0)
    bench.connection.set_write_limit(0)
    assert bench.connection.write_room == 0
    assert bench.wire.limits == (LEAST_WRITE_LIMIT // 2, LEAST_WRITE_LIMIT // 4)
    assert bench.connection.close_reason is None  # what waits was allowed when it was written


def test_a_write_limit_set_before_there_is_a_transport_is_applied_to_it() -> None:
    connection = PeerConnection(
        PeerProtocol.outgoing(US, 0.0), Owner(), loop=Clock(), buffer=ReceiveBuffer()
    )
    connection.set_write_limit(0)
    wire = Wire()
    connection.connection_made(wire)
    assert wire.limits == (LEAST_WRITE_LIMIT // 2, LEAST_WRITE_LIMIT // 4)
    connection.close("enough")
    connection.connection_lost(None)
    connection.set_write_limit(WRITE_LIMIT)
    assert wire.limits_set == 1


def test_p9_what_waited_before_the_limit_fell_closes_nobody() -> None:
    bench = Bench()
    bench.wire.stalls = True
    bench.connection.write_blocks(bytes(WRITE_LIMIT), 0)
    bench.connection.set_write_limit(0)
    bench.connection.protocol.have(1)
    bench.connection.flush()
    assert bench.connection.close_reason is None
    bench.connection.write_blocks(bytes(SMALL_MESSAGE_ROOM), 0)
    assert bench.connection.close_reason == module.WRITE_STALLED


def test_p9_a_peer_that_takes_nothing_for_two_minutes_is_closed() -> None:
    bench = Bench()
    bench.wire.stalls = True
    bench.connection.write_blocks(bytes(50_000), 0)
    for now in (1_001.0, 1_060.0):
        bench.connection.tick(now)
    bench.wire.waiting -= 1  # one byte is progress
    for now in (1_100.0, 1_219.0):
        bench.feed(messages.KEEP_ALIVE)
        bench.connection.tick(now)
        assert bench.connection.close_reason is None
    bench.connection.tick(1_220.0)
    assert bench.connection.close_reason == module.WRITE_STALLED


def test_p9_a_peer_that_reads_none_of_many_small_messages_is_closed() -> None:
    bench = Bench(write_limit=100_000)
    bench.wire.stalls = True
    while bench.connection.close_reason is None:
        for index in range(1_000):
            bench.connection.protocol.have(index)
        bench.connection.flush()
        assert bench.wire.waiting < 1_200_000
    assert bench.connection.close_reason == module.WRITE_STALLED
    assert bench.wire.calls == ["abort"]


def test_p9_deadlines_pass_through_the_tick() -> None:
    bench = Bench(introduced=False)
    bench.connection.tick(1_009.0)
    assert bench.connection.close_reason is None
    bench.connection.tick(1_010.0)
    assert bench.connection.close_reason == Breach.HANDSHAKE_TIMEOUT.value
    bench = Bench()
    bench.connection.tick(1_000.0)
    bench.connection.tick(1_100.0)
    assert bench.wire.writes == [messages.KEEP_ALIVE]
    bench.connection.tick(1_120.0)
    assert bench.connection.close_reason == Breach.SILENT.value


def test_silence_while_we_do_not_read_is_our_own() -> None:
    bench = Bench()
    bench.connection.pause_reading()
    bench.connection.pause_reading()
    for now in range(1_000, 1_400, 10):
        bench.connection.tick(float(now))
    assert bench.connection.close_reason is None
    bench.connection.resume_reading()
    bench.connection.resume_reading()
    assert bench.wire.calls == ["pause", "resume"]


def test_sizes_that_belie_the_peer_close() -> None:
    bench = Bench(introduced=False)
    bench.feed(THEM.encode() + messages.encode_index(MessageId.HAVE, 10))
    bench.connection.set_piece_sizes(10, 1, 10)
    assert bench.connection.close_reason == Breach.INDEX_OUT_OF_RANGE.value


def test_b13_an_idle_connection_is_a_few_kilobytes() -> None:
    bench = Bench()
    protocol = bench.connection.protocol
    size = 0
    seen: set[int] = set()
    shared = (type, Wire, Clock, Owner, ReceiveBuffer, memoryview, Handshake)
    waiting: list[object] = [bench.connection]
    while waiting:
        thing = waiting.pop()
        if id(thing) not in seen and not isinstance(thing, shared):
            seen.add(id(thing))
            size += sys.getsizeof(thing)
            waiting += gc.get_referents(thing)
    assert protocol.remote is not None
    assert size < 4_000


# --- real sockets


async def exchange(total: int) -> None:
    """A leecher downloads `total` blocks of a seeder over loopback, upload buffers of 16 blocks."""
    buffer = ReceiveBuffer()
    seed_owner, leech_owner = Owner(), Owner()
    wanted = [(index // 2, index % 2 * 16_384, 16_384) for index in range(total)]
    queue: list[Request] = []

    def upload(connection: PeerConnection) -> None:
        while queue and connection.write_room >= 16 * 16_397:
            now, queue[:] = queue[:16], queue[16:]
            data = b"".join(messages.encode_block(r.index, r.begin, BLOCK) for r in now)
            connection.write_blocks(data, 16_384 * len(now))

    def seed(connection: PeerConnection, event: Event) -> None:
        match event:
            case HandshakeReceived():
                connection.set_piece_sizes(total, 32_768, total * 32_768)
                connection.protocol.send_bitfield(b"\xff" * (total // 8))
            case messages.Interested():
                connection.protocol.unchoke()
            case Request():
                queue.append(event)
                if len(queue) == total:
                    upload(connection)

    def leech(connection: PeerConnection, event: Event) -> None:
        match event:
            case HandshakeReceived():
                connection.set_piece_sizes(total, 32_768, total * 32_768)
                connection.protocol.interested()
            case messages.Unchoke():
                connection.protocol.request(wanted)

    seed_owner.react, leech_owner.react = seed, leech
    seed_owner.on_writable = upload
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        acceptor(lambda _: THEM, seed_owner, buffer=buffer), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    connection = await connect(
        Endpoint("127.0.0.1", port), US, leech_owner, buffer=buffer, local_addr=("127.0.0.1", 0)
    )
    await leech_owner.until(lambda: len(leech_owner.events) == total + 3)
    blocks = [event for event in leech_owner.events if isinstance(event, Block)]
    assert [(block.index, block.begin, len(block.data)) for block in blocks] == wanted
    assert all(block.data == BLOCK for block in blocks)
    assert connection.remote == Endpoint("127.0.0.1", port)
    connection.close("done")
    await seed_owner.until(lambda: bool(seed_owner.closed))
    await leech_owner.until(lambda: bool(leech_owner.closed))
    assert leech_owner.closed == ["done"]
    assert seed_owner.closed == [module.CLOSED_BY_PEER]
    server.close()
    await server.wait_closed()


async def test_a_download_over_loopback() -> None:
    await exchange(640)


def test_a_download_over_loopback_with_uvloop() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(exchange(640))


async def test_dialling_nobody_is_an_oserror() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    owner = Owner()
    with pytest.raises(OSError):
        await connect(Endpoint("127.0.0.1", port), US, owner, buffer=ReceiveBuffer())
    assert owner.closed == []


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of libtorrent's binding
async def test_libtorrent_seeds_to_us(tmp_path: Path) -> None:
    payload = bytes(range(256)) * 400
    (tmp_path / "file").write_bytes(payload)
    files = libtorrent.file_storage()
    libtorrent.add_files(files, str(tmp_path / "file"))
    creation = libtorrent.create_torrent(files, 32_768, libtorrent.create_torrent.v1_only)
    libtorrent.set_piece_hashes(creation, str(tmp_path))
    info = libtorrent.torrent_info(creation.generate())
    session = libtorrent.session(
        {
            "listen_interfaces": "127.0.0.1:0", "enable_dht": False, "enable_lsd": False,
            "enable_upnp": False, "enable_natpmp": False,
        }
    )  # fmt: skip
    parameters = libtorrent.add_torrent_params()
    parameters.ti, parameters.save_path = info, str(tmp_path)
    handle = session.add_torrent(parameters)
    async with asyncio.timeout(10):
        while not handle.status().is_seeding:
            await asyncio.sleep(0.01)
    owner, received = Owner(), bytearray(len(payload))

    def react(connection: PeerConnection, event: Event) -> None:
        match event:
            case HandshakeReceived():
                connection.set_piece_sizes(info.num_pieces(), 32_768, len(payload))
                connection.protocol.send_extension_handshake(ExtensionHandshake({"ut_pex": 1}))
                connection.protocol.send_bitfield(b"")
                connection.protocol.interested()
            case messages.Unchoke():
                ranges = range(0, len(payload), 16_384)
                connection.protocol.request(
                    [(at // 32_768, at % 32_768, min(16_384, len(payload) - at)) for at in ranges]
                )
            case Block(index, begin, data):
                at = index * 32_768 + begin
                received[at : at + len(data)] = data

    owner.react = react
    us = Handshake(InfoHash(info.info_hash().to_bytes()), US.peer_id)
    connection = await connect(
        Endpoint("127.0.0.1", session.listen_port()), us, owner, buffer=ReceiveBuffer()
    )
    await owner.until(lambda: connection.received_block_bytes == len(payload) or owner.closed != [])
    assert owner.closed == []
    assert received == payload
    assert connection.protocol.supports_fast and connection.protocol.supports_extensions
    (handshake,) = [e.handshake for e in owner.events if isinstance(e, ExtensionHandshakeReceived)]
    assert handshake.client == f"libtorrent/{libtorrent.__version__}"
    assert handshake.upload_only and handshake.metadata_size == len(info.info_section())
    connection.close("done")
    await owner.until(lambda: bool(owner.closed))
