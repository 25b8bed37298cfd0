"""Addresses and ports of one host: who is bound to what."""

import errno
from typing import Generic, TypeVar

ANY4 = "0.0.0.0"  # noqa: S104 (nothing real is bound; programs under test say it)
ANY6 = "::"
LOOPBACK4 = "127.0.0.1"
LOOPBACK6 = "::1"

FIRST_EPHEMERAL_PORT = 49_152
"""RFC 6335, 6: the dynamic ports; handed out in order, so a run replays exactly."""

_Bound = TypeVar("_Bound")


def is_ipv6(address: str) -> bool:
    return ":" in address


def wildcard(address: str) -> str:
    """The address that means "all of mine" in the family of `address`."""
    return ANY6 if is_ipv6(address) else ANY4


def socket_address(address: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """As the socket module writes it: IPv6 with flow information and scope."""
    return (address, port, 0, 0) if is_ipv6(address) else (address, port)


class Ports(Generic[_Bound]):
    """The ports of one host for one protocol, TCP or UDP."""

    __slots__ = ("_bound", "_next")

    def __init__(self) -> None:
        self._bound: dict[tuple[str, int], _Bound] = {}
        self._next = FIRST_EPHEMERAL_PORT

    def free_port(self) -> int:
        """The next ephemeral port. Raises OSError (EADDRINUSE) when all are taken."""
        taken = {port for _, port in self._bound}
        for _ in range(FIRST_EPHEMERAL_PORT, 65_536):
            port = self._next
            self._next = port + 1 if port < 65_535 else FIRST_EPHEMERAL_PORT
            if port not in taken:
                return port
        raise OSError(errno.EADDRINUSE, "every ephemeral port is in use")

    def bind(self, address: str, port: int, bound: _Bound) -> int:
        """The port, chosen if 0. Raises OSError (EADDRINUSE); SO_REUSEPORT is not modelled."""
        port = port or self.free_port()
        for other, taken in self._bound:
            same = other == address or wildcard(address) in (address, other)
            if taken == port and same and is_ipv6(other) == is_ipv6(address):
                raise OSError(errno.EADDRINUSE, f"address already in use: {address} port {port}")
        self._bound[address, port] = bound
        return port

    def release(self, address: str, port: int) -> None:
        self._bound.pop((address, port), None)

    def find(self, address: str, port: int) -> _Bound | None:
        """Whoever is bound to this very address, or to the wildcard of its family."""
        found = self._bound.get((address, port))
        return self._bound.get((wildcard(address), port)) if found is None else found

    def clear(self) -> None:
        self._bound.clear()
