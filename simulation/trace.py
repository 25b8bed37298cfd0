"""Everything that was put on the wire: a digest of all of it, and the recent past in words."""

import enum
import hashlib
import struct
from collections import Counter, deque
from typing import NamedTuple

HISTORY = 2_000
"""Events kept for reports: the last seconds of a busy swarm, a megabyte at most."""

_RECORD = struct.Struct("<BddIHIHI")
"""kind, time sent, time of arrival, source host and port, target host and port, size."""


class Kind(enum.IntEnum):
    """What happened on the wire. The values are part of the digest."""

    DATAGRAM = 1
    LOST = 2  # a datagram that will not arrive: loss, a cut, a full queue, nobody there
    CONNECT = 3  # SYN
    REFUSED = 4  # RST in answer to a SYN
    OPEN = 5  # the ACK that completes a handshake
    DATA = 6
    END = 7  # FIN
    RESET = 8  # RST
    FAULT = 9


class Flow(NamedTuple):
    """Who sends to whom; hosts by their number in the network (0 = nobody)."""

    source: int
    source_port: int
    target: int
    target_port: int


class Event(NamedTuple):
    """One thing on the wire; `sent` and `arrives` in virtual seconds, `size` in bytes."""

    sent: float
    arrives: float
    kind: Kind
    flow: Flow
    size: int
    note: str

    def __str__(self) -> str:
        source, source_port, target, target_port = self.flow
        what = f"{self.kind.name.lower()} {self.note}".rstrip()
        return (
            f"{self.sent:.6f} {what} #{source}:{source_port} > #{target}:{target_port}"
            f" {self.size} B, arrives {self.arrives:.6f}"
        )


class Trace:
    """Append-only. Two runs with equal digests put the same bytes on the wire at the same times."""

    __slots__ = ("_digest", "_recent", "counts")

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._recent: deque[tuple[float, float, Kind, Flow, int, str]] = deque(maxlen=HISTORY)
        self.counts: Counter[Kind] = Counter()

    def record(
        self, sent: float, arrives: float, kind: Kind, flow: Flow, payload: bytes, *, note: str = ""
    ) -> None:
        size = len(payload)
        self._digest.update(_RECORD.pack(kind, sent, arrives, *flow, size))
        self._digest.update(payload)
        self._recent.append((sent, arrives, kind, flow, size, note))
        self.counts[kind] += 1

    def digest(self) -> str:
        """128 bits in hex over all events so far."""
        return self._digest.hexdigest()

    def history(self) -> list[Event]:
        """The most recent events, oldest first."""
        return [Event(*entry) for entry in self._recent]
