"""The tracker's open HTTP connections: how many there may be, and for how long (K2).

One address (of IPv6, one /56) may hold 32. Loopback and trusted proxies may open any number: the
machine is the operator's, and a proxy speaks for many.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from tracker.swarm import LOOPBACK6


class Deadlined(Protocol):
    """A connection, as far as it is watched here."""

    deadline: float
    """When it is cut unless something happens: monotonic seconds."""

    def abort(self) -> None:
        """Close without sending what is left."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What one client may cost. Times are seconds, sizes bytes."""

    head_size: int = 8192
    headers: int = 64
    pipelined: int = 16
    read_timeout: float = 5.0
    """For a whole request, from its first byte; for the first one, from the connection."""
    write_timeout: float = 5.0
    """For a client that does not read its answers."""
    idle_timeout: float = 30.0
    connections_per_ip: int = 32
    connections: int = 8192
    """In all; a file descriptor each."""


class Connections:
    """The open connections, counted per address; refuses those beyond the limits."""

    def __init__(self, limits: HttpLimits, trusted: frozenset[bytes]) -> None:
        self.limits = limits
        self.trusted = trusted
        self.refused: Counter[str] = Counter()
        self._open: dict[Deadlined, bytes | None] = {}
        self._per_network: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Deadlined, ip: bytes) -> bool:
        """Count a new connection, unless there are too many."""
        if len(self._open) >= self.limits.connections:
            self.refused["connections"] += 1
            return False
        network = None
        if ip not in self.trusted and ip[0] != 127 and ip != LOOPBACK6:
            network = ip if len(ip) == 4 else ip[:7]
            if self._per_network[network] >= self.limits.connections_per_ip:
                self.refused["connections per address"] += 1
                return False
            self._per_network[network] += 1
        self._open[connection] = network
        return True

    def left(self, connection: Deadlined) -> None:
        """A connection is closed."""
        network = self._open.pop(connection, None)
        if network is not None:
            self._per_network[network] -= 1
            if not self._per_network[network]:
                del self._per_network[network]

    def tick(self, now: float) -> None:
        """Cut the connections whose deadline has passed."""
        for connection in [late for late in self._open if late.deadline <= now]:
            self.refused["timeouts"] += 1
            connection.abort()

    def abort_all(self) -> None:
        """Cut every connection."""
        for connection in list(self._open):
            connection.abort()
