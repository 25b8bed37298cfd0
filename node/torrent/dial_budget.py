"""How often the whole node may dial one address, one network: shared by all its torrents.

Threats: strangers who name a victim in many swarms so that we dial it again and again (X6), who
aim many addresses at one network (X5), or at well-known services (X4).
"""

from collections import deque

from formats.endpoint import AddressClass, Endpoint, classify, subnet

FAILURES = 3
"""Dials to one IP without a handshake, after which it is left alone (X6)."""

FAILURE_BACKOFF = 3_600.0
"""Seconds it is left alone, in every torrent (X6)."""

SUBNET_DIALS = 2
"""Dials into one /24 (or IPv6 /56) per SUBNET_SECONDS, for addresses by hearsay (X5)."""

SUBNET_SECONDS = 60.0

LOW_PORT_SHARE = 20
"""At most one dial in this many goes to a low port (X4)."""

SERVICE_PORTS = frozenset((3306, 3389, 5060, 5432, 6379, 8000, 8080, 8443, 8888))
"""Ports above 1023 where other services listen."""

REMEMBERED = 4_096
"""IPs and networks remembered, the oldest forgotten first."""

HEARSAY_CLASSES = frozenset((AddressClass.GLOBAL, AddressClass.CGNAT))
"""Classes of addresses that can belong to a stranger's victim, counted per IP."""


def is_low_port(port: int) -> bool:
    """True for a port where another service than BitTorrent is likely (X4)."""
    return port < 1024 or port in SERVICE_PORTS


def ban_key(endpoint: Endpoint) -> str:
    """What a ban or a dial limit of this address goes by: its IP.

    On the loopback, where all peers share one IP, the endpoint itself.
    """
    if classify(endpoint.host) is AddressClass.LOOPBACK:
        return str(endpoint)
    return endpoint.host


class DialBudget:
    """Counts dials of all torrents. Ask `may_dial`, then tell `dialled`, then how it went."""

    def __init__(self) -> None:
        self._tries: dict[str, tuple[int, float]] = {}
        """For each IP: dials since the last handshake, and when the latest was."""
        self._subnets: dict[str, deque[float]] = {}
        self._since_low = LOW_PORT_SHARE
        """Dials since the last one to a low port."""

    def may_dial(self, endpoint: Endpoint, now: float, *, hearsay: bool) -> bool:
        """Whether the budget allows a dial. `hearsay`: strangers named this address, nobody else
        did, and nobody of us has ever reached it."""
        tries, latest = self._tries.get(ban_key(endpoint), (0, now))
        if tries >= FAILURES and now - latest < FAILURE_BACKOFF:
            return False
        if not hearsay:
            return True
        if is_low_port(endpoint.port) and self._since_low < LOW_PORT_SHARE:
            return False
        dials = self._subnets.get(subnet(endpoint.host))
        return dials is None or len(dials) < SUBNET_DIALS or now - dials[0] >= SUBNET_SECONDS

    def dialled(self, endpoint: Endpoint, now: float, *, hearsay: bool) -> None:
        """A dial begins; until a handshake it counts as a failure."""
        key = ban_key(endpoint)
        tries, latest = self._tries.pop(key, (0, now))
        if tries >= FAILURES and now - latest >= FAILURE_BACKOFF:
            tries = 0
        self._tries[key] = tries + 1, now
        _bound(self._tries)
        self._since_low = 0 if hearsay and is_low_port(endpoint.port) else self._since_low + 1
        if hearsay:
            network = subnet(endpoint.host)
            dials = self._subnets.pop(network, None) or deque(maxlen=SUBNET_DIALS)
            dials.append(now)
            self._subnets[network] = dials
            _bound(self._subnets)

    def succeeded(self, endpoint: Endpoint) -> None:
        """A handshake was completed: the address is a peer's."""
        self._tries.pop(ban_key(endpoint), None)


def _bound(table: dict[str, tuple[int, float]] | dict[str, deque[float]]) -> None:
    if len(table) > REMEMBERED:
        del table[next(iter(table))]
