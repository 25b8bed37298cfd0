"""The deadlines and per-minute budgets of one conversation (P3, P9)."""

from node.peer.errors import Breach, PeerError

HANDSHAKE_TIMEOUT = 10.0
"""Seconds from the connection to the peer's whole handshake (P9)."""
PEER_TIMEOUT = 120.0
"""Seconds without one complete message before a peer is given up; keep-alives count (BEP 3)."""
KEEP_ALIVE_INTERVAL = 100.0
"""Seconds of our own silence before a keep-alive: below two minutes, with room for delay."""

UNKNOWN_PER_MINUTE = 10
"""Messages of unknown kinds, and extension handshakes, that a peer may send in a minute (P3)."""
CHATTER_PER_MINUTE = 20_000
"""Messages without data (choke, interest, cancel, keep-alive …) that a peer may send in a minute.
Busy peers send hundreds a second for a moment; a flood would cost us a core."""

_MINUTE = 60.0


class MinuteBudget:
    """A count that starts afresh every minute."""

    __slots__ = ("_limit", "_renewed_at", "_spent")

    def __init__(self, limit: int, now: float) -> None:
        self._limit = limit
        self._spent = 0
        self._renewed_at = now

    def spend(self) -> bool:
        """Use one; False if this minute has none left."""
        self._spent += 1
        return self._spent <= self._limit

    def tick(self, now: float) -> None:
        """A minute after the last time, the budget is whole again."""
        if now - self._renewed_at >= _MINUTE:
            self._renewed_at = now
            self._spent = 0


class Timers:
    """Times are seconds of the caller's monotonic clock, as of the last tick."""

    __slots__ = (
        "_heard_at",
        "_spoke_at",
        "_started",
        "chatter",
        "has_heard",
        "has_spoken",
        "unknown",
    )

    def __init__(self, now: float) -> None:
        self.has_heard = False
        """A complete message came since the last tick."""
        self.has_spoken = False
        """Bytes went out since the last tick."""
        self.unknown = MinuteBudget(UNKNOWN_PER_MINUTE, now)
        self.chatter = MinuteBudget(CHATTER_PER_MINUTE, now)
        self._started = self._heard_at = self._spoke_at = now

    def tick(self, now: float, *, is_introduced: bool) -> bool:
        """Whether a keep-alive is due. Raises PeerError when the peer's time is up."""
        if self.has_heard:
            self._heard_at = now
        if self.has_spoken:
            self._spoke_at = now
        self.has_heard = self.has_spoken = False
        self.unknown.tick(now)
        self.chatter.tick(now)
        if not is_introduced:
            if now - self._started >= HANDSHAKE_TIMEOUT:
                raise PeerError(Breach.HANDSHAKE_TIMEOUT)
            return False
        if now - self._heard_at >= PEER_TIMEOUT:
            raise PeerError(Breach.SILENT)
        return now - self._spoke_at >= KEEP_ALIVE_INTERVAL
