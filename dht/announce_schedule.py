"""Which info hashes to announce next: every one of 10⁵ stays findable, within a packet budget.

Nodes forget a peer about 30 minutes after its last announce (BEP 5), so each hash comes round after
15. If the budget is too small for that, all come round later, the longest unannounced first. Hashes
at risk, which no node or few nodes stored, come back sooner, and stand in a line of their own that
gets three of four turns. None is ever dropped: a hash that was handed out and never reported on is
handed out again.

Hashes that are neighbours in the ID space are handed out together, as a group in the order of the
space: the nodes that one lookup finds are good contacts to start the next one with. A hash joins a
neighbour that is hardly more urgent, and is its companion from then on.

About 250 bytes a hash, and the 64 of the info hash itself.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import NamedTuple

from dht.due_queue import DueQueue, slot_of
from formats.endpoint import Endpoint, pack, unpack4, unpack6
from formats.identifiers import InfoHash

INTERVAL_SECONDS = 15 * 60.0
"""Between two announces of a hash: half of the time after which nodes forget, for one may fail."""

EXPIRY_SECONDS = 30 * 60.0
"""After which nodes forget a peer (BEP 5 leaves it open; this is what most of them do)."""

ENOUGH_NODES = 4
"""With fewer nodes that stored it a hash is at risk: half of the k that should."""

AT_RISK_SECONDS = 5 * 60.0
"""Between two announces of a hash at risk."""

SAFE_TURN = 4
"""While hashes at risk wait too, the others get one group in this many."""

RETRY_SECONDS = 30.0
"""After an announce that nobody stored, doubled with every further one, up to the interval."""

LEASE_SECONDS = 10 * 60.0
"""After which a hash that was handed out and not reported on is due again."""

EARLY_SECONDS = 3 * 60.0
"""A hash that would be due this much later is announced along with its neighbour."""

GROUP = 16
"""Hashes in one group; more would keep the ones at risk elsewhere waiting."""

NODES_REMEMBERED = 8
"""Of the nodes that stored a hash: k."""

LOOKUP_PACKETS = 16
"""Queries of a whole lookup, as measured in networks of 1,000 to 10,000 nodes."""

NEIGHBOUR_PACKETS = 10
"""Queries of a lookup that starts from a neighbour's nodes."""

ANNOUNCE_PACKETS = 8
"""One `announce_peer` for each of k nodes."""

_FIRST_PACKETS = LOOKUP_PACKETS + ANNOUNCE_PACKETS
_NEXT_PACKETS = NEIGHBOUR_PACKETS + ANNOUNCE_PACKETS

_TIME = Struct("<d")


class AnnounceReport(NamedTuple):
    """What is known of the announces of one hash. Times are monotonic seconds."""

    info_hash: InfoHash
    announced: float | None
    """When nodes last stored it; None if none ever did."""
    nodes: tuple[Endpoint, ...]
    """The nodes that stored it then, at most k of them named."""
    stored: int
    """How many they were."""
    failures: int
    """Announces since then that nobody stored."""
    due: float
    """When it is to be announced next; in the past while it waits for its turn."""


class ScheduleStats(NamedTuple):
    """Counts over all hashes."""

    hashes: int
    due: int
    """Waiting for their turn."""
    never_stored: int
    at_risk: int
    """Stored by some nodes, but too few."""
    overdue: int
    """No longer to be found by our announces: none was stored within `EXPIRY_SECONDS`."""
    oldest_announce: float | None
    """When the hash stored the longest ago was stored, monotonic seconds."""


class _Record:
    """The state of one hash; the outcome of the last announce is packed, for there are many."""

    __slots__ = ("due", "failures", "outcome", "stored")

    def __init__(self, due: float) -> None:
        self.due = due
        self.failures = 0
        self.stored = 0
        self.outcome = b""
        """`<time: float64><(length: 1, compact endpoint)...>`, empty if nobody ever stored it."""

    @property
    def is_at_risk(self) -> bool:
        """Too few nodes stored it, or none did the last time."""
        return self.failures > 0 or self.stored < ENOUGH_NODES

    @property
    def announced(self) -> float | None:
        """When nodes last stored the hash."""
        return float(_TIME.unpack_from(self.outcome)[0]) if self.outcome else None

    def is_overdue(self, now: float) -> bool:
        """Whether the nodes that stored it have forgotten it, or none ever did."""
        announced = self.announced
        return announced is None or now - announced > EXPIRY_SECONDS


