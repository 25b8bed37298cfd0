"""Ours: the command, as a user runs it."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.interop.clients.client import Client
from tests.interop.patience import wait_until


class Everswarm(Client):
    """`everswarm publish` and `everswarm get`, watched by their JSON lines."""

    options: tuple[str, ...] = ()
    """More of the command's."""

    def publish(self, data: Path, *options: str | Path) -> None:
        """Make a torrent of `data` and seed it."""
        self._run("publish", data, *options)

    def share(self, torrent: Path, directory: Path) -> None:
        """See Client."""
        self._run("get", torrent, "-d", directory, "--seed")

    def get(self, torrent: Path, *, patience: float) -> None:
        """Download to `downloads`, and leave; fails the test if that takes too long."""
        self._run("get", torrent, "-d", self.downloads, "--timeout", f"{patience:g}")
        wait_until(lambda: self.exit_status is not None, "get ends", patience=patience + 5)
        assert self.exit_status == 0
        assert self.is_complete()

    def is_complete(self) -> bool:
        """See Client."""
        return any(event["event"] == "complete" for event in self.events())

    def uploads(self) -> list[int]:
        """Payload bytes sent, as of every second so far."""
        return [event["uploaded"] for event in self.events() if event["event"] == "progress"]

    def leave(self) -> None:
        """Ctrl-C; fails the test if the command does not end in good order."""
        self.interrupt()
        wait_until(lambda: self.exit_status is not None, "the command ends", patience=10)
        assert self.exit_status == 130

    def events(self) -> list[dict[str, Any]]:
        """What it told so far."""
        lines = self.output.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def _run(self, command: str, *arguments: str | Path) -> None:
        self.start(
            sys.executable, "-m", "node", command, *arguments, *self.options,
            "--listen", f"{self.host.address}:{self.port}",
            "--json", "--log-level", "debug", *self._dht_options(),
        )  # fmt: skip

    def _dht_options(self) -> list[str]:
        if not self.dht_entries:
            return ["--no-dht"]
        return [part for entry in self.dht_entries for part in ("--bootstrap", str(entry))]
