"""Which tracker to ask when (BEP 12): a pure policy that is told `now` and keeps every clock.

Tiers go in order, and within a tier the one that answered last goes first. Beyond BEP 12:

* a tracker that failed is asked again on a clock of its own, in whatever tier it stands, so that
  one that comes back is found (C9);
* no answer for 5 s: the next of the tier and the next tier are asked meanwhile (C9);
* while peers are short, a tracker counts only if one of its peers could be reached: one that is
  empty for ever, or lies, does not keep the others from being asked (C7);
* intervals are clamped, whatever was said (C5).

A private torrent keeps to one tracker at a time and changes only when that one fails (BEP 27).
"""

import math
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from formats.endpoint import Endpoint
from tracker.announce import AnnounceResponse, Event
from tracker.errors import TrackerError, TrackerFailure

_REMEMBERED_PEERS = 200
"""Peers of one tracker whose success is credited to it: one full reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnounceLimits:
    """Patience and politeness, in seconds."""

    shortest_interval: float = 300.0
    longest_interval: float = 86_400.0
    """What a tracker may ask for (C5)."""
    soonest: float = 60.0
    """Between two announces to one tracker when peers are short, unless it allows less often."""
    probe_after: float = 5.0
    """Without an answer, before others are asked too (C9)."""
    first_retry: float = 5.0
    retry_growth: float = 2.5
    """After n failures: `first_retry * (1 + retry_growth * n * n)`, libtorrent's 250 %."""
    longest_retry: float = 3600.0
    gone_for: float = 86_400.0
    """How long HTTP 404 and 410 are taken at their word."""
    stop_timeout: float = 5.0
    """For `stopped`: we are leaving."""


@dataclass(slots=True, eq=False)
class TierTracker:
    """One tracker's state. Times are monotonic seconds."""

    url: str
    tier: int
    supported: bool
    next_at: float = -math.inf
    asked_at: float | None = None
    """When the announce under way began."""
    ended_at: float = -math.inf
    """When the last announce was answered or failed."""
    not_before: float = -math.inf
    """It asked to be left alone until then (BEP 31), or is no tracker."""
    event: Event = Event.NONE
    """Of the announce under way, or the last."""
    working: bool = False
    """The last announce was answered."""
    started: bool = False
    """It knows of us."""
    completed_due: bool = False
    failures: int = 0
    """In a row."""
    error: str | None = None
    response: AnnounceResponse | None = None
    tracker_id: bytes | None = None
    """To be sent back (BEP 3's `tracker id`, once given)."""
    peers_given: int = 0
    handed_out: dict[Endpoint, None] = field(default_factory=dict)
    reached: bool = False
    """A peer it gave was reached since peers were last short (C7)."""

    def is_slow(self, now: float, patience: float) -> bool:
        """Asked, and silent for `patience` seconds."""
        return self.asked_at is not None and now - self.asked_at >= patience


