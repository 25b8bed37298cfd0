"""Rate limits: tokens are bytes; they drip in at the rate and pile up to the burst."""

from collections.abc import Sequence

MINIMUM_BURST = 32_768
"""Bytes: two blocks, so that the slowest limit still lets a whole block through."""

BURST_SECONDS = 0.25
"""Seconds of the rate that may pile up: short enough that a limit looks smooth from outside."""


class TokenBucket:
    """A limit of `rate` bytes per second; None is no limit."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float | None, now: float, burst: int | None = None) -> None:
        self._updated = now
        self._rate = rate
        self._burst = _burst(rate, burst)
        self._tokens = self._burst

    @property
    def rate(self) -> float | None:
        """Bytes per second; None is no limit."""
        return self._rate

    def set_rate(self, rate: float | None, now: float, burst: int | None = None) -> None:
        """Change the limit; tokens at hand are kept, up to the new burst."""
        self._refill(now)
        self._rate = rate
        self._burst = _burst(rate, burst)
        self._tokens = min(self._tokens, self._burst)

    def available(self, now: float) -> int | None:
        """Whole tokens at hand; None is no limit."""
        if self._rate is None:
            return None
        self._refill(now)
        return max(0, int(self._tokens))

    def take(self, size: int, now: float) -> int:
        """Take up to `size` tokens; returns how many were granted."""
        if self._rate is None:
            return size
        self._refill(now)
        granted = max(0, min(size, int(self._tokens)))
        self._tokens -= granted
        return granted

    def spend(self, size: int, now: float) -> None:
        """Take `size` tokens whether they are there or not (bytes that already came in)."""
        if self._rate is not None:
            self._refill(now)
            self._tokens -= size

    def wait(self, size: int, now: float) -> float:
        """Seconds until `size` tokens (at most a burst) will be at hand; 0.0 if they are."""
        if self._rate is None:
            return 0.0
        self._refill(now)
        lacking = min(size, self._burst) - self._tokens
        if lacking <= 0:
            return 0.0
        return lacking / self._rate if self._rate > 0 else float("inf")

    def _refill(self, now: float) -> None:
        if self._rate is not None and now > self._updated:
            self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now


def take_all(buckets: Sequence[TokenBucket], size: int, now: float) -> int:
    """Take up to `size` tokens from every bucket (global and torrent's), the same from each."""
    for bucket in buckets:
        available = bucket.available(now)
        if available is not None and available < size:
            size = available
    if size > 0:
        for bucket in buckets:
            bucket.take(size, now)
    return size


def wait_all(buckets: Sequence[TokenBucket], size: int, now: float) -> float:
    """Seconds until `take_all` can grant `size` tokens."""
    return max((bucket.wait(size, now) for bucket in buckets), default=0.0)


def _burst(rate: float | None, burst: int | None) -> float:
    if burst is not None:
        return float(burst)
    return max(float(MINIMUM_BURST), (rate or 0.0) * BURST_SECONDS)
