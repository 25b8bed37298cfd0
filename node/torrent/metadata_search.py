"""From a magnet to the torrent it names: find peers, fetch the metadata from them (BEP 9).

It never gives up by itself, and says at any time what it has tried. The peers it found go to the
torrent that follows.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from formats.endpoint import Endpoint
from formats.errors import EverswarmError
from formats.identifiers import InfoHash
from formats.magnet import Magnet
from formats.metainfo import Metainfo, MetainfoError, parse_info
from node.peer.handshake import Handshake
from node.torrent.context import NodeContext
from node.torrent.dialer import Dialer, Failure
from node.torrent.discovery import Discovery, Hints
from node.torrent.known_peer import Source, SourceKind
from node.torrent.metadata_assembly import Complete, Liar, MetadataAssembly
from node.torrent.metadata_members import MetadataMembers
from node.torrent.metadata_peer import MetadataPeer
from node.torrent.status import DhtSearchStatus, MetadataStatus
from node.torrent.torrent import new_peer_list

LIAR_SECONDS = 300.0
"""How long a peer that gave a false copy all by itself is kept out (P14)."""
UNKNOWN_LEFT = 1
"""Bytes that trackers are told are missing, while nobody knows: more than none, for peers' sake."""


class SearchStopped(EverswarmError):
    """The node ended the search before anything was found."""


class MetadataSearch:
    """A search for one torrent's metadata. `run` is its life; the rest may be called meanwhile."""

    is_complete = False
    is_seed = False

    def __init__(
        self, magnet: Magnet, *, context: NodeContext, peers: Sequence[Endpoint] = ()
    ) -> None:
        """`peers`: those the user named."""
        self.magnet = magnet
        self.info_hash: InfoHash = magnet.info_hash
        self.context = context
        self.loop = context.loop
        self.metainfo: Metainfo | None = None
        self.error: EverswarmError | None = None
        self.peer_list = new_peer_list(context)
        self.assembly: MetadataAssembly[MetadataPeer] = MetadataAssembly(magnet.info_hash)
        self.members = MetadataMembers(self)
        self.discovery = Discovery(
            self, Hints(tiers=_tiers(magnet), peers=magnet.peers, is_private=False)
        )
        self._user_peers = tuple(peers)
        self._dialer = Dialer(self)
        self._tasks: asyncio.TaskGroup | None = None
        self._running: dict[asyncio.Task[None], None] = {}
        self._ended = asyncio.Event()

    # Life

    async def run(self) -> None:
        """Search until the metadata is verified or `stop` is called."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                now = self.now()
                for endpoint in self._user_peers:
                    self.peer_list.add(endpoint, Source(SourceKind.USER), now)
                self.discovery.start()
                self.dial(now)
                await self._ended.wait()
                self._tasks = None
                self._dialer.close()
                self.members.close("we begin anew with the metadata")
                for task in list(self._running):
                    task.cancel()
                if self.metainfo is None:
                    await self.discovery.stop()
                else:
                    self.discovery.hand_over()
        finally:
            self._tasks = None
            self.peer_list.release(self.now())

    def stop(self) -> None:
        """Ask `run` to end politely; no effect once the metadata is known."""
        if not self._ended.is_set():
            self.error = SearchStopped("the search for the metadata was stopped")
            self._ended.set()

    async def wait(self) -> Metainfo:
        """Return when the metadata is verified.

        Raises MetainfoError for a torrent that we cannot download, and SearchStopped.
        """
        await self._ended.wait()
        if self.metainfo is None:
            assert self.error is not None
            raise self.error
        return self.metainfo

    def supply(self, metainfo: Metainfo) -> None:
        """The torrent became known in another way."""
        if not self._ended.is_set():
            self.metainfo = metainfo
            self._ended.set()

    def judged(self, outcome: Complete | Liar) -> None:
        """A copy is complete."""
        if isinstance(outcome, Liar):
            self.members.ban(outcome.source, LIAR_SECONDS)
            return
        try:
            self.supply(described(parse_info(outcome.info_bytes), self.magnet))
        except MetainfoError as error:
            self.error = error
            self._ended.set()

    # What the dialler, the discovery and the door need

    @property
    def is_running(self) -> bool:
        """Peers may join."""
        return self._tasks is not None and not self._ended.is_set()

    @property
    def may_download(self) -> bool:
        """Peers are wanted."""
        return self.is_running

    @property
    def sessions(self) -> Mapping[MetadataPeer, None]:
        """The connected peers, in the order they joined."""
        return self.members.sessions

    def now(self) -> float:
        """Seconds of the loop's monotonic clock."""
        return self.loop.time()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that ends, at the latest, with the search."""
        assert self._tasks is not None
        task = self._tasks.create_task(work)
        self._running[task] = None
        task.add_done_callback(self._running.pop)
        return task

    def progress(self) -> tuple[int, int, int]:
        """Bytes uploaded, downloaded and left, for the trackers."""
        return 0, 0, UNKNOWN_LEFT

    def local_handshake(self) -> Handshake:
        """Who we are in this swarm."""
        return Handshake(self.info_hash, self.context.peer_id, dht=self.context.dht is not None)

    def source_of(self, endpoint: Endpoint) -> Source:
        """Who named an address first."""
        known = self.peer_list.get(endpoint)
        return next(iter(known.sources)) if known is not None else Source(SourceKind.USER)

    def dial(self, now: float) -> None:
        """Reach out to addresses we heard of, as far as that is wanted and allowed."""
        if self.is_running:
            self._dialer.dial(now)

    def tick(self, now: float) -> None:
        """About once a second, from the node's one clock."""
        if not self.is_running:
            return
        for peer in list(self.sessions):
            peer.tick(now)
        self._dialer.tick(now)
        self.discovery.tick(now)
        self.dial(now)

    def status(self) -> MetadataStatus:
        """What was tried, for people."""
        failures = Counter(self._dialer.failures.values())
        pieces, piece_count = self.assembly.progress
        return MetadataStatus(
            known_peers=len(self.peer_list),
            connected=len(self.sessions),
            with_metadata=sum(peer.has_metadata for peer in self.sessions),
            refused=failures[Failure.REFUSED],
            timed_out=failures[Failure.TIMED_OUT],
            unreachable=failures[Failure.UNREACHABLE],
            sent_away=failures[Failure.SENT_AWAY],
            sizes=self.assembly.sizes,
            pieces=pieces,
            piece_count=piece_count,
            bad_copies=self.assembly.bad_copies,
            dht=self._dht_status(),
            trackers=self.discovery.tracker_statuses(),
        )

    def _dht_status(self) -> DhtSearchStatus | None:
        dht = self.context.dht
        if dht is None:
            return None
        found = self.discovery.dht_found
        return DhtSearchStatus(
            problem=dht.status().problem,
            nodes_answered=None if found is None else found.nodes_answered,
            peers=0 if found is None else len(found.peers),
        )


def described(metainfo: Metainfo, magnet: Magnet) -> Metainfo:
    """The torrent with what the magnet says beside the info hash, after what was known before."""
    known = {*metainfo.trackers}
    new = [tier for tier in _tiers(magnet) if tier[0] not in known]
    web_seeds = dict.fromkeys((*metainfo.web_seeds, *magnet.web_seeds))
    return replace(metainfo, tiers=(*metainfo.tiers, *new), web_seeds=tuple(web_seeds))


def _tiers(magnet: Magnet) -> tuple[tuple[str, ...], ...]:
    """A magnet does not say which trackers belong together: each is a tier of its own."""
    return tuple((tracker,) for tracker in magnet.trackers)