class TierList:
    """The trackers of one torrent."""

    def __init__(
        self,
        tiers: Sequence[Sequence[str]],
        *,
        rng: random.Random,
        schemes: Collection[str],
        limits: AnnounceLimits | None = None,
        private: bool = False,
    ) -> None:
        """`schemes` are those we have a client for; trackers of others are listed, not asked."""
        self.limits = limits or AnnounceLimits()
        self._rng = rng
        self._private = private
        self._short = False
        self._tiers: list[list[TierTracker]] = []
        seen: set[str] = set()
        for number, urls in enumerate(tiers):
            tier = []
            for url in urls:
                if url not in seen:
                    seen.add(url)
                    scheme = url.partition(":")[0].lower()
                    tier.append(TierTracker(url, number, supported=scheme in schemes))
            rng.shuffle(tier)
            self._tiers.append(tier)

    def __iter__(self) -> Iterator[TierTracker]:
        """All trackers, in the order they are asked."""
        return (tracker for tier in self._tiers for tracker in tier)

    def due(self, now: float) -> list[TierTracker]:
        """Whom to ask now; the caller asks each and says so with `asked`."""
        if self._private:
            return self._due_one_at_a_time(now)
        chosen: dict[TierTracker, None] = {}
        for tier in self._tiers:
            turn, satisfied = self._turn_in(tier, now)
            if turn is not None:
                chosen[turn] = None
            if satisfied:
                break
        for tracker in self:
            if tracker.failures and _is_ready(tracker, now):
                chosen[tracker] = None
        return list(chosen)

    def next_look(self, now: float) -> float | None:
        """When `due` may give something that it does not give now, if nothing else happens."""
        patience = self.limits.probe_after
        times = [
            tracker.next_at if tracker.asked_at is None else tracker.asked_at + patience
            for tracker in self
            if tracker.supported
        ]
        return min((time for time in times if now < time < math.inf), default=None)

    def asked(self, tracker: TierTracker, now: float) -> Event:
        """An announce begins; returns its event."""
        tracker.asked_at = now
        if not tracker.started:
            tracker.event = Event.STARTED
        else:
            tracker.event = Event.COMPLETED if tracker.completed_due else Event.NONE
        return tracker.event

    def answered(self, tracker: TierTracker, response: AnnounceResponse, now: float) -> None:
        """The announce under way was answered: the tracker goes first in its tier (BEP 12)."""
        tracker.asked_at, tracker.ended_at = None, now
        tracker.working, tracker.started = True, True
        tracker.failures, tracker.error = 0, None
        tracker.response = response
        tracker.tracker_id = response.tracker_id or tracker.tracker_id
        tracker.peers_given += len(response.peers)
        for endpoint in response.peers:
            tracker.handed_out.pop(endpoint, None)
            tracker.handed_out[endpoint] = None
        for endpoint in list(tracker.handed_out)[:-_REMEMBERED_PEERS]:
            del tracker.handed_out[endpoint]
        if tracker.event is Event.COMPLETED:
            tracker.completed_due = False
        interval = self._interval(response) * self._rng.uniform(0.95, 1.0)
        interval = max(interval, self.limits.shortest_interval)
        tracker.next_at = now if tracker.completed_due else now + interval
        tier = self._tiers[tracker.tier]
        tier.remove(tracker)
        tier.insert(0, tracker)

    def failed(self, tracker: TierTracker, error: TrackerError, now: float) -> None:
        """The announce under way failed; the tracker's own clock says when it is asked again."""
        tracker.asked_at, tracker.ended_at = None, now
        tracker.working = False
        tracker.failures += 1
        tracker.error = str(error)
        limits = self.limits
        if isinstance(error, TrackerFailure) and error.retry_in is not None:
            wait = max(error.retry_in * 60, limits.shortest_interval)
            if wait < math.inf:
                wait = min(wait, limits.longest_interval)
            tracker.not_before = now + wait
        elif error.gone:
            tracker.not_before = now + limits.gone_for
        wait = limits.first_retry * (1 + limits.retry_growth * tracker.failures**2)
        wait = min(wait, limits.longest_retry) * self._rng.uniform(0.9, 1.1)
        tracker.next_at = max(now + wait, tracker.not_before)

    def peers_are_short(self) -> None:
        """Ask as soon as politeness allows, and further down the list than usual."""
        self._short = True
        for tracker in self:
            tracker.reached = False
            soonest = self.limits.soonest
            if tracker.working and tracker.response is not None:
                asked_for = tracker.response.min_interval or 0
                soonest = min(max(soonest, asked_for), self._interval(tracker.response))
            earliest = max(tracker.ended_at + soonest, tracker.not_before)
            tracker.next_at = min(tracker.next_at, earliest)

    def peer_reached(self, endpoint: Endpoint) -> None:
        """We have talked to this peer: whoever named it is a good tracker (C7)."""
        for tracker in self:
            if endpoint in tracker.handed_out:
                tracker.reached = True
                self._short = False

    def completed(self, now: float) -> None:
        """Tell those who know us as incomplete, at once."""
        for tracker in self:
            if tracker.started:
                tracker.completed_due = True
                if tracker.working:
                    tracker.next_at = now

    def _turn_in(self, tier: list[TierTracker], now: float) -> tuple[TierTracker | None, bool]:
        """(whom to ask in this tier, whether the tiers below it need not be asked)."""
        patience = self.limits.probe_after
        impatient = any(tracker.is_slow(now, patience) for tracker in tier)
        for tracker in tier:
            if tracker.asked_at is not None:
                if tracker.is_slow(now, patience):
                    continue
                return None, not impatient
            if _is_ready(tracker, now):
                return tracker, not impatient
            if tracker.working and (tracker.reached or not self._short):
                return None, True
        return None, False

    def _due_one_at_a_time(self, now: float) -> list[TierTracker]:
        if any(tracker.asked_at is not None for tracker in self):
            return []
        current = next((tracker for tracker in self if tracker.working), None)
        if current is not None:
            return [current] if _is_ready(current, now) else []
        return [tracker for tracker in self if _is_ready(tracker, now)][:1]

    def _interval(self, response: AnnounceResponse) -> float:
        limits = self.limits
        return min(max(response.interval, limits.shortest_interval), limits.longest_interval)


def _is_ready(tracker: TierTracker, now: float) -> bool:
    return tracker.supported and tracker.asked_at is None and now >= tracker.next_at
