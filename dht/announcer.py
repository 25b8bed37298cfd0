"""Every torrent we hold stays findable: announces on the beat of `announce_schedule`.

Neighbours in the ID space share what their lookups found; a budget of packets bounds them all.
Nodes may say they stored what they did not: `findable` looks from outside.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dht.announce_schedule import AnnounceReport, AnnounceSchedule, ScheduleStats
from dht.contact import Contact, Family
from dht.family_node import FamilyNode
from dht.peer_search import Announcement, OnPeers, PeerSearch
from formats.identifiers import InfoHash

TICK_SECONDS = 1.0
BURST_SECONDS = 2.0
"""Of unused budget that may be saved up."""

MINIMUM_BURST = 64.0
"""Packets; at any rate one lookup and its announces can be paid."""

MAX_GROUPS = 16
"""Groups of neighbours announced at one time."""


@dataclass(frozen=True, slots=True)
class _Torrent:
    announcement: Announcement
    on_peers: OnPeers | None


class Announcer:
    """Announces until removed what is added. Keep `run` running in a task.

    `is_ready` tells whether there is anybody to announce to.
    """

    def __init__(
        self,
        nodes: Mapping[Family, FamilyNode],
        *,
        packet_rate: float,
        is_ready: Callable[[], bool],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._nodes = nodes
        self._rate = packet_rate
        self._is_ready = is_ready
        self._schedule = AnnounceSchedule()
        self._torrents: dict[InfoHash, _Torrent] = {}
        self._budget = 0.0
        self._groups = 0
        self._wake = asyncio.Event()

    def add(
        self, info_hash: InfoHash, announcement: Announcement, *, on_peers: OnPeers | None = None
    ) -> None:
        """Keep this torrent findable; adding it again changes what is said of it.

        `on_peers` is handed the peers that its announces come across.
        """
        self._torrents[info_hash] = _Torrent(announcement, on_peers)
        self._schedule.add(info_hash, self._loop.time())
        self._wake.set()

    def remove(self, info_hash: InfoHash) -> None:
        """Announce it no more; nodes forget it within half an hour."""
        self._torrents.pop(info_hash, None)
        self._schedule.remove(info_hash)

    def hasten(self) -> None:
        """Our address has changed: announce everything again."""
        self._schedule.hasten(self._loop.time())
        self._wake.set()

    def report(self, info_hash: InfoHash) -> AnnounceReport | None:
        """When, where and by how many nodes it was stored."""
        return self._schedule.report(info_hash)

    def overdue(self) -> list[InfoHash]:
        """Torrents that no node stored within the last half hour."""
        return self._schedule.overdue(self._loop.time())

    def stats(self) -> ScheduleStats:
        """Counts over all torrents."""
        return self._schedule.stats(self._loop.time())

    async def run(self) -> None:
        """Announce until cancelled."""
        saved_at = self._loop.time()
        most = max(MINIMUM_BURST, self._rate * BURST_SECONDS)
        async with asyncio.TaskGroup() as group:
            while True:
                if not self._torrents:
                    self._wake.clear()
                    await self._wake.wait()
                now = self._loop.time()
                self._budget = min(most, self._budget + (now - saved_at) * self._rate)
                saved_at = now
                if self._is_ready() and self._groups < MAX_GROUPS:
                    for batch in self._schedule.next_batch(now, int(self._budget)):
                        self._groups += 1
                        group.create_task(self._announce_group(batch))
                await asyncio.sleep(TICK_SECONDS)

    async def _announce_group(self, batch: Sequence[InfoHash]) -> None:
        """Neighbours one after the other, each from where the one before ended."""
        contacts: Sequence[Contact] = ()
        for info_hash in batch:
            torrent = self._torrents.get(info_hash)
            if torrent is not None:
                contacts = await self._announce(info_hash, torrent, contacts)
        self._groups -= 1

    async def _announce(
        self, info_hash: InfoHash, torrent: _Torrent, contacts: Sequence[Contact]
    ) -> Sequence[Contact]:
        search = PeerSearch(
            self._nodes.values(), info_hash, on_peers=torrent.on_peers, contacts=contacts
        )
        found = await search.run()
        stored = await search.announce(torrent.announcement)
        self._budget -= found.nodes_asked + len(found.tokens)
        self._schedule.stored(info_hash, stored, self._loop.time())
        return found.closest
