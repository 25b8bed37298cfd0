"""How fast bytes flow: a sliding window of one-second slots."""

WINDOW = 20
"""Seconds; the rate that tit for tat compares (BEP 3: a rolling 20-second average)."""

MINIMUM_SPAN = 0.5
"""Seconds; a younger meter divides by this, so that one early block is not a huge rate."""


class Rate:
    """Bytes per second over the last `window` seconds, and the total since the start."""

    __slots__ = ("_slot", "_slots", "_started", "_sum", "_window", "total")

    def __init__(self, now: float, window: int = WINDOW) -> None:
        self.total = 0
        """Bytes since the start."""
        self._window = window
        self._slots = [0] * window
        self._slot = int(now)
        self._started = now
        self._sum = 0

    def add(self, size: int, now: float) -> None:
        """Count `size` bytes; call it once per batch, not once per block."""
        slot = int(now)
        if slot != self._slot:
            self._advance(slot)
        self._slots[slot % self._window] += size
        self._sum += size
        self.total += size

    def rate(self, now: float) -> float:
        """Bytes per second over the window, or since the start if that is shorter."""
        slot = int(now)
        if slot != self._slot:
            self._advance(slot)
        if not self._sum:
            return 0.0
        span = min(now - self._started, self._window - 1 + (now - slot))
        return self._sum / max(span, MINIMUM_SPAN)

    def _advance(self, slot: int) -> None:
        passed = slot - self._slot
        self._slot = slot
        if passed >= self._window:
            self._slots = [0] * self._window
            self._sum = 0
            return
        for stale in range(slot - passed + 1, slot + 1):
            self._sum -= self._slots[stale % self._window]
            self._slots[stale % self._window] = 0
