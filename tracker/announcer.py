"""Announces one torrent to its trackers while it runs; `tiers.py` decides whom and when."""

import asyncio
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from formats.endpoint import Endpoint
from formats.identifiers import InfoHash, PeerId
from tracker.announce import DEFAULT_NUMWANT, AnnounceRequest, AnnounceResponse, Event
from tracker.errors import TrackerError
from tracker.tiers import AnnounceLimits, TierList, TierTracker


class TrackerClient(Protocol):
    """One tracker, whatever its scheme; HttpTracker is one."""

    async def announce(
        self, request: AnnounceRequest, *, timeout: float | None = None
    ) -> AnnounceResponse:
        """Raises TrackerError."""
        ...


class TrackerState(StrEnum):
    """What a tracker is doing, in a word for the user."""

    UNSUPPORTED = "unsupported"
    ASKING = "asking"
    WORKING = "working"
    FAILED = "failed"
    WAITING = "not asked yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerStatus:
    """One tracker as shown to the user. `next_announce` is seconds from now, None: not planned."""

    url: str
    tier: int
    state: TrackerState
    error: str | None
    warning: str | None
    next_announce: float | None
    peers_given: int
    seeds: int | None
    leechers: int | None
    external_ip: str | None


class Announcer:
    """The owner runs `run()` in a task, cancels it to end, and then awaits `stop()`."""

    def __init__(
        self,
        tiers: Sequence[Sequence[str]],
        *,
        info_hash: InfoHash,
        peer_id: PeerId,
        port: int,
        clients: Mapping[str, Callable[[str], TrackerClient]],
        progress: Callable[[], tuple[int, int, int]],
        on_peers: Callable[[str, list[Endpoint]], None],
        rng: random.Random,
        limits: AnnounceLimits | None = None,
        private: bool = False,
        numwant: int = DEFAULT_NUMWANT,
    ) -> None:
        """`clients` maps a URL's scheme to what makes a client of a URL.

        `progress` gives bytes (uploaded, downloaded, left); `on_peers` gets a tracker's URL and the
        peers it named.
        """
        self.limits = limits or AnnounceLimits()
        self._tiers = TierList(
            tiers, rng=rng, schemes=clients.keys(), limits=self.limits, private=private
        )
        self._clients = {
            tracker.url: clients[tracker.url.partition(":")[0].lower()](tracker.url)
            for tracker in self._tiers
            if tracker.supported
        }
        self._info_hash = info_hash
        self._peer_id = peer_id
        self._port = port
        self._key = rng.getrandbits(32)
        self._progress = progress
        self._on_peers = on_peers
        self._numwant = numwant
        self._was_complete = False
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Announce until cancelled."""
        loop = asyncio.get_running_loop()
        self._was_complete = self._progress()[2] == 0
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                now = loop.time()
                for tracker in self._tiers.due(now):
                    event = self._tiers.asked(tracker, now)
                    group.create_task(self._ask(tracker, event))
                try:
                    async with asyncio.timeout_at(self._tiers.next_look(now)):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    async def stop(self) -> None:
        """Say goodbye to the trackers that know us, all at once, within `stop_timeout` seconds."""
        async with asyncio.TaskGroup() as group:
            for tracker in self._tiers:
                if tracker.started:
                    tracker.started = False
                    group.create_task(self._say_stopped(tracker))

    def announce_now(self) -> None:
        """Peers are short: ask as soon as each tracker may be asked, and ask more trackers."""
        self._tiers.peers_are_short()
        self._wake.set()

    def completed(self) -> None:
        """The last piece has come. No effect if the torrent was complete at the start (BEP 3)."""
        if not self._was_complete:
            self._was_complete = True
            self._tiers.completed(asyncio.get_running_loop().time())
            self._wake.set()

    def peer_reached(self, endpoint: Endpoint) -> None:
        """A connection to this peer succeeded; credited to the trackers that named it (C7)."""
        self._tiers.peer_reached(endpoint)

    def statuses(self) -> list[TrackerStatus]:
        """Every tracker, in the order of asking."""
        now = asyncio.get_running_loop().time()
        return [_status(tracker, now) for tracker in self._tiers]

    async def _ask(self, tracker: TierTracker, event: Event) -> None:
        loop = asyncio.get_running_loop()
        request = self._request(tracker, event, numwant=self._numwant)
        try:
            response = await self._clients[tracker.url].announce(request)
        except TrackerError as error:
            self._tiers.failed(tracker, error, loop.time())
        else:
            self._tiers.answered(tracker, response, loop.time())
            if response.peers:
                self._on_peers(tracker.url, list(response.peers))
        self._wake.set()

    async def _say_stopped(self, tracker: TierTracker) -> None:
        under_way = tracker.event if tracker.asked_at is not None else None
        unsaid = tracker.completed_due and under_way is not Event.COMPLETED
        events = [Event.COMPLETED, Event.STOPPED] if unsaid else [Event.STOPPED]
        timeout = self.limits.stop_timeout / len(events)
        try:
            for event in events:
                request = self._request(tracker, event, numwant=0)
                await self._clients[tracker.url].announce(request, timeout=timeout)
        except TrackerError as error:
            tracker.error = str(error)

    def _request(self, tracker: TierTracker, event: Event, *, numwant: int) -> AnnounceRequest:
        uploaded, downloaded, left = self._progress()
        return AnnounceRequest(
            info_hash=self._info_hash,
            peer_id=self._peer_id,
            port=self._port,
            uploaded=uploaded,
            downloaded=downloaded,
            left=left,
            event=event,
            key=self._key,
            numwant=numwant,
            tracker_id=tracker.tracker_id,
        )


def _status(tracker: TierTracker, now: float) -> TrackerStatus:
    response = tracker.response
    planned = tracker.asked_at is None and math.isfinite(tracker.next_at)
    return TrackerStatus(
        url=tracker.url,
        tier=tracker.tier,
        state=_state(tracker),
        error=tracker.error if tracker.supported else "this kind of tracker is not supported",
        warning=None if response is None else response.warning,
        next_announce=max(tracker.next_at - now, 0.0) if planned else None,
        peers_given=tracker.peers_given,
        seeds=None if response is None else response.complete,
        leechers=None if response is None else response.incomplete,
        external_ip=None if response is None else response.external_ip,
    )


def _state(tracker: TierTracker) -> TrackerState:
    if not tracker.supported:
        return TrackerState.UNSUPPORTED
    if tracker.asked_at is not None:
        return TrackerState.ASKING
    if tracker.working:
        return TrackerState.WORKING
    return TrackerState.FAILED if tracker.failures else TrackerState.WAITING