class AnnounceSchedule:
    """Hands out groups of info hashes to announce, and keeps account of what was stored where."""

    def __init__(self) -> None:
        self._records: dict[InfoHash, _Record] = {}
        self._at_risk = DueQueue()
        self._safe = DueQueue()
        self._turn = 0
        """Counts groups: whose turn it is when hashes wait in both queues."""
        self._order: list[InfoHash] = []
        self._is_sorted = True

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, info_hash: InfoHash) -> bool:
        return info_hash in self._records

    def add(self, info_hash: InfoHash, now: float) -> None:
        """Keep this hash findable from now on. A known one keeps its place."""
        if info_hash not in self._records:
            self._records[info_hash] = record = _Record(now)
            self._order.append(info_hash)
            self._is_sorted = False
            self._schedule(info_hash, record, now)

    def remove(self, info_hash: InfoHash) -> None:
        """Announce it no more. An unknown one is ignored."""
        if self._records.pop(info_hash, None) is not None:
            order = self._in_order()
            del order[bisect_left(order, info_hash)]

    def next_batch(self, now: float, budget: int) -> list[tuple[InfoHash, ...]]:
        """Groups to announce now, for about `budget` packets, the most urgent group first.

        Each group is in the order of the ID space. Report every hash with `stored` or `failed`.
        """
        groups: list[tuple[InfoHash, ...]] = []
        while budget >= _FIRST_PACKETS:
            info_hash = self._take(now)
            if info_hash is None:
                break
            size = min(GROUP, 1 + (budget - _FIRST_PACKETS) // _NEXT_PACKETS)
            group = self._group(info_hash, size)
            for member in group:
                self._schedule(member, self._records[member], now + LEASE_SECONDS)
            budget -= _FIRST_PACKETS + (len(group) - 1) * _NEXT_PACKETS
            groups.append(tuple(group))
        return groups

    def stored(self, info_hash: InfoHash, nodes: Iterable[Endpoint], now: float) -> None:
        """These nodes confirmed an announce. No nodes: it failed. An unknown hash is ignored."""
        endpoints = list(dict.fromkeys(nodes))
        if not endpoints:
            self.failed(info_hash, now)
            return
        record = self._records.get(info_hash)
        if record is not None:
            record.failures = 0
            record.stored = len(endpoints)
            packed = [pack(endpoint) for endpoint in endpoints[:NODES_REMEMBERED]]
            where = b"".join([bytes((len(data),)) + data for data in packed])
            record.outcome = _TIME.pack(now) + where
            enough = record.stored >= ENOUGH_NODES
            wait = INTERVAL_SECONDS if enough else AT_RISK_SECONDS
            self._schedule(info_hash, record, now + wait)

    def failed(self, info_hash: InfoHash, now: float) -> None:
        """An announce that no node confirmed. An unknown hash is ignored."""
        record = self._records.get(info_hash)
        if record is not None:
            wait = min(INTERVAL_SECONDS, RETRY_SECONDS * (1 << min(record.failures, 10)))
            record.failures = min(record.failures + 1, 255)
            self._schedule(info_hash, record, now + wait)

    def hasten(self, now: float) -> None:
        """Make all hashes due, those stored the longest ago first: our address has changed."""
        for info_hash, record in self._records.items():
            announced = record.announced
            urgency = record.due if announced is None else announced
            self._schedule(info_hash, record, min(urgency, now))

    def report(self, info_hash: InfoHash) -> AnnounceReport | None:
        """When, where and by how many nodes the hash was stored; None if it is not ours."""
        record = self._records.get(info_hash)
        if record is None:
            return None
        return AnnounceReport(
            info_hash,
            record.announced,
            tuple(_endpoints(record.outcome)),
            record.stored,
            record.failures,
            record.due,
        )

    def overdue(self, now: float) -> list[InfoHash]:
        """Hashes that no node stored within the last 30 minutes, in the order they were added."""
        return [key for key, record in self._records.items() if record.is_overdue(now)]

    def stats(self, now: float) -> ScheduleStats:
        """Counts for an operator."""
        records = self._records.values()
        times = [announced for record in records if (announced := record.announced) is not None]
        return ScheduleStats(
            hashes=len(self._records),
            due=sum(record.due <= now for record in records),
            never_stored=len(self._records) - len(times),
            at_risk=sum(0 < record.stored < ENOUGH_NODES for record in records),
            overdue=sum(record.is_overdue(now) for record in records),
            oldest_announce=min(times, default=None),
        )

    def _schedule(self, info_hash: InfoHash, record: _Record, due: float) -> None:
        record.due = due
        (self._at_risk if record.is_at_risk else self._safe).put(info_hash, due)

    def _take(self, now: float) -> InfoHash | None:
        """The most urgent hash of either queue, in turn."""
        self._turn += 1
        queues = [self._at_risk, self._safe]
        if self._turn % SAFE_TURN == 0:
            queues.reverse()
        for queue in queues:
            while (taken := queue.take(now)) is not None:
                info_hash, slot = taken
                record = self._records.get(info_hash)
                if record is not None and slot_of(record.due) == slot:
                    return info_hash
        return None

    def _group(self, info_hash: InfoHash, size: int) -> list[InfoHash]:
        """The hash and its neighbours on both sides that are about as urgent."""
        order, limit = self._in_order(), self._records[info_hash].due + EARLY_SECONDS
        low = bisect_left(order, info_hash)
        high = low + 1
        while high - low < size and high < len(order) and self._records[order[high]].due <= limit:
            high += 1
        while high - low < size and low > 0 and self._records[order[low - 1]].due <= limit:
            low -= 1
        return order[low:high]

    def _in_order(self) -> list[InfoHash]:
        if not self._is_sorted:
            self._order.sort()
            self._is_sorted = True
        return self._order


def _endpoints(outcome: bytes) -> Iterator[Endpoint]:
    at = _TIME.size
    while at < len(outcome):
        end = at + 1 + outcome[at]
        data = outcome[at + 1 : end]
        (endpoint,) = unpack6(data) if len(data) > 6 else unpack4(data)
        yield endpoint
        at = end
