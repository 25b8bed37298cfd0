"""Hearing of peers: everything that may name an address for one torrent."""

import asyncio
import socket
from collections.abc import Coroutine, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from formats.endpoint import AddressClass, Endpoint, EndpointError, classify, normalise
from formats.errors import ProtocolError
from formats.identifiers import InfoHash
from node.torrent.context import NodeContext
from node.torrent.known_peer import Source, SourceKind
from node.torrent.peer_list import PeerList
from tracker.announcer import Announcer, TrackerClient, TrackerStatus
from tracker.tiers import AnnounceLimits

if TYPE_CHECKING:
    from dht.dht import Dht
    from dht.peer_search import PeersFound

SHORT_OF_PEERS = 5
"""With fewer connections than this a download asks its sources again as soon as it may."""

HURRY_SECONDS = 30.0
"""Between two such requests; each source's own politeness limits what comes of them."""
RESOLVE_SECONDS = 10.0
"""For the name of one peer of a magnet."""


class Swarm(Protocol):
    """Whose peers are looked for."""

    context: NodeContext
    peer_list: PeerList

    @property
    def info_hash(self) -> InfoHash: ...
    @property
    def is_seed(self) -> bool: ...
    @property
    def may_download(self) -> bool: ...
    @property
    def sessions(self) -> Sized: ...
    def progress(self) -> tuple[int, int, int]:
        """Bytes uploaded, downloaded and left."""

    def now(self) -> float: ...
    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...
    def dial(self, now: float) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What a torrent or a magnet itself says about where its peers are."""

    tiers: Sequence[Sequence[str]] = ()
    """Tracker URLs, most preferred tier first (BEP 12)."""
    nodes: Sequence[tuple[str, int]] = ()
    """DHT nodes, as (host name or address, port) (BEP 5)."""
    peers: Sequence[tuple[str, int]] = ()
    """Peers, as (host name or address, port) (`x.pe`, BEP 9)."""
    is_private: bool = False
    """Peers come from the trackers alone (BEP 27)."""


class Discovery:
    """The sources of one torrent's peers, and what each of them is told about us."""

    def __init__(self, torrent: Swarm, hints: Hints) -> None:
        self._torrent = torrent
        self._hints = hints
        self._announcer: Announcer | None = None
        self._announcing: asyncio.Task[None] | None = None
        self._next_hurry = torrent.now() + HURRY_SECONDS
        self._dht = None if hints.is_private else torrent.context.dht
        self.dht_found: PeersFound | None = None
        """What the last search of the DHT brought."""

    def start(self) -> None:
        """Begin to ask, everybody at once."""
        self._start_dht()
        self._start_trackers()
        if self._hints.peers and not self._hints.is_private:
            self._torrent.start(self._resolve_peers())

    async def _resolve_peers(self) -> None:
        """The peers that a magnet names; a name that nobody knows is passed over."""
        loop = asyncio.get_running_loop()
        source = Source(SourceKind.MAGNET)
        for host, port in self._hints.peers:
            try:
                self._heard_of([Endpoint(normalise(host), port)], source)
                continue
            except EndpointError:
                pass
            try:
                async with asyncio.timeout(RESOLVE_SECONDS):
                    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                continue
            peers = [Endpoint(normalise(str(where[0])), port) for *_, where in found]
            self._heard_of(peers, source)

    def _start_dht(self) -> None:
        dht, torrent = self._dht, self._torrent
        if dht is None:
            return
        for host, port in self._hints.nodes:
            dht.add_node(host, port)
        self._announce_to_dht()
        torrent.start(self._search_dht(dht))

    def _announce_to_dht(self) -> None:
        torrent = self._torrent
        if self._dht is not None and torrent.context.listen_port:
            self._dht.add_torrent(
                torrent.info_hash,
                torrent.context.listen_port,
                seed=torrent.is_seed,
                on_peers=self._on_dht_peers,
            )

    async def _search_dht(self, dht: "Dht") -> None:
        """Search at once, and again as long as a download is short of peers.

        Later announces come across peers as well, so nothing more is needed.
        """
        torrent = self._torrent
        while torrent.may_download:
            if len(torrent.sessions) < SHORT_OF_PEERS:
                self.dht_found = await dht.get_peers(torrent.info_hash, self._on_dht_peers)
            await asyncio.sleep(HURRY_SECONDS)

    def _start_trackers(self) -> None:
        torrent = self._torrent
        context = torrent.context
        trackers, udp_trackers = context.trackers, context.udp_trackers
        if trackers is None or udp_trackers is None or not self._hints.tiers:
            return

        def http(url: str) -> TrackerClient:
            return trackers.tracker(url, trusted=True)

        def udp(url: str) -> TrackerClient:
            return udp_trackers.tracker(url, trusted=True)

        self._announcer = Announcer(
            self._hints.tiers,
            info_hash=torrent.info_hash,
            peer_id=context.peer_id,
            port=context.listen_port,
            clients={"http": http, "https": http, "udp": udp},
            progress=torrent.progress,
            on_peers=self._on_tracker_peers,
            rng=context.rng,
            limits=AnnounceLimits(shortest_interval=context.tracker_interval_floor),
            private=self._hints.is_private,
        )
        self._announcing = torrent.start(self._announcer.run())

    async def stop(self) -> None:
        """Ask no more, and say goodbye to those who know us."""
        if self._dht is not None:
            self._dht.remove_torrent(self._torrent.info_hash)
        if self._announcer is not None and self._announcing is not None:
            self._announcing.cancel()
            await self._announcer.stop()

    def hand_over(self) -> None:
        """Ask no more, and say no goodbye: the torrent goes on under the same name."""
        if self._dht is not None:
            self._dht.remove_torrent(self._torrent.info_hash)
        if self._announcing is not None:
            self._announcing.cancel()

    def completed(self) -> None:
        """We have every piece now."""
        self._announce_to_dht()
        if self._announcer is not None:
            self._announcer.completed()

    def peer_reached(self, endpoint: Endpoint) -> None:
        """A conversation with this address began."""
        if self._announcer is not None:
            self._announcer.peer_reached(endpoint)

    def dht_port(self, peer: Endpoint, port: int) -> None:
        """A peer says that its DHT node listens on this UDP port (BEP 5)."""
        if self._dht is not None and port:
            self._dht.add_node(peer.host, port, from_peer=True)

    def tick(self, now: float) -> None:
        """About once a second: a download without peers does not wait for the next interval."""
        torrent = self._torrent
        if (
            self._announcer is not None
            and torrent.may_download
            and now >= self._next_hurry
            and len(torrent.sessions) < SHORT_OF_PEERS
        ):
            self._next_hurry = now + HURRY_SECONDS
            self._announcer.announce_now()

    def tracker_statuses(self) -> tuple[TrackerStatus, ...]:
        """Every tracker, for people."""
        return () if self._announcer is None else tuple(self._announcer.statuses())

    def _on_tracker_peers(self, url: str, peers: list[Endpoint]) -> None:
        self._heard_of(peers, Source(SourceKind.TRACKER, url, host_class(url)))

    def _on_dht_peers(self, peers: list[Endpoint]) -> None:
        assert self._dht is not None
        where = AddressClass.LOOPBACK if self._dht.config.allow_local else AddressClass.GLOBAL
        self._heard_of(peers, Source(SourceKind.DHT, address_class=where))

    def _heard_of(self, peers: list[Endpoint], source: Source) -> None:
        now = self._torrent.now()
        for endpoint in peers:
            self._torrent.peer_list.add(endpoint, source, now)
        self._torrent.dial(now)


def host_class(url: str) -> AddressClass:
    """Where the host that a URL names is; a name other than `localhost` counts as global."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return AddressClass.LOOPBACK
    try:
        return classify(host)
    except ProtocolError:
        return AddressClass.GLOBAL
