"""Who is in which swarm: the memory of a tracker, bounded, without I/O.

Announces come from strangers. What they try, and the answer:

* naming a victim as a peer: the caller gives the address the request came from, a peer is one
  (address, port), and an address holds at most 8 ports of a swarm (K5);
* a million peers wanted: 100 at most (K6);
* random hashes until memory is full: a cap on torrents and on peers, 100 new torrents a minute from
  one address, empty and idle torrents make room first (K7);
* announcing all day to collect everybody: within `min_interval` the same peers again (K10);
* `stopped` in the name of others: only with the peer ID that was announced (K11).

Loopback is the operator's own machine: the limits per address do not count there.
"""

import random
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from formats.identifiers import InfoHash
from tracker.announce import AnnounceRequest, Event, SwarmCounts
from tracker.errors import NEVER, TrackerFailure
from tracker.peer_table import ABSENT, OWNER_SIZE, PeerTable

LOOPBACK6 = bytes(15) + b"\1"
_IP4_SIZE, _IP6_SIZE = 4, 16
_MINUTE = 60
_NETWORKS_COUNTED = 65_536
"""Networks whose new torrents are counted at a time; beyond that the count starts again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmLimits:
    """What a tracker gives and remembers. Times are seconds."""

    interval: int = 1800
    """Between announces of one peer; each reply adds up to a tenth, so that peers spread out."""
    min_interval: int = 300
    """Clients' own floor; sooner than this a peer gets the same peers again (K10)."""
    torrents: int = 100_000
    peers: int = 1_000_000
    """About 170 MB when full (K7)."""
    ports_per_ip: int = 8
    """Peers of one swarm behind one address (K5)."""
    new_torrents_per_minute: int = 100
    """From one IPv4 address or IPv6 /56 (K7)."""
    numwant: int = 100
    """The most peers in one reply (K6)."""
    sweep_budget: int = 5_000
    """Records examined in one tick: a few milliseconds."""


class Answer(NamedTuple):
    """What an announce gets. The peers are compact lists (BEP 23, 7)."""

    counts: SwarmCounts
    interval: int
    peers4: bytes
    peers6: bytes


class Swarm:
    """One torrent's peers of both families. `downloaded` counts completions seen here."""

    __slots__ = ("announced", "downloaded", "tables", "unswept")

    def __init__(self) -> None:
        self.tables: dict[int, PeerTable] = {}
        self.unswept: list[PeerTable] = []
        self.downloaded = 0
        self.announced = 0.0

    def counts(self) -> SwarmCounts:
        """Seeds, leeches and completions."""
        seeds = size = 0
        for table in self.tables.values():
            seeds += table.seeds
            size += table.size
        return SwarmCounts(seeds, size - seeds, self.downloaded)


