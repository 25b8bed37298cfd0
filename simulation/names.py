"""Name resolution: a table instead of the DNS, with its failures."""

import errno
import socket
from ipaddress import ip_address

from simulation.ports import ANY4, ANY6, LOOPBACK4, is_ipv6

LATENCY = 0.02
"""Seconds a lookup takes: a resolver near the host."""


def no_such_address(address: str) -> OSError:
    return OSError(errno.EADDRNOTAVAIL, f"no simulated host has the address {address}")


class Names:
    """What names mean; change it at any time (a lie is an entry with another's address)."""

    def __init__(self) -> None:
        self.latency = LATENCY
        self._table: dict[str, tuple[str, ...]] = {"localhost": (LOOPBACK4,)}
        self._failing: dict[str, None] = {}

    def add(self, name: str, *addresses: str) -> None:
        """Enters or replaces a name."""
        self._table[name.lower()] = tuple(ip_address(text).compressed for text in addresses)

    def fail(self, name: str) -> None:
        """From now on lookups of `name` fail (EAI_AGAIN: the resolver does not answer)."""
        self._failing[name.lower()] = None

    def restore(self, name: str) -> None:
        self._failing.pop(name.lower(), None)

    def resolve(self, name: str) -> tuple[str, ...]:
        """Addresses in canonical form. Raises socket.gaierror (EAI_AGAIN, EAI_NONAME)."""
        name = name.lower().rstrip(".")
        if name in self._failing:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if name not in self._table:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._table[name]

    def name_of(self, address: str) -> str:
        """The first name that has this address; without one, the address itself."""
        for name, addresses in self._table.items():
            if address in addresses:
                return name
        return address


def numeric(host: str | None, *, passive: bool) -> tuple[str, ...] | None:
    """The addresses that `host` is without asking anybody; None: it is a name."""
    if not host:
        return (ANY4, ANY6) if passive else (LOOPBACK4,)
    try:
        return (ip_address(host).compressed,)
    except ValueError:
        return None


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if is_ipv6(address) else socket.AF_INET
