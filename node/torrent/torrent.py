"""One swarm: what is on disk, who is connected, and what happens next.

The policies (picker, choker, peer list, limits) decide; this module acts on their answers. It is
the only owner of its state: everything runs on the event loop and, between two awaits, alone.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from formats.endpoint import Endpoint
from formats.errors import StorageError
from formats.identifiers import InfoHash, PeerId
from formats.metainfo import Metainfo
from node.peer.connection import PeerConnection
from node.peer.events import HandshakeReceived
from node.peer.extension import ExtensionHandshake
from node.peer.handshake import Handshake, keeps_outgoing
from node.peer.messages import Block
from node.storage.errors import MissingData, SyncFailed
from node.storage.resume import ResumeRecord
from node.storage.storage import Storage
from node.torrent import bitfield
from node.torrent.choker import ROUND_SECONDS, Choker, PeerState
from node.torrent.context import NodeContext
from node.torrent.dial_budget import ban_key
from node.torrent.dialer import Dialer
from node.torrent.disclosure import Disclosure
from node.torrent.discovery import Discovery
from node.torrent.known_peer import Source, SourceKind, allow_by_class
from node.torrent.options import Priority, TorrentOptions
from node.torrent.partial_piece import Request
from node.torrent.peer_list import PeerList
from node.torrent.piece_picker import BlockOutcome, PiecePicker
from node.torrent.rates import Rate
from node.torrent.session import PeerSession
from node.torrent.snapshot import take_snapshot
from node.torrent.status import State, TorrentStatus
from node.torrent.token_bucket import TokenBucket
from node.torrent.upload_queue import MAX_QUEUED

FLUSH_SECONDS = 2.0
"""Between two syncs of what was verified: what a power cut may cost (F5)."""
DISK_RETRY_SECONDS = 60.0
"""Before a torrent that the disk refused is tried again (F1)."""
COMPLETE_PEERS = 4_096
"""Peers remembered as complete, 20 bytes each."""
SESSIONS_PER_IP = 4
"""Peers of one torrent at one address (households share one): more would let a single stranger
take all connections of the node."""
CLIENT = "everswarm 0.1"


class NotWhole(StorageError):
    """Data that was to be seeded as it lies is not, or no longer, what the torrent describes."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is not what the torrent describes: some of it changed or is missing;"
            " publish it anew"
        )


