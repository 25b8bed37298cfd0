"""One swarm: what is on disk, who is connected, and what happens next.

The policies (picker, choker, peer list, limits) decide; this module acts on their answers. It is
the only owner of its state: everything runs on the event loop and, between two awaits, alone.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from formats.endpoint import Endpoint
from formats.errors import StorageError
from formats.identifiers import InfoHash
from formats.metainfo import Metainfo
from node.peer.handshake import Handshake
from node.peer.messages import Block
from node.storage.resume import ResumeRecord
from node.storage.storage import Storage
from node.torrent import bitfield
from node.torrent.context import NodeContext
from node.torrent.dialer import Dialer
from node.torrent.disclosure import Disclosure
from node.torrent.discovery import Discovery, Hints
from node.torrent.gossip import Gossip
from node.torrent.known_peer import Source, SourceKind, allow_by_class
from node.torrent.members import Members
from node.torrent.options import Priority, TorrentOptions
from node.torrent.peer_list import PeerList
from node.torrent.piece_picker import BlockOutcome, PiecePicker
from node.torrent.piece_store import PieceStore
from node.torrent.rates import Rate
from node.torrent.session import PeerSession
from node.torrent.snapshot import take_snapshot
from node.torrent.status import State, TorrentStatus
from node.torrent.token_bucket import TokenBucket
from node.torrent.upload_slots import UploadSlots

DISK_RETRY_SECONDS = 60.0
"""Before a torrent that the disk refused is tried again (F1)."""


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
        found: PeerList | None = None,
    ) -> None:
        """`found`: the peers that came up while the metadata was searched for."""
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
        self.peer_list = new_peer_list(context) if found is None else found
        self.download_limits = (context.download, TokenBucket(options.download_rate, now))
        self.upload_limits = (context.upload, TokenBucket(options.upload_rate, now))
        self.down = Rate(now)
        self.up = Rate(now)
        self.wasted = 0
        """Payload bytes nobody asked for; the picker counts what was not needed."""
        self.sources: dict[str, int] = {}
        """Payload bytes by the kind of source that first named the peer."""
        self.discovery = Discovery(self, _hints(metainfo, options))
        self.gossip = Gossip(self)
        self.disclosure = Disclosure(self)
        self.members = Members(self)
        self.upload_slots = UploadSlots(self)
        self.piece_store = PieceStore(self)
        self._dialer = Dialer(self)
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
                self.members.close("the torrent stopped")
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
    def sessions(self) -> Mapping[PeerSession, None]:
        """The connected peers, in the order they joined."""
        return self.members.sessions

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
            self.fail(error)
            return
        self.checked = 1.0
        self.picker = self._new_picker(have=self.storage.verified)
        now = self.now()
        for endpoint in self.options.peers:
            self.peer_list.add(endpoint, Source(SourceKind.USER), now)
        if self.options.seed_existing and not self.picker.is_finished:
            self.fail(NotWhole(self.metainfo.name))
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
        self.gossip.tick(now)
        self.upload_slots.tick(now)
        self.piece_store.tick(now)
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
        offers_dht = self.context.dht is not None and not self.metainfo.is_private
        return Handshake(self.metainfo.info_hash, self.context.peer_id, dht=offers_dht)

    def progress(self) -> tuple[int, int, int]:
        """Bytes uploaded, downloaded and left."""
        left = self.metainfo.total_size - self.picker.size_of(self.picker.have)
        return self.up.total, self.down.total, left

    @property
    def info_hash(self) -> InfoHash:
        """The torrent's name on the wire."""
        return self.metainfo.info_hash

    def source_of(self, endpoint: Endpoint) -> Source:
        """Who named an address first."""
        known = self.peer_list.get(endpoint)
        return next(iter(known.sources)) if known is not None else Source(SourceKind.USER)

    # Downloading

    def on_block_outcome(
        self, session: PeerSession, block: Block, outcome: BlockOutcome[PeerSession]
    ) -> None:
        """A block that others were asked for too, or that completes its piece."""
        for other in outcome.cancel:
            other.connection.protocol.cancel(block.index, block.begin, len(block.data))
            other.connection.request_flush()
        if outcome.complete is not None:
            self.start(self.piece_store.store(block.index, outcome.complete))

    def verified(self, index: int) -> None:
        """A piece is right and on disk."""
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
        self.members.wants_changed()
        for session in list(self.sessions):
            self.members.consider_dropping(session)

    def received(self, session: PeerSession, size: int, now: float) -> None:
        """Payload came in."""
        self.down.add(size, now)
        self.sources[session.source] = self.sources.get(session.source, 0) + size

    def lost_some(self) -> None:
        """Pieces that we had are gone from the disk: fetch them again."""
        if self.picker.is_finished or self.state not in (State.SEEDING, State.DOWNLOADING):
            return
        if self.options.seed_existing:
            self.fail(NotWhole(self.metainfo.name))
        else:
            self.state = State.DOWNLOADING
            self.members.wants_changed()

    def fail(self, error: StorageError) -> None:
        """The disk refused: ask for nothing more, go on serving, try again in a while (F1)."""
        if self.state in (State.STOPPED, State.ERROR):
            return
        self.error = error
        retry = self.state is not State.CHECKING and not isinstance(error, NotWhole)
        self._retry_at = self.now() + DISK_RETRY_SECONDS if retry else None
        self.state = State.ERROR
        self._first_piece.set()
        self._settled.set()
        self.members.want_nothing()

    def _retry(self) -> None:
        self._retry_at = None
        self.error = None
        self._settled.clear()
        self.state = State.DOWNLOADING
        if self.picker.is_finished:
            self._finished()
        else:
            self.members.wants_changed()


def new_peer_list(context: NodeContext) -> PeerList:
    """The list of a swarm's addresses, under the node's policy."""
    allow = allow_everything if context.allow_local_peers else allow_by_class
    return PeerList(context.dial_budget, allow=allow)


def allow_everything(endpoint: Endpoint, source: Source) -> bool:
    """The policy of swarms that live on one machine or network."""
    return True


def _hints(metainfo: Metainfo, options: TorrentOptions) -> Hints:
    return Hints(
        tiers=metainfo.tiers,
        nodes=metainfo.nodes,
        peers=options.magnet_peers,
        is_private=metainfo.is_private,
    )


def _wanted(options: TorrentOptions) -> list[int] | None:
    if options.priorities is None:
        return None
    return [i for i, priority in enumerate(options.priorities) if priority is not Priority.SKIP]
