"""Hearing of peers: everything that may name an address for one torrent."""

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from formats.endpoint import AddressClass, Endpoint, classify
from formats.errors import ProtocolError
from node.torrent.known_peer import Source, SourceKind
from tracker.announcer import Announcer, TrackerClient, TrackerStatus
from tracker.tiers import AnnounceLimits

if TYPE_CHECKING:
    from dht.dht import Dht
    from node.torrent.torrent import Torrent

SHORT_OF_PEERS = 5
"""With fewer connections than this a download asks its sources again as soon as it may."""

HURRY_SECONDS = 30.0
"""Between two such requests; each source's own politeness limits what comes of them."""


class Discovery:
    """The sources of one torrent's peers, and what each of them is told about us."""

    def __init__(self, torrent: "Torrent") -> None:
        self._torrent = torrent
        self._announcer: Announcer | None = None
        self._announcing: asyncio.Task[None] | None = None
        self._next_hurry = torrent.now() + HURRY_SECONDS
        private = torrent.metainfo.is_private
        self._dht = None if private else torrent.context.dht  # private: trackers only (BEP 27)

    def start(self) -> None:
        """Begin to ask, everybody at once."""
        self._start_dht()
        self._start_trackers()

    def _start_dht(self) -> None:
        dht, torrent = self._dht, self._torrent
        if dht is None:
            return
        for host, port in torrent.metainfo.nodes:
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
                await dht.get_peers(torrent.info_hash, self._on_dht_peers)
            await asyncio.sleep(HURRY_SECONDS)

    def _start_trackers(self) -> None:
        torrent = self._torrent
        context = torrent.context
        trackers = context.trackers
        if trackers is None or not torrent.metainfo.tiers:
            return

        def http(url: str) -> TrackerClient:
            return trackers.tracker(url, trusted=True)

        self._announcer = Announcer(
            torrent.metainfo.tiers,
            info_hash=torrent.metainfo.info_hash,
            peer_id=context.peer_id,
            port=context.listen_port,
            clients={"http": http, "https": http},
            progress=self._progress,
            on_peers=self._on_tracker_peers,
            rng=context.rng,
            limits=AnnounceLimits(shortest_interval=context.tracker_interval_floor),
            private=torrent.metainfo.is_private,
        )
        self._announcing = torrent.start(self._announcer.run())

    async def stop(self) -> None:
        """Ask no more, and say goodbye to those who know us."""
        if self._dht is not None:
            self._dht.remove_torrent(self._torrent.info_hash)
        if self._announcer is not None and self._announcing is not None:
            self._announcing.cancel()
            await self._announcer.stop()

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

    def _progress(self) -> tuple[int, int, int]:
        torrent = self._torrent
        left = torrent.metainfo.total_size - torrent.picker.size_of(torrent.picker.have)
        return torrent.up.total, torrent.down.total, left

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