class Torrent:
    """A torrent in a node. `run` is its life; the rest may be called while it runs."""

    def __init__(
        self,
        metainfo: Metainfo,
        directory: Path,
        *,
        context: NodeContext,
        options: TorrentOptions,
        record: ResumeRecord | None = None,
    ) -> None:
        now = context.loop.time()
        self.metainfo = metainfo
        self.directory = directory
        self.options = options
        self.context = context
        self.loop = context.loop
        self.state = State.CHECKING
        self.error: StorageError | None = None
        self.checked = 0.0
        """Share of the check that is done."""
        self.storage = Storage(
            metainfo,
            directory,
            executor=context.executor,
            record=record,
            wanted=_wanted(options),
            preallocate=options.preallocate,
            disk=context.open_disk(directory),
        )
        self.picker = self._new_picker(have=0)
        self.sessions: dict[PeerSession, None] = {}
        self.peer_list = PeerList(
            context.dial_budget,
            allow=allow_everything if context.allow_local_peers else allow_by_class,
        )
        self.download_limits = (context.download, TokenBucket(options.download_rate, now))
        self.upload_limits = (context.upload, TokenBucket(options.upload_rate, now))
        self.down = Rate(now)
        self.up = Rate(now)
        self.wasted = 0
        """Payload bytes nobody asked for; the picker counts what was not needed."""
        self.complete_peers: dict[PeerId, None] = {}
        """Peers seen to have everything; the first COMPLETE_PEERS of them."""
        self.sources: dict[str, int] = {}
        """Payload bytes by the kind of source that first named the peer."""
        self.discovery = Discovery(self)
        self.disclosure = Disclosure(self)
        self._dialer = Dialer(self)
        self._choker: Choker[PeerSession] = Choker(context.rng, context.upload_slots)
        self._next_rechoke = now + ROUND_SECONDS
        self._next_flush = now + FLUSH_SECONDS
        self._has_unflushed = False
        self._retry_at: float | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._running: dict[asyncio.Task[None], None] = {}
        self._stop_requested = asyncio.Event()
        self._settled = asyncio.Event()
        self._first_piece = asyncio.Event()

    # Life

    async def run(self) -> None:
        """Check what is on disk, then share until stopped."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self.start(self._open())
                await self._stop_requested.wait()
                self._tasks = None
                self._dialer.close()
                for session in list(self.sessions):
                    session.connection.close("the torrent stopped")
                for task in list(self._running):
                    task.cancel()
                await self.discovery.stop()
        finally:
            self._tasks = None
            self.state = State.STOPPED
            await self._close_storage()

    def stop(self) -> None:
        """Ask `run` to end politely."""
        self._stop_requested.set()

    async def wait_complete(self) -> None:
        """Return when every wanted piece is verified. Raises the StorageError that stops it."""
        await self._settled.wait()
        if self.error is not None:
            raise self.error

    async def wait_first_piece(self) -> None:
        """Return when one piece is verified, or an error stops the torrent."""
        await self._first_piece.wait()

    @property
    def is_complete(self) -> bool:
        """Every wanted piece is verified."""
        return self.state not in (State.CHECKING, State.STOPPED) and self.picker.is_finished

    @property
    def is_seed(self) -> bool:
        """We have every piece, wanted or not."""
        return self.picker.have == bitfield.all_pieces(self.picker.piece_count)

    @property
    def may_download(self) -> bool:
        """Blocks may be asked for now."""
        return self.state is State.DOWNLOADING

    def now(self) -> float:
        """Seconds of the loop's monotonic clock."""
        return self.loop.time()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that ends, at the latest, with the torrent."""
        assert self._tasks is not None
        task = self._tasks.create_task(work)
        self._running[task] = None
        task.add_done_callback(self._running.pop)
        return task

    @property
    def is_running(self) -> bool:
        """Work may be started."""
        return self._tasks is not None

    def status(self) -> TorrentStatus:
        """A snapshot for people."""
        return take_snapshot(self)

    async def _open(self) -> None:
        everything = bitfield.all_pieces(self.metainfo.piece_count)
        try:
            await self.storage.open(
                overwrite=self.options.overwrite,
                verified=everything if self.options.assume_verified else 0,
                on_progress=self._check_progress,
            )
        except StorageError as error:
            self._fail(error)
            return
        self.checked = 1.0
        self.picker = self._new_picker(have=self.storage.verified)
        now = self.now()
        for endpoint in self.options.peers:
            self.peer_list.add(endpoint, Source(SourceKind.USER), now)
        if self.options.seed_existing and not self.picker.is_finished:
            self._fail(NotWhole(self.metainfo.name))
            return
        self.state = State.DOWNLOADING
        self.discovery.start()
        if self.picker.is_finished:
            if self.is_seed:
                self.disclosure.hand_out_first_copy()
            self._finished()
        self.dial(now)

    async def _close_storage(self) -> None:
        try:
            await self.storage.close()
        except StorageError as error:
            self.error = self.error or error

    def _check_progress(self, done: int, total: int) -> None:
        self.checked = done / total if total else 1.0

    def _new_picker(self, have: int) -> PiecePicker[PeerSession]:
        picker: PiecePicker[PeerSession] = PiecePicker(
            self.metainfo.piece_length,
            self.metainfo.total_size,
            rng=self.context.rng,
            have=have,
            sequential=self.options.sequential,
        )
        layout = self.storage.layout
        needed = self.storage.needed
        chosen = self.options.priorities or ()
        high = layout.pieces_of([i for i, p in enumerate(chosen) if p is Priority.HIGH])
        low = layout.pieces_of([i for i, p in enumerate(chosen) if p is Priority.LOW])
        normal = layout.pieces_of([i for i, p in enumerate(chosen) if p is Priority.NORMAL])
        everything = bitfield.all_pieces(self.metainfo.piece_count)
        picker.set_priorities(high=high, low=low & ~normal & ~high, skip=everything & ~needed)
        return picker

    def tick(self, now: float) -> None:
        """About once a second, from the node's one clock."""
        if not self.is_running or self.state is State.CHECKING:
            return
        for session in list(self.sessions):
            session.tick(now)
        self._dialer.tick(now)
        self.disclosure.tick(now)
        self.discovery.tick(now)
        if now >= self._next_rechoke:
            self._next_rechoke = now + ROUND_SECONDS
            self._rechoke(now)
        if self._has_unflushed and now >= self._next_flush:
            self._has_unflushed = False
            self._next_flush = now + FLUSH_SECONDS
            self.start(self._flush())
        if self._retry_at is not None and now >= self._retry_at:
            self._retry()
        self.dial(now)

    def dial(self, now: float) -> None:
        """Reach out to addresses we heard of, as far as that is wanted and allowed."""
        if self.is_running:
            self._dialer.dial(now)

    # Connections

    def local_handshake(self) -> Handshake:
        """Who we are in this swarm."""
        return Handshake(self.metainfo.info_hash, self.context.peer_id)

    @property
    def info_hash(self) -> InfoHash:
        """The torrent's name on the wire."""
        return self.metainfo.info_hash

    def attach(
        self, connection: PeerConnection, introduction: HandshakeReceived, *, source: Source
    ) -> None:
        """A peer introduced itself: talk to it, or close the connection with the reason."""
        now = self.now()
        refusal = self._refusal(connection, introduction, now)
        if refusal is not None:
            connection.close(refusal)
            return
        session = PeerSession(
            self, connection, peer_id=introduction.peer_id, source=source.kind, now=now
        )
        connection.owner = session
        self.sessions[session] = None
        self.context.connections.open += 1
        self.picker.peer_joined(session, ban_key(session.endpoint))
        if connection.is_outgoing:
            self.peer_list.connected(connection.remote, now)
            self.discovery.peer_reached(connection.remote)
        self._greet(session)

    def source_of(self, endpoint: Endpoint) -> Source:
        """Who named an address first."""
        known = self.peer_list.get(endpoint)
        return next(iter(known.sources)) if known is not None else Source(SourceKind.USER)

    def learned_address(self, session: PeerSession) -> None:
        """A peer that dialled us says where it listens."""
        self.peer_list.add(session.endpoint, Source(SourceKind.INCOMING), self.now())
        self.peer_list.connected(session.endpoint, self.now(), claimed=True)

    def _refusal(
        self, connection: PeerConnection, introduction: HandshakeReceived, now: float
    ) -> str | None:
        connections = self.context.connections
        if not self.is_running or self.state not in (State.DOWNLOADING, State.SEEDING, State.ERROR):
            return "the torrent is not ready"
        if self.peer_list.is_banned(ban_key(connection.remote), now):
            return "the peer is banned"
        if connections.open >= connections.limit:
            return "too many connections"
        key = ban_key(connection.remote)
        same = sum(ban_key(session.connection.remote) == key for session in self.sessions)
        if same >= SESSIONS_PER_IP:
            return "too many connections from one address"
        for session in list(self.sessions):
            if session.peer_id != introduction.peer_id:
                continue
            ours = keeps_outgoing(self.context.peer_id, introduction.peer_id)
            if (
                connection.is_outgoing == session.connection.is_outgoing
                or connection.is_outgoing is not ours
                or connection.remote.host != session.connection.remote.host  # anybody may say so
            ):
                return "the peer is connected already"
            session.connection.close("another connection to the peer is kept")
        return None

    def _greet(self, session: PeerSession) -> None:
        protocol = session.connection.protocol
        metainfo = self.metainfo
        session.connection.set_piece_sizes(
            metainfo.piece_count, metainfo.piece_length, metainfo.total_size
        )
        host = session.endpoint.host
        protocol.send_extension_handshake(
            ExtensionHandshake(
                listen_port=self.context.listen_port or None,
                client=CLIENT,
                your_ip=host,
                request_queue=MAX_QUEUED,
                # To a peer that is shown nothing yet, it would read as nothing to get here.
                upload_only=self.picker.is_finished and not self.disclosure.is_first_copy,
                metadata_size=len(metainfo.info_bytes),
            )
        )
        self.disclosure.greet(session)

    def session_closed(self, session: PeerSession, reason: str) -> None:
        """A connection is over."""
        now = self.now()
        if self.sessions.pop(session, self) is self:
            return
        self.context.connections.open -= 1
        self.picker.peer_left(session)
        self.disclosure.peer_left(session)
        self._choker.peer_left(session, now)
        self.peer_list.closed(session.endpoint, now)
        if self.is_running:
            self._give_slots(now)
            self._refill_all(now)

    def peer_gained(self, session: PeerSession) -> None:
        """A peer has more pieces than before."""
        if self.picker.is_seed(session) and len(self.complete_peers) < COMPLETE_PEERS:
            self.complete_peers[session.peer_id] = None
        self.disclosure.peer_gained(session)
        self.consider_dropping(session)

    def consider_dropping(self, session: PeerSession) -> None:
        """Two that want nothing of each other make room for others (BEP 21)."""
        if not self.picker.is_finished:
            return
        if self.picker.is_seed(session) or session.upload_only:
            self.peer_list.mark_seed(session.endpoint)
            session.connection.close("both sides are complete")

    def _ban(self, sources: Sequence[str]) -> None:
        now = self.now()
        for source in sources:
            self.peer_list.ban(source, now)
            for session in list(self.sessions):
                if ban_key(session.connection.remote) == source:
                    session.connection.close("the peer sent corrupt data")

    # Downloading

    def on_block_outcome(
        self, session: PeerSession, block: Block, outcome: BlockOutcome[PeerSession]
    ) -> None:
        """A block that others were asked for too, or that completes its piece."""
        for other in outcome.cancel:
            other.connection.protocol.cancel(block.index, block.begin, len(block.data))
            other.connection.request_flush()
        if outcome.complete is not None:
            self.start(self._store(block.index, outcome.complete))

    async def _store(self, index: int, buffer: memoryview) -> None:
        try:
            matches = await self.storage.write_piece(index, buffer)
        except StorageError as error:
            self.picker.piece_not_written(index)
            self._fail(error)
            return
        if not matches:
            self._ban(self.picker.piece_failed(index))
        else:
            self._has_unflushed = True
            self._ban(self.picker.piece_verified(index))
            self._verified(index)
        self._refill_all(self.now())

    def _verified(self, index: int) -> None:
        self._first_piece.set()
        for session in self.sessions:
            if self.picker.bits_of(session) >> index & 1:
                session.update_interest()
                session.connection.request_flush()
        self.disclosure.verified(index)
        if self.picker.is_finished and self.state is State.DOWNLOADING:
            self._finished()

    def _finished(self) -> None:
        self.state = State.SEEDING
        self._first_piece.set()
        self._settled.set()
        if self.is_seed:
            self.discovery.completed()
        for session in list(self.sessions):
            session.update_interest()
            session.connection.request_flush()
            self.consider_dropping(session)

    def _refill_all(self, now: float) -> None:
        """Something may have become available to peers that had nothing to do."""
        if self.may_download:
            for session in self.sessions:
                session.refill(now)

    def received(self, session: PeerSession, size: int, now: float) -> None:
        """Payload came in."""
        self.down.add(size, now)
        self.sources[session.source] = self.sources.get(session.source, 0) + size

    # Uploading

    async def read(self, offset: int, views: Sequence[memoryview]) -> None:
        """Fill the views with one contiguous range of the torrent."""
        await self.storage.read(offset, views)

    def read_failed(self, error: StorageError) -> None:
        """Verified bytes could not be read: the piece may not be ours any more (F3, F7)."""
        if not self.is_running:
            return  # the torrent stops: the next start finds out
        if isinstance(error, MissingData):
            self.start(self._recover(1 << error.piece))
        else:
            self._fail(error)

    async def _recover(self, pieces: int) -> None:
        await self._look_again(pieces)
        if self.picker.is_finished or self.state not in (State.SEEDING, State.DOWNLOADING):
            return
        if self.options.seed_existing:
            self._fail(NotWhole(self.metainfo.name))
        else:
            self.state = State.DOWNLOADING
            for session in self.sessions:
                session.update_interest()
                session.connection.request_flush()
            self._refill_all(self.now())

    def sent(self, session: PeerSession, burst: Sequence[Request], size: int) -> None:
        """Blocks were handed to the connection."""
        self.up.add(size, self.now())

    def peer_interested(self, session: PeerSession, now: float) -> None:
        """It wants something of ours: at once if a slot is free."""
        if self._choker.peer_interested(self._peer_state(session, now), now):
            session.unchoke()

    def peer_not_interested(self, session: PeerSession, now: float) -> None:
        """Its slot is free for another."""
        self._choker.peer_not_interested(session)
        self._give_slots(now)

    def _give_slots(self, now: float) -> None:
        for session in self.sessions:
            protocol = session.connection.protocol
            if protocol.am_choking and protocol.peer_interested:
                self.peer_interested(session, now)

    def _rechoke(self, now: float) -> None:
        states = [self._peer_state(session, now) for session in self.sessions]
        limits = [bucket.rate for bucket in self.upload_limits if bucket.rate is not None]
        capacity = min(limits) if limits else self.up.rate(now)
        decision = self._choker.rechoke(
            states, now, seeding=self.picker.is_finished, capacity=capacity
        )
        for session in decision.choke:
            session.choke()
        for session in decision.unchoke:
            session.unchoke()

    def _peer_state(self, session: PeerSession, now: float) -> PeerState[PeerSession]:
        return PeerState(
            peer=session,
            source=ban_key(session.connection.remote),
            interested=session.connection.protocol.peer_interested,
            download_rate=session.down.rate(now),
            uploaded=session.up.total,
            snubbed=session.pipeline.snubbed,
            joined=session.connection.connected_at,
        )

    # Disk

    async def _flush(self) -> None:
        try:
            await self.storage.flush()
        except SyncFailed as error:
            await self._look_again(error.pieces)
            self._fail(error)
        except StorageError as error:
            self._fail(error)

    async def _look_again(self, pieces: int) -> None:
        """The disk may have lost these pieces: keep those that still match (F3, F5)."""
        try:
            good = await self.storage.check(pieces=pieces)
        except StorageError as error:
            good = 0
            self._fail(error)
        for index in bitfield.set_bits(pieces & ~good & self.picker.have):
            self.picker.piece_lost(index)

    def _fail(self, error: StorageError) -> None:
        """The disk refused: ask for nothing more, go on serving, try again in a while (F1)."""
        if self.state in (State.STOPPED, State.ERROR):
            return
        self.error = error
        retry = self.state is not State.CHECKING and not isinstance(error, NotWhole)
        self._retry_at = self.now() + DISK_RETRY_SECONDS if retry else None
        self.state = State.ERROR
        self._first_piece.set()
        self._settled.set()
        for session in list(self.sessions):
            for request in list(session.connection.protocol.requested):
                session.connection.protocol.cancel(*request)
            self.picker.peer_choked(session)
            session.update_interest()
            session.connection.request_flush()

    def _retry(self) -> None:
        self._retry_at = None
        self.error = None
        self._settled.clear()
        self.state = State.DOWNLOADING
        if self.picker.is_finished:
            self._finished()
            return
        now = self.now()
        for session in list(self.sessions):
            session.update_interest()
            session.refill(now)
            session.connection.request_flush()


def allow_everything(endpoint: Endpoint, source: Source) -> bool:
    """The policy of swarms that live on one machine or network."""
    return True


def _wanted(options: TorrentOptions) -> list[int] | None:
    if options.priorities is None:
        return None
    return [i for i, priority in enumerate(options.priorities) if priority is not Priority.SKIP]
