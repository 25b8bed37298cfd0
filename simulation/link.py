"""One direction of a host's access line, as two dates instead of a queue of packets."""

import math

DATAGRAM_QUEUE = 0.5
"""Seconds of line a burst of datagrams may wait for; what exceeds it is dropped (tail drop)."""

QUANTUM = 0.02
"""Seconds of line that one segment may occupy: streams share a line in turns of this length."""

SMALLEST_SEGMENT = 4_096
"""Bytes: below this a slow line is cut into no more segments, to bound the events."""

LARGEST_SEGMENT = 65_536
"""Bytes in one delivery of a stream (what one `recv` typically finds on a fast line)."""


class Link:
    """A line of `rate` bytes per second (payload only; headers are not counted).

    Datagrams go before stream segments, as a fair queue treats sparse flows: they wait for
    other datagrams only, and the streams pay for the line they used.
    """

    __slots__ = ("_datagrams_until", "_streams_until", "rate")

    def __init__(self, rate: float = math.inf) -> None:
        self.rate = rate
        self._datagrams_until = 0.0
        self._streams_until = 0.0

    def send_segment(self, now: float, size: int) -> float:
        """When the last of `size` bytes has left the line, after the segments before it."""
        if self.rate == math.inf:
            return now
        self._streams_until = max(now, self._streams_until) + size / self.rate
        return self._streams_until

    def send_datagram(self, now: float, size: int) -> float | None:
        """When the datagram has left the line; None: the queue is full, it is dropped."""
        if self.rate == math.inf:
            return now
        seconds = size / self.rate
        start = max(now, self._datagrams_until)
        if start - now > DATAGRAM_QUEUE:
            return None
        self._datagrams_until = start + seconds
        self._streams_until = max(now, self._streams_until) + seconds
        return self._datagrams_until


def segment_size(rate: float) -> int:
    """Bytes a stream may put on a line of `rate` bytes/s before it is another stream's turn."""
    if rate * QUANTUM >= LARGEST_SEGMENT:
        return LARGEST_SEGMENT
    return max(SMALLEST_SEGMENT, int(rate * QUANTUM))
