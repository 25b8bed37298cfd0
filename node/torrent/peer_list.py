"""Every address we have heard of in one swarm, and whom to dial next.

Threats: poisoned addresses (X5: at most 50 unproved per gossiping source, one port per IP, sources
take turns, a source whose addresses never work is distrusted, unproved hearsay gets a quarter of
the dials), local and own addresses (X3), low ports (X4), victims named in many swarms (X6: the
node-wide `DialBudget`), a list that grows without end (3,000 entries), banned liars that come back
(P11: bans expire and are bounded).
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from formats.endpoint import Endpoint
from node.torrent.dial_budget import DialBudget, ban_key, is_low_port
from node.torrent.known_peer import (
    GOSSIP,
    KnownPeer,
    Source,
    SourceKind,
    allow_by_class,
    new_peer,
)

__all__ = ["KnownPeer", "PeerList", "Source", "SourceKind"]

MAXIMUM_ENTRIES = 3_000
"""Addresses remembered for one torrent (libtorrent's limit)."""

EVICTED_SHARE = 32
"""When the list is full, one entry in this many makes room, the worst ones."""

MAXIMUM_UNPROVED = 50
"""Addresses kept from one gossiping source that never worked (X5)."""

RECONNECT_SECONDS = 60.0
"""Before an address is dialled again; doubles with each failure (libtorrent's minimum)."""

LONGEST_BACKOFF = 3_600.0
"""Seconds at which the back-off stops growing."""

HEARSAY_SHARE = 4
"""Hearsay of unproved sources gets one dial in this many (X5)."""

SOURCE_TRIALS = 8
"""Dials after which a gossiping source without a single success is distrusted (X5)."""

MAXIMUM_RECORDS = 1_000
"""Gossiping sources remembered."""

BAN_SECONDS = 24 * 3_600.0
"""How long a liar is refused: long enough to finish, short enough for a changed owner."""

MAXIMUM_BANS = 1_000
"""Bans remembered; the oldest is lifted first."""


@dataclass(slots=True)
class _Record:
    """How the addresses of one gossiping source turned out."""

    unproved: int = 0
    dials: int = 0
    successes: int = 0

    @property
    def is_distrusted(self) -> bool:
        return self.dials >= SOURCE_TRIALS and not self.successes


class PeerList:
    """The addresses of one swarm."""

    def __init__(
        self,
        budget: DialBudget,
        *,
        allow: Callable[[Endpoint, Source], bool] = allow_by_class,
        capacity: int = MAXIMUM_ENTRIES,
    ) -> None:
        self._budget = budget
        self._allow = allow
        self._capacity = capacity
        self._peers: dict[Endpoint, KnownPeer] = {}
        self._ports: dict[str, int] = {}
        """How many addresses share an IP."""
        self._own: set[Endpoint] = set()
        self._bans: dict[str, float] = {}
        """When each ban ends, by `ban_key`."""
        self._records: dict[Source, _Record] = {}
        self._turn = 0

    def __len__(self) -> int:
        return len(self._peers)

    def get(self, endpoint: Endpoint) -> KnownPeer | None:
        """What is known of an address."""
        return self._peers.get(endpoint)

    def proved(self, count: int) -> list[Endpoint]:
        """Up to `count` addresses that worked, the latest first: worth saving for a restart."""
        found = [known for known in self._peers.values() if known.worked]
        found.sort(key=lambda known: known.last_worked, reverse=True)
        return [known.endpoint for known in found[:count]]

    # Hearing of peers

    def add(self, endpoint: Endpoint, source: Source, now: float, *, seed: bool = False) -> bool:
        """A source names an address. True if it was not known before and is now."""
        if (
            endpoint.port == 0
            or endpoint in self._own
            or not self._allow(endpoint, source)
            or self.is_banned(ban_key(endpoint), now)
        ):
            return False
        known = self._peers.get(endpoint)
        if known is not None:
            known.named(source, now)
            known.seed = known.seed or seed
            if known.worked and not known.busy and source.kind is SourceKind.TRACKER:
                known.due = min(known.due, now)  # a tracker saw it lately: its failures may be ours
            return False
        known = new_peer(endpoint, source, now, seed=seed)
        if known.is_hearsay and not self._has_room_for_hearsay(endpoint, source):
            return False
        if len(self._peers) >= self._capacity and not self._evict(known):
            return False
        self._peers[endpoint] = known
        key = ban_key(endpoint)
        self._ports[key] = self._ports.get(key, 0) + 1
        for record in self._records_of(known):
            record.unproved += 1
        return True

    def add_own(self, endpoint: Endpoint) -> None:
        """An address that reaches ourselves: never dialled (P16)."""
        self._own.add(endpoint)
        if endpoint in self._peers:
            self._forget(self._peers[endpoint])

    def _has_room_for_hearsay(self, endpoint: Endpoint, source: Source) -> bool:
        record = self._records.get(source)
        if record is not None and (record.is_distrusted or record.unproved >= MAXIMUM_UNPROVED):
            return False
        return ban_key(endpoint) not in self._ports

    # Dialling

    def candidates(
        self, now: float, count: int, rng: random.Random, *, seeding: bool = False
    ) -> list[Endpoint]:
        """Up to `count` addresses to dial now, marked as busy and booked in the budget.

        Report each with `connected` or `dial_failed`. Sources take turns; low ports come last.
        """
        chosen: list[Endpoint] = []
        hearsay_left = max(1, count // HEARSAY_SHARE)
        for queues in self._queues(now, rng, seeding=seeding):
            while queues and len(chosen) < count:
                self._turn += 1
                source = list(queues)[self._turn % len(queues)]
                known = queues[source].pop()
                if not queues[source]:
                    del queues[source]
                unproved = known.is_hearsay and not self._is_proved(source)
                if unproved and (not hearsay_left or self._is_distrusted(source)):
                    continue
                if self._book(known, now):
                    hearsay_left -= unproved
                    chosen.append(known.endpoint)
        return chosen

    def _queues(
        self, now: float, rng: random.Random, *, seeding: bool
    ) -> tuple[dict[Source, list[KnownPeer]], dict[Source, list[KnownPeer]]]:
        """Who could be dialled, by the source that answers for it; low ports apart, to be last.

        The best of a queue is at its end: who failed least, then by lot.
        """
        ordinary: dict[Source, list[KnownPeer]] = {}
        low: dict[Source, list[KnownPeer]] = {}
        for known in self._peers.values():
            if known.busy or known.due > now or known.is_resting or (seeding and known.seed):
                continue
            queues = low if is_low_port(known.endpoint.port) else ordinary
            queues.setdefault(_answerable(known), []).append(known)
        for queue in (*ordinary.values(), *low.values()):
            rng.shuffle(queue)
            queue.sort(key=lambda known: -known.failures)
        return ordinary, low

    def _book(self, known: KnownPeer, now: float) -> bool:
        hearsay = known.is_hearsay
        if hearsay and is_low_port(known.endpoint.port) and len(known.sources) == 1:
            return False
        # An address that worked, or that the user named, is a peer's and no victim's.
        is_wanted = known.worked or any(s.kind is SourceKind.USER for s in known.sources)
        if not (is_wanted or self._budget.may_dial(known.endpoint, now, hearsay=hearsay)):
            return False
        self._budget.dialled(known.endpoint, now, hearsay=hearsay)
        known.busy = True
        known.renewed = False
        for record in self._records_of(known):
            record.dials += 1
        return True

    def dial_failed(self, endpoint: Endpoint, now: float) -> None:
        """No handshake came of a dial."""
        known = self._peers.get(endpoint)
        if known is not None:
            known.busy = False
            backoff = RECONNECT_SECONDS * 2.0 ** min(known.failures, 10)
            known.failures += 1
            known.due = now + min(backoff, LONGEST_BACKOFF)

    def connected(self, endpoint: Endpoint, now: float, *, claimed: bool = False) -> None:
        """A handshake was completed; `endpoint` is where the peer listens.

        `claimed`: the peer dialled us and only says so. Then there is no need to dial it, but the
        address proves nothing (X7).
        """
        known = self._peers.get(endpoint)
        if known is not None:
            known.busy = True
            known.seed = False  # hearsay; what it has is known soon (X8)
        if claimed:
            return
        self._budget.succeeded(endpoint)
        if known is not None:
            if not known.worked:
                for record in self._records_of(known):
                    record.unproved -= 1
                    record.successes += 1
            known.worked = True
            known.is_hearsay = False
            known.failures = 0
            known.last_worked = now

    def closed(self, endpoint: Endpoint, now: float) -> None:
        """A connection ended."""
        known = self._peers.get(endpoint)
        if known is not None:
            known.busy = False
            known.due = now + RECONNECT_SECONDS
            if known.worked:
                known.last_worked = now

    def release(self, now: float) -> None:
        """We end all conversations and dials, to begin new ones: what worked may be dialled."""
        for known in self._peers.values():
            known.busy = False
            if known.worked:
                known.due = min(known.due, now)

    def mark_seed(self, endpoint: Endpoint) -> None:
        """The peer has everything: not worth a dial once we have, too."""
        known = self._peers.get(endpoint)
        if known is not None:
            known.seed = True

    def network_returned(self, now: float) -> None:
        """We were offline: the failures of that time were ours (F10)."""
        for known in self._peers.values():
            known.failures = 0
            known.due = min(known.due, now)

    # Bans

    def ban(self, key: str, now: float, seconds: float = BAN_SECONDS) -> None:
        """Refuse a liar (P11); `key` is the `ban_key` of its address."""
        self._bans.pop(key, None)
        self._bans[key] = now + seconds
        if len(self._bans) > MAXIMUM_BANS:
            del self._bans[next(iter(self._bans))]
        for known in [k for k in self._peers.values() if ban_key(k.endpoint) == key]:
            self._forget(known)

    def is_banned(self, key: str, now: float) -> bool:
        """True if this address (its `ban_key`) is neither to be dialled nor accepted."""
        return self._bans.get(key, now) > now

    # Bounds

    def _evict(self, newcomer: KnownPeer) -> bool:
        """Make room: first what failed, then hearsay, then what was named longest ago."""
        hearsay = newcomer.is_hearsay
        idle = [
            known
            for known in self._peers.values()
            if not known.busy and (known.failures or known.is_hearsay or not hearsay)
        ]
        idle.sort(key=_value)
        for known in idle[: max(1, self._capacity // EVICTED_SHARE)]:
            self._forget(known)
        return bool(idle)

    def _forget(self, known: KnownPeer) -> None:
        del self._peers[known.endpoint]
        key = ban_key(known.endpoint)
        self._ports[key] -= 1
        if not self._ports[key]:
            del self._ports[key]
        if not known.worked:
            for record in self._records_of(known):
                record.unproved -= 1

    def _records_of(self, known: KnownPeer) -> Iterable[_Record]:
        """The record of the source that answers for a hearsay address."""
        source = next(iter(known.sources))
        if source.kind not in GOSSIP:
            return ()
        record = self._records.setdefault(source, _Record())
        if len(self._records) > MAXIMUM_RECORDS:
            del self._records[next(iter(self._records))]
        return (record,)

    def _is_proved(self, source: Source) -> bool:
        return source in self._records and self._records[source].successes > 0

    def _is_distrusted(self, source: Source) -> bool:
        return source in self._records and self._records[source].is_distrusted


def _answerable(known: KnownPeer) -> Source:
    """The source whose turn pays for dialling an address: one that is no gossip, if there is."""
    for source in known.sources:
        if source.kind not in GOSSIP:
            return source
    return next(iter(known.sources))


def _value(known: KnownPeer) -> tuple[bool, int, bool, float]:
    named = max(known.sources.values())
    user = any(source.kind is SourceKind.USER for source in known.sources)
    return known.worked or user, -known.failures, not known.is_hearsay, named
