"""Where a program runs: on the loopback, or in a network namespace with an address of its own."""

import ctypes
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

REPLY_SECONDS = 5.0
"""The longest a program on this machine may take to answer an HTTP request."""


@dataclass(frozen=True)
class Host:
    """An IPv4 address and, unless it is of the loopback, the namespace that has it."""

    address: str
    namespace: str | None = None

    def command(self, *arguments: str | Path) -> list[str]:
        """The command line that runs `arguments` here, as the very process that is started."""
        prefix = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        return [*prefix, *map(str, arguments)]

    def free_port(self) -> int:
        """A TCP port that nobody listens on."""
        with self.entered(), closing(socket.socket()) as probe:
            probe.bind((self.address, 0))
            port: int = probe.getsockname()[1]
            return port

    @contextmanager
    def request(
        self, port: int, target: str, body: bytes | None = None, **headers: str
    ) -> Iterator[HTTPResponse]:
        """GET, or POST a body. Raises OSError, or HTTPException if the answer is no HTTP."""
        with closing(HTTPConnection(self.address, port, timeout=REPLY_SECONDS)) as connection:
            with self.entered():
                connection.connect()
            connection.request("GET" if body is None else "POST", target, body, _dashed(headers))
            yield connection.getresponse()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that this thread makes meanwhile belong to the namespace, and stay in it."""
        if self.namespace is None:
            yield
            return
        with Path("/proc/self/ns/net").open() as home:
            with Path("/run/netns", self.namespace).open() as there:
                _enter_namespace(there.fileno())
            try:
                yield
            finally:
                _enter_namespace(home.fileno())


LOOPBACK = Host("127.0.0.1")


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _enter_namespace(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
