"""What `get_extra_info("socket")` and `server.sockets` answer: addresses, and options on paper."""

import socket

from simulation.names import family_of
from simulation.ports import socket_address

Address = tuple[str, int]


class SocketInfo:
    """Looks like an `asyncio.trsock.TransportSocket`; options are kept and mean nothing."""

    __slots__ = ("_local", "_options", "_remote", "family", "proto", "type")

    def __init__(
        self, kind: socket.SocketKind, *, local: Address, remote: Address | None = None
    ) -> None:
        self.family = family_of(local[0])
        self.type = kind
        self.proto = 0
        self._local = socket_address(*local)
        self._remote = socket_address(*remote) if remote else None
        self._options: dict[tuple[int, int], int | bytes] = {}

    def getsockname(self) -> tuple[str, int] | tuple[str, int, int, int]:
        return self._local

    def getpeername(self) -> tuple[str, int] | tuple[str, int, int, int] | None:
        return self._remote

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        self._options[level, option] = value

    def getsockopt(self, level: int, option: int) -> int | bytes:
        return self._options.get((level, option), 0)

    def fileno(self) -> int:
        """-1, as of a closed socket: there is no descriptor."""
        return -1
