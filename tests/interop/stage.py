"""Where one test's programs run."""

from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from tests.interop.availability import require, require_namespaces
from tests.interop.clients.client import Process
from tests.interop.host import LOOPBACK, Host
from tests.interop.network import Network

P = TypeVar("P", bound=Process)


class Stage:
    """All programs and networks of a test: they end with it, whatever its outcome."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._cleanup = ExitStack()
        self._network: Network | None = None
        self._programs = 0

    def add(self, kind: type[P], host: Host = LOOPBACK) -> P:
        """A program of this kind, not yet started. Skips the test if it is not installed."""
        require(kind.program)
        self._programs += 1
        program = kind(host, self._directory / f"{self._programs} {kind.__name__}")
        self._cleanup.callback(program.stop)
        return program

    def new_host(self) -> Host:
        """A host with an address of its own, on one network with the others."""
        require_namespaces()
        if self._network is None:
            self._network = self._cleanup.enter_context(Network())
        return self._network.add_host()

    def close(self) -> None:
        """End everything, the latest first."""
        self._cleanup.close()
