"""A switch with hosts on it, each a network namespace: nothing in it reaches the world outside."""

import itertools
import os
import subprocess
from contextlib import ExitStack
from types import TracebackType

from tests.interop.host import Host

_numbers = itertools.count(1)


class Network:
    """Hosts 10.42.0.1, 10.42.0.2 and so on; leaving the context deletes them."""

    def __init__(self) -> None:
        self._name = f"everswarm-{os.getpid()}-{next(_numbers)}"
        self._cleanup = ExitStack()
        self._hosts = 0

    def __enter__(self) -> "Network":
        """Raises CalledProcessError where this is not allowed."""
        with self._cleanup:
            self._add_namespace(self._name)
            _ip("-n", self._name, "link", "add", "switch", "type", "bridge")
            _ip("-n", self._name, "link", "set", "switch", "up")
            self._cleanup = self._cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def add_host(self) -> Host:
        """Another host on the switch."""
        self._hosts += 1
        host = Host(f"10.42.0.{self._hosts}", f"{self._name}-{self._hosts}")
        assert host.namespace is not None
        port = f"port{self._hosts}"
        self._add_namespace(host.namespace)
        _ip("-n", self._name, "link", "add", port, "type", "veth",
            "peer", "name", "eth0", "netns", host.namespace)  # fmt: skip
        _ip("-n", self._name, "link", "set", port, "master", "switch", "up")
        _ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
        _ip("-n", host.namespace, "link", "set", "eth0", "up")
        _ip("-n", host.namespace, "link", "set", "lo", "up")
        return host

    def _add_namespace(self, name: str) -> None:
        _ip("netns", "add", name)
        self._cleanup.callback(_ip, "netns", "delete", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