class Swarms:
    """All swarms. `now` is monotonic seconds throughout.

    A peer silent for one and a half intervals is dropped by the next sweep; every torrent is swept
    each half interval, so no peer outlives two intervals.
    """

    def __init__(
        self,
        *,
        rng: random.Random,
        limits: SwarmLimits | None = None,
        allowed: Collection[InfoHash] | None = None,
    ) -> None:
        """`allowed`, if given, lists the only torrents served."""
        self.limits = limits or SwarmLimits()
        self.rejected: Counter[str] = Counter()
        self.peers = 0
        self.seeds = 0
        self._rng = rng
        self._allowed = allowed
        self._swarms: OrderedDict[bytes, Swarm] = OrderedDict()
        self._next_sweep: OrderedDict[bytes, float] = OrderedDict()
        self._empty: OrderedDict[bytes, None] = OrderedDict()
        self._newcomers: Counter[bytes] = Counter()
        self._newcomers_until = 0.0

    def __len__(self) -> int:
        """Torrents remembered."""
        return len(self._swarms)

    def announce(self, request: AnnounceRequest, ip: bytes, *, now: float) -> Answer:
        """Note the peer at `ip` (4 or 16 bytes) and choose peers for it.

        Raises TrackerFailure when the torrent is not served or there is no room for it.
        """
        info_hash = request.info_hash
        swarm = self._swarms.get(info_hash)
        if request.event is Event.STOPPED:
            return self._stopped(swarm, request, ip)
        if swarm is None:
            swarm = self._admit(info_hash, ip, now)
        swarm.announced = now
        self._swarms.move_to_end(info_hash)
        table = swarm.tables.get(len(ip))
        if table is None:
            table = swarm.tables[len(ip)] = PeerTable(len(ip))
        slot, draw = self._note(swarm, table, request, ip=ip, stamp=int(now))
        if self._empty:
            self._empty.pop(info_hash, None)
        wanted = min(request.numwant, self.limits.numwant)
        if len(swarm.tables) == 1:
            first = 0 if request.left else table.seeds
            chosen = table.sample(wanted, draw=draw, first=first, skip=slot)
            peers4, peers6 = (chosen, b"") if len(ip) == _IP4_SIZE else (b"", chosen)
        else:
            peers4, peers6 = self._both_families(swarm, request, ip, slot=slot, draw=draw)
        interval = self.limits.interval
        return Answer(swarm.counts(), interval + draw % (interval // 10 + 1), peers4, peers6)

    def scrape(self, info_hashes: Iterable[InfoHash]) -> dict[InfoHash, SwarmCounts]:
        """Counts of the swarms named; of an unknown one, zeros."""
        nothing = SwarmCounts(0, 0, 0)
        return {
            info_hash: swarm.counts() if (swarm := self._swarms.get(info_hash)) else nothing
            for info_hash in info_hashes
        }

    def tick(self, now: float) -> None:
        """Forget who has gone; call it about once a second. Examines `sweep_budget` records."""
        if now >= self._newcomers_until:
            self._newcomers.clear()
            self._newcomers_until = now + _MINUTE
        oldest = int(now - 1.5 * self.limits.interval)
        budget = self.limits.sweep_budget
        while self._next_sweep and budget > 0:
            info_hash = next(iter(self._next_sweep))
            if self._next_sweep[info_hash] > now:
                return
            finished, examined = self._sweep(info_hash, oldest, budget)
            budget -= examined + 1
            if not finished:
                return
            if info_hash in self._empty:
                self._forget(info_hash)
            else:
                self._next_sweep[info_hash] = now + 0.5 * self.limits.interval
                self._next_sweep.move_to_end(info_hash)

    def _admit(self, info_hash: InfoHash, ip: bytes, now: float) -> Swarm:
        """A new torrent, if there is room for it (K7)."""
        if self._allowed is not None and info_hash not in self._allowed:
            raise TrackerFailure("this tracker does not serve that torrent", retry_in=NEVER)
        network = ip if len(ip) == _IP4_SIZE else ip[:7]
        if not is_loopback(ip):
            if len(self._newcomers) >= _NETWORKS_COUNTED:
                self._newcomers.clear()
            if self._newcomers[network] >= self.limits.new_torrents_per_minute:
                raise TrackerFailure("too many new torrents from your address", retry_in=2)
            self._newcomers[network] += 1
        if len(self._swarms) >= self.limits.torrents and not self._make_room(now):
            raise TrackerFailure("this tracker is full", retry_in=30)
        swarm = self._swarms[info_hash] = Swarm()
        self._next_sweep[info_hash] = now + 0.5 * self.limits.interval
        return swarm

    def _make_room(self, now: float) -> bool:
        """Forget one empty torrent, or one whose peers are all overdue."""
        info_hash = next(iter(self._empty), None)
        if info_hash is None:
            info_hash, swarm = next(iter(self._swarms.items()))
            if now - swarm.announced <= 1.1 * self.limits.interval:
                return False
        self._forget(info_hash)
        return True

    def _note(
        self, swarm: Swarm, table: PeerTable, request: AnnounceRequest, *, ip: bytes, stamp: int
    ) -> tuple[int, int]:
        """Write the peer down; returns its slot (ABSENT if there was no room) and its draw."""
        seed = request.left == 0
        owner = request.peer_id[-OWNER_SIZE:]
        slot = table.find(ip, request.port)
        if slot == ABSENT:
            draw = self._rng.getrandbits(32)
            if self._is_full(table, ip):
                return ABSENT, draw
            slot = table.add(ip, request.port, seed=seed, seen=stamp, draw=draw, owner=owner)
            self.peers += 1
            self.seeds += seed
            swarm.downloaded += seed and request.event is Event.COMPLETED
            return slot, draw
        seen, draw, known = table.details(slot)
        if stamp - seen >= self.limits.min_interval:
            draw = self._rng.getrandbits(32)
            table.refresh(slot, seen=stamp, draw=draw, owner=owner)
        elif known != owner:
            table.refresh(slot, seen=seen, draw=draw, owner=owner)
        if seed != (slot < table.seeds):
            slot = table.regroup(slot, seed=seed)
            self.seeds += 1 if seed else -1
            swarm.downloaded += seed and request.event is Event.COMPLETED
        return slot, draw

    def _is_full(self, table: PeerTable, ip: bytes) -> bool:
        if self.peers >= self.limits.peers:
            self.rejected["peers full"] += 1
            return True
        if table.ports_of(ip) >= self.limits.ports_per_ip and not is_loopback(ip):
            self.rejected["ports per address"] += 1
            return True
        return False

    def _both_families(
        self, swarm: Swarm, request: AnnounceRequest, ip: bytes, *, slot: int, draw: int
    ) -> tuple[bytes, bytes]:
        """Peers of the announcer's own family first; the other family fills up."""
        wanted = min(request.numwant, self.limits.numwant)
        chosen = {_IP4_SIZE: b"", _IP6_SIZE: b""}
        own = swarm.tables[len(ip)]
        first = 0 if request.left else own.seeds
        chosen[len(ip)] = own.sample(wanted, draw=draw, first=first, skip=slot)
        wanted -= len(chosen[len(ip)]) // (len(ip) + 2)
        other_size = _IP6_SIZE if len(ip) == _IP4_SIZE else _IP4_SIZE
        other = swarm.tables[other_size]
        chosen[other_size] = other.sample_of_others(
            wanted,
            draw=draw,
            first=0 if request.left else other.seeds,
            owner=request.peer_id[-OWNER_SIZE:],
        )
        return chosen[_IP4_SIZE], chosen[_IP6_SIZE]

    def _stopped(self, swarm: Swarm | None, request: AnnounceRequest, ip: bytes) -> Answer:
        """Take the peer out if it is the one that was announced (K11)."""
        if swarm is None:
            return Answer(SwarmCounts(0, 0, 0), self.limits.interval, b"", b"")
        table = swarm.tables.get(len(ip))
        slot = ABSENT if table is None else table.find(ip, request.port)
        if table is not None and slot != ABSENT:
            if table.details(slot)[2] == request.peer_id[-OWNER_SIZE:]:
                self.peers -= 1
                self.seeds -= slot < table.seeds
                table.remove(slot)
                self._note_empty(request.info_hash, swarm)
            else:
                self.rejected["stop for another"] += 1
        return Answer(swarm.counts(), self.limits.interval, b"", b"")

    def _sweep(self, info_hash: bytes, oldest: int, budget: int) -> tuple[bool, int]:
        """Returns (this torrent's round is finished, records examined)."""
        swarm = self._swarms[info_hash]
        if not swarm.unswept:
            swarm.unswept.extend(swarm.tables.values())
        total = 0
        while swarm.unswept:
            table = swarm.unswept[-1]
            seeds = table.seeds
            finished, examined, removed = table.sweep(oldest, budget=budget - total)
            total += examined
            self.peers -= removed
            self.seeds -= seeds - table.seeds
            if not finished:
                return False, total
            swarm.unswept.pop()
        self._note_empty(info_hash, swarm)
        return True, total

    def _note_empty(self, info_hash: bytes, swarm: Swarm) -> None:
        for size in [size for size, table in swarm.tables.items() if not table.size]:
            del swarm.tables[size]
        if not swarm.tables:
            self._empty[info_hash] = None

    def _forget(self, info_hash: bytes) -> None:
        swarm = self._swarms.pop(info_hash)
        counts = swarm.counts()
        self.peers -= counts.complete + counts.incomplete
        self.seeds -= counts.complete
        del self._next_sweep[info_hash]
        self._empty.pop(info_hash, None)


def is_loopback(ip: bytes) -> bool:
    """Whether `ip` (4 or 16 bytes) is this machine."""
    return ip[0] == 127 if len(ip) == _IP4_SIZE else ip == LOOPBACK6
