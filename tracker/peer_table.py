"""The peers of one swarm and one address family, packed: about 170 bytes each, dictionary included.

Seeds stand before leeches, so `slot < seeds` says what a peer is, a sample for a seed is a range,
and every change is one or two moves of the last record of a group (swap-remove).
"""

import math
import struct

ABSENT = -1
PORT_SIZE = 2
OWNER_SIZE = 8

_DETAILS = struct.Struct(">II8s")
"""`<seen: uint32 seconds><draw: uint32><owner: 8 bytes>`"""
_SEEN = struct.Struct(">I")
_PORT = struct.Struct(">H")

_Ports = int | dict[int, int]
"""The slot of the one port of an address, or port -> slot when it has several."""


class PeerTable:
    """Records addressed by slot; slots change hands when a record is removed or changes group.

    `seen` is when the peer's last full announce came (whole seconds), `draw` the random number
    that chose its peers then, `owner` the end of its peer ID, which alone may take it out (K11).
    """

    __slots__ = ("_details", "_endpoints", "_hand", "_ip_size", "_slots", "_width", "seeds", "size")

    def __init__(self, ip_size: int) -> None:
        self._ip_size = ip_size
        self._width = ip_size + PORT_SIZE
        self._endpoints = bytearray()
        self._details = bytearray()
        self._slots: dict[bytes, _Ports] = {}
        self._hand = 0
        self.seeds = 0
        self.size = 0

    def find(self, ip: bytes, port: int) -> int:
        """The slot of (ip, port), or ABSENT."""
        ports = self._slots.get(ip)
        if ports is None:
            return ABSENT
        if isinstance(ports, dict):
            return ports.get(port, ABSENT)
        at = ports * self._width + self._ip_size
        return ports if _PORT.unpack_from(self._endpoints, at)[0] == port else ABSENT

    def ports_of(self, ip: bytes) -> int:
        """How many ports this address holds here (K5)."""
        ports = self._slots.get(ip)
        if ports is None:
            return 0
        return len(ports) if isinstance(ports, dict) else 1

    def details(self, slot: int) -> tuple[int, int, bytes]:
        """(seen, draw, owner) of a record."""
        seen, draw, owner = _DETAILS.unpack_from(self._details, slot * _DETAILS.size)
        return seen, draw, owner

    def refresh(self, slot: int, *, seen: int, draw: int, owner: bytes) -> None:
        """Write the details of a record."""
        _DETAILS.pack_into(self._details, slot * _DETAILS.size, seen, draw, owner)

    def add(self, ip: bytes, port: int, *, seed: bool, seen: int, draw: int, owner: bytes) -> int:
        """Add a peer that is not here and return its slot."""
        slot = self.size
        self.size += 1
        self._endpoints += ip + _PORT.pack(port)
        self._details += _DETAILS.pack(seen, draw, owner)
        ports = self._slots.get(ip)
        if ports is None:
            self._slots[ip] = slot
        elif isinstance(ports, dict):
            ports[port] = slot
        else:
            other = _PORT.unpack_from(self._endpoints, ports * self._width + self._ip_size)[0]
            self._slots[ip] = {other: ports, port: slot}
        return self.regroup(slot, seed=True) if seed else slot

    def regroup(self, slot: int, *, seed: bool) -> int:
        """Move a record into the other group (leech to seed, or back); returns its new slot."""
        if seed:
            target = self.seeds
            self.seeds += 1
        else:
            self.seeds -= 1
            target = self.seeds
        if slot != target:
            mine, other = self._record(slot), self._record(target)
            self._put(other, slot)
            self._put(mine, target)
        return target

    def remove(self, slot: int) -> None:
        """Take a record out; the last of its group, and then of all, fill the gap."""
        endpoint, _ = self._record(slot)
        if slot < self.seeds:
            self.seeds -= 1
            if slot != self.seeds:
                self._put(self._record(self.seeds), slot)
            slot = self.seeds
        self.size -= 1
        if slot != self.size:
            self._put(self._record(self.size), slot)
        del self._endpoints[self.size * self._width :]
        del self._details[self.size * _DETAILS.size :]
        self._forget(endpoint)

    def sample(self, count: int, *, draw: int, first: int, skip: int = ABSENT) -> bytes:
        """Up to `count` compact endpoints from slots `first` up, never that of slot `skip`.

        The slots are an arithmetic progression with a start and a step taken from `draw` (32
        random bits), the step coprime to the group's size: every peer is as likely as any other,
        none comes twice, and the same draw over the same table gives the same peers (K10).
        """
        if skip < first:
            skip = ABSENT
        if 0 < self.size - first - (skip != ABSENT) <= count:
            at, end = skip * self._width, (skip + 1) * self._width
            everyone = bytes(self._endpoints[first * self._width :])
            if skip == ABSENT:
                return everyone
            at -= first * self._width
            end -= first * self._width
            return everyone[:at] + everyone[end:]
        return self._join(self._pick(count, draw=draw, first=first, skip=skip))

    def sample_of_others(self, count: int, *, draw: int, first: int, owner: bytes) -> bytes:
        """Like `sample`, leaving out records of `owner`: the same peer under another address."""
        picks = self._pick(count, draw=draw, first=first, skip=ABSENT)
        return self._join([slot for slot in picks if self.details(slot)[2] != owner])

    def sweep(self, oldest: int, *, budget: int) -> tuple[bool, int, int]:
        """Remove peers last seen before `oldest`, examining up to `budget` records.

        Returns (round finished, records examined, peers removed). An unfinished round goes on
        where it stopped, from the last slot down, so that a removal never hides a record.
        """
        if self._hand == 0:
            self._hand = self.size
        before = self.size
        slot = min(self._hand, self.size)
        lowest = max(slot - budget, 0)
        examined = slot - lowest
        while slot > lowest:
            slot -= 1
            if _SEEN.unpack_from(self._details, slot * _DETAILS.size)[0] < oldest:
                self.remove(slot)
        self._hand = slot
        return slot == 0, examined, before - self.size

    def _pick(self, count: int, *, draw: int, first: int, skip: int) -> list[int]:
        group = self.size - first
        if count >= group - (skip != ABSENT):
            return [slot for slot in range(first, self.size) if slot != skip]
        if count <= 0:
            return []
        start = draw % group
        step = 1 + (draw >> 8) % (group - 1)
        while math.gcd(step, group) != 1:
            step += 1
        turns = range(start, start + (count + (skip != ABSENT)) * step, step)
        picks = [at % group + first for at in turns]
        if skip in picks:
            picks.remove(skip)
        return picks[:count]

    def _join(self, slots: list[int]) -> bytes:
        width, endpoints = self._width, self._endpoints
        return b"".join([endpoints[slot * width : slot * width + width] for slot in slots])

    def _record(self, slot: int) -> tuple[bytes, bytes]:
        return (
            bytes(self._endpoints[slot * self._width : (slot + 1) * self._width]),
            bytes(self._details[slot * _DETAILS.size : (slot + 1) * _DETAILS.size]),
        )

    def _put(self, record: tuple[bytes, bytes], slot: int) -> None:
        endpoint, details = record
        self._endpoints[slot * self._width : (slot + 1) * self._width] = endpoint
        self._details[slot * _DETAILS.size : (slot + 1) * _DETAILS.size] = details
        ip = endpoint[: self._ip_size]
        ports = self._slots[ip]
        if isinstance(ports, dict):
            ports[_PORT.unpack_from(endpoint, self._ip_size)[0]] = slot
        else:
            self._slots[ip] = slot

    def _forget(self, endpoint: bytes) -> None:
        ip = endpoint[: self._ip_size]
        ports = self._slots[ip]
        if isinstance(ports, dict):
            del ports[_PORT.unpack_from(endpoint, self._ip_size)[0]]
            if ports:
                return
        del self._slots[ip]
