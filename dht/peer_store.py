"""The peers announced to us, by info hash: what makes every node a tracker (BEP 5, BEP 33).

Announcers hold a token, so their addresses are real; they may still be many. What they try, and the
bound (D10, all in `PeerLimits`):

* more swarms, or more peers in one, than we have memory for: the swarm with the fewest peers goes,
  the peer announced longest ago goes;
* one address as many peers of a swarm: it is one, its last port counts (BEP 33);
* one address in every swarm: it is refused beyond a number of swarms;
* peers that left: forgotten half an hour after their last announce.

The programs of this machine share the loopback address, which no stranger can send from: there
ports tell peers apart and the last two bounds of an address do not hold.
"""

import random
from dataclasses import dataclass

from dht.bloom import bloom_filter
from formats.endpoint import COMPACT4_SIZE, COMPACT6_SIZE

PEER_LIFETIME = 1800.0
"""Seconds that an announce counts for; clients repeat it every 15 minutes."""
SAMPLES_INTERVAL = 3600
"""Seconds for which one sample of our info hashes is handed out (BEP 51 allows 0 to 21,600)."""
MAX_SAMPLES = 40
"""Info hashes in one reply: 800 bytes beside 8 nodes, within D8."""
_INFO_HASH_SIZE = 20
_LOOPBACK4 = b"\x7f"
_LOOPBACK6 = bytes(15) + b"\x01"


@dataclass(frozen=True, slots=True)
class PeerLimits:
    """Bounds of one family's store (D10); with all of them reached it holds about 200 MB."""

    swarms: int = 2_000
    peers: int = 500
    """In one swarm."""
    swarms_of_host: int = 20
    """In which one address is a peer."""


class _Peer:
    __slots__ = ("announced_at", "compact", "seed")

    def __init__(self, compact: bytes, seed: bool, now: float) -> None:
        self.compact = compact
        self.seed = seed
        self.announced_at = now


class _Swarm:
    """The peers of one info hash, by key, the one announced longest ago first.

    `everybody`, `leeches` (each list twice over) and `blooms` are made when asked for and kept
    until something changes.
    """

    __slots__ = ("blooms", "everybody", "leeches", "peers")

    def __init__(self) -> None:
        self.peers: dict[bytes, _Peer] = {}
        self.changed()

    def changed(self) -> None:
        self.everybody: list[bytes] | None = None
        self.leeches: list[bytes] | None = None
        self.blooms: tuple[bytes, bytes] | None = None


