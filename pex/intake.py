"""What one neighbour may tell us, and how often.

Threats: messages faster than once a minute (the first of each minute counts, the others are thrown
away unread; the seventh within a minute ends the connection, X1), and messages with faults (what
can be read counts, three of them end the connection, X2).
"""

from collections import deque

from formats.errors import ProtocolError
from pex.delta import INTERVAL
from pex.message import Faults, PexError, PexMessage, parse_pex

SHORTEST_INTERVAL = INTERVAL - 10.0
"""Seconds between two messages that count: less than the neighbour has to wait, by what the network
may hold up the first of them."""
FLOOD = 7
"""Messages within FLOOD_SECONDS that end the connection (X1, libtorrent's rule)."""
FLOOD_SECONDS = 60.0
STRIKES = 3
"""Messages with faults that end the connection (X2)."""


class PexAbuse(ProtocolError):
    """A neighbour floods us, or writes nonsense again and again: talk to it no more."""


class PexIntake:
    """Reads the messages of one neighbour."""

    __slots__ = ("_arrivals", "_is_first", "_next_at", "ignored", "strikes")

    def __init__(self, now: float) -> None:
        self.ignored = 0
        """Messages thrown away because they came too soon."""
        self.strikes = 0
        """Messages with faults."""
        self._is_first = True
        self._next_at = now
        self._arrivals: deque[float] = deque(maxlen=FLOOD - 1)

    def receive(self, payload: bytes, now: float) -> PexMessage | None:
        """A message came: what it says, None if that does not count. Raises PexAbuse."""
        if len(self._arrivals) == FLOOD - 1 and now - self._arrivals[0] < FLOOD_SECONDS:
            raise PexAbuse("the peer floods us with peer exchange messages")
        self._arrivals.append(now)
        if now < self._next_at:
            self.ignored += 1
            return None
        self._next_at = now + SHORTEST_INTERVAL
        is_first, self._is_first = self._is_first, False
        try:
            parsed = parse_pex(payload)
        except PexError:
            self._strike()
            return None
        faults = parsed.faults
        if is_first:
            faults &= ~Faults.TOO_MANY  # the first message has no limit (BEP 11)
        if faults:
            self._strike()
        return parsed.message

    def _strike(self) -> None:
        self.strikes += 1
        if self.strikes >= STRIKES:
            raise PexAbuse("the peer sends malformed peer exchange messages")
