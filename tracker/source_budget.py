"""How many requests each network may send us: a bucket each, whose level is one number.

Source addresses of UDP are forged at will: a flood from one network is dropped before it is read,
and a flood from everywhere fills a table that has an end (K9, G6). Loopback is the operator's own
machine, and not counted.
"""

from collections import OrderedDict
from dataclasses import dataclass

from tracker.swarm import is_loopback

_NETWORK6_SIZE = 7
"""Bytes of an IPv6 address that one subscriber has: a /56."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLimits:
    """Of an IPv4 address or an IPv6 /56."""

    rate: float = 100.0
    """Requests per second for good."""
    burst: int = 2_000
    """At once: a client with a thousand torrents that starts."""
    networks: int = 65_536
    """Remembered, about 10 MB; the one heard of longest ago is forgotten."""


class SourceBudget:
    """`now` is monotonic seconds."""

    def __init__(self, limits: BudgetLimits) -> None:
        self._step = 1 / limits.rate
        self._credit = (limits.burst - 1) / limits.rate
        self._networks = limits.networks
        self._spent_until: OrderedDict[bytes, float] = OrderedDict()

    def admits(self, ip: bytes, now: float) -> bool:
        """Whether a request from `ip` (4 or 16 bytes) is within budget; if so, it is counted."""
        if is_loopback(ip):
            return True
        network = ip if len(ip) == 4 else ip[:_NETWORK6_SIZE]
        table = self._spent_until
        spent_until = max(table.get(network, now), now)
        if spent_until > now + self._credit:
            return False
        table[network] = spent_until + self._step
        table.move_to_end(network)
        if len(table) > self._networks:
            table.popitem(last=False)
        return True