class PeerStore:
    """The announced peers of one address family. Times are seconds of one monotonic clock."""

    def __init__(self, rng: random.Random, limits: PeerLimits | None = None) -> None:
        self._rng = rng
        self._limits = limits or PeerLimits()
        self._swarms: dict[bytes, _Swarm] = {}
        self._swarms_of_host: dict[bytes, int] = {}
        self._peer_count = 0
        self._samples = b""
        self._samples_until = -1.0

    def __len__(self) -> int:
        """How many info hashes have peers."""
        return len(self._swarms)

    @property
    def peer_count(self) -> int:
        """Peers of all swarms together."""
        return self._peer_count

    def announce(self, info_hash: bytes, compact: bytes, *, seed: bool, now: float) -> bool:
        """A peer, as a compact endpoint, is in a swarm; False if its address is in too many."""
        key = _key(compact)
        swarm = self._swarms.get(info_hash)
        known = swarm.peers.pop(key, None) if swarm is not None else None
        if known is None:
            hosts_swarms = self._swarms_of_host.get(key, 0)
            if hosts_swarms >= self._limits.swarms_of_host and not _is_loopback(compact):
                return False
            swarm = swarm or self._new_swarm(info_hash, now)
            if len(swarm.peers) >= self._limits.peers:
                self._forget(swarm, next(iter(swarm.peers)))
            self._swarms_of_host[key] = hosts_swarms + 1
            self._peer_count += 1
        assert swarm is not None
        if known is None or known.compact != compact or known.seed != seed:
            swarm.changed()
        swarm.peers[key] = _Peer(compact, seed, now)
        return True

    def peers(
        self, info_hash: bytes, count: int, *, now: float, noseed: bool = False
    ) -> tuple[bytes, ...]:
        """At most `count` compact endpoints, each peer as likely as any other.

        They are every n-th peer from a random one on. `noseed` leaves seeds out (BEP 33).
        """
        swarm = self._living(info_hash, now)
        if swarm is None or count <= 0:
            return ()
        ring = swarm.leeches if noseed else swarm.everybody
        if ring is None:
            peers = swarm.peers.values()
            ring = 2 * [peer.compact for peer in peers if not (noseed and peer.seed)]
            if noseed:
                swarm.leeches = ring
            else:
                swarm.everybody = ring
        size = len(ring) // 2
        if size <= count:
            return tuple(ring[:size])
        start = int(self._rng.random() * size)
        step = size // count
        return tuple(ring[start : start + count * step : step])

    def blooms(self, info_hash: bytes, now: float) -> tuple[bytes, bytes] | None:
        """The filters of seeds and of other peers; None for a swarm without peers (BEP 33)."""
        swarm = self._living(info_hash, now)
        if swarm is None:
            return None
        if swarm.blooms is None:
            peers = swarm.peers.values()
            swarm.blooms = (
                bloom_filter(peer.compact[:-2] for peer in peers if peer.seed),
                bloom_filter(peer.compact[:-2] for peer in peers if not peer.seed),
            )
        return swarm.blooms

    def samples(self, count: int, now: float) -> bytes:
        """At most `count` and MAX_SAMPLES info hashes, 20 bytes each (BEP 51).

        While there are more than MAX_SAMPLES, all askers get the same ones for SAMPLES_INTERVAL.
        """
        if len(self._swarms) <= MAX_SAMPLES:
            found = b"".join(self._swarms)
        else:
            if now >= self._samples_until:
                self._samples = b"".join(self._rng.sample(list(self._swarms), MAX_SAMPLES))
                self._samples_until = now + SAMPLES_INTERVAL
            found = self._samples
        return found[: max(count, 0) * _INFO_HASH_SIZE]

    def expire(self, now: float) -> None:
        """Forget every peer that has not announced for PEER_LIFETIME; to be called each minute."""
        for info_hash in list(self._swarms):
            self._living(info_hash, now)

    def _new_swarm(self, info_hash: bytes, now: float) -> _Swarm:
        if len(self._swarms) >= self._limits.swarms:
            self.expire(now)
        if len(self._swarms) >= self._limits.swarms:  # the first of equals is the oldest
            smallest = min(self._swarms, key=lambda each: len(self._swarms[each].peers))
            swarm = self._swarms.pop(smallest)
            for key in list(swarm.peers):
                self._forget(swarm, key)
        return self._swarms.setdefault(info_hash, _Swarm())

    def _living(self, info_hash: bytes, now: float) -> _Swarm | None:
        """The swarm, without the peers whose time is over; None if nobody is left."""
        swarm = self._swarms.get(info_hash)
        if swarm is None:
            return None
        peers = swarm.peers
        while peers:
            key = next(iter(peers))
            if peers[key].announced_at + PEER_LIFETIME > now:
                return swarm
            self._forget(swarm, key)
        del self._swarms[info_hash]
        return None

    def _forget(self, swarm: _Swarm, key: bytes) -> None:
        del swarm.peers[key]
        swarm.changed()
        self._peer_count -= 1
        left = self._swarms_of_host[key] - 1
        if left:
            self._swarms_of_host[key] = left
        else:
            del self._swarms_of_host[key]


def _is_loopback(compact: bytes) -> bool:
    if len(compact) == COMPACT4_SIZE:
        return compact.startswith(_LOOPBACK4)
    assert len(compact) == COMPACT6_SIZE
    return compact.startswith(_LOOPBACK6)


def _key(compact: bytes) -> bytes:
    """What a peer is one peer by: its address, on the loopback its port as well."""
    return compact if _is_loopback(compact) else compact[:-2]
