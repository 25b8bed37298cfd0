"""How many contacts one host and one network may have: addresses cost more than node IDs.

Threats: one machine, or one rented network, that poses as many nodes (D6, D7), and contacts that
aim our datagrams at our own network (X3).
"""

from dataclasses import dataclass
from functools import lru_cache
from socket import AF_INET6, inet_pton
from typing import NamedTuple

from formats.endpoint import AddressClass, Endpoint, classify, is_ipv6

_LOCAL = frozenset(
    (
        AddressClass.PRIVATE,
        AddressClass.LOOPBACK,
        AddressClass.LINK_LOCAL,
        AddressClass.CGNAT,
    )
)


class Place(NamedTuple):
    """Where a contact is, as far as the limits look at it."""

    host: str
    """What may hold one contact: an address; for a local address, the endpoint."""
    subnet: str | bytes | None
    """The /24 of IPv4, the /56 of IPv6. None is counted nowhere."""
    network: str | bytes | None
    """The /16 of IPv4, the /32 of IPv6: about what one provider holds."""


@dataclass(frozen=True, slots=True)
class AddressLimits:
    """D7's figures. A test network whose addresses are all neighbours needs larger ones."""

    per_subnet: int = 2
    """Contacts of one /24 (IPv6: /56) in one bucket, or in one set of closest nodes."""
    per_network: int = 8
    """Contacts of one /16 (IPv6: /32) in a whole table."""
    allow_local: bool = False
    """Take private, loopback, link-local and carrier-grade NAT addresses, without limits: for
    tests and for a network of our own. Otherwise they are refused."""

    def place(self, endpoint: Endpoint) -> Place | None:
        """Where a contact counts, or None for an address that no contact may have."""
        return _place(endpoint, self.allow_local)


@lru_cache(maxsize=4_096)
def _place(endpoint: Endpoint, allow_local: bool) -> Place | None:
    host = endpoint.host
    kind = classify(host)
    if kind is AddressClass.GLOBAL:
        if is_ipv6(host):
            address = inet_pton(AF_INET6, host)
            return Place(host, address[:7], address[:4])
        subnet = host[: host.rindex(".")]
        return Place(host, subnet, subnet[: subnet.rindex(".")])
    if allow_local and kind in _LOCAL:
        return Place(str(endpoint), None, None)
    return None
