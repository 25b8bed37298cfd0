"""What every program that shares torrents can do for a test."""

import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from formats.endpoint import Endpoint
from tests.interop.host import Host
from tests.interop.patience import wait_until

GOODBYE_SECONDS = 3.0
"""Between being asked to end and being killed."""


class Process:
    """A program on a host, with a directory of its own for its configuration and its output."""

    program: ClassVar[str] = sys.executable
    """What must be installed."""

    def __init__(self, host: Host, directory: Path) -> None:
        self.host = host
        self.directory = directory
        self.output = directory / "output.log"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True)

    def start(self, *command: str | Path) -> None:
        """Run a command line, once; it inherits nothing of the user's configuration."""
        assert self._process is None
        environment = os.environ | {
            "HOME": str(self.directory),
            "LC_ALL": "C.UTF-8",
            "XDG_CONFIG_HOME": str(self.directory / "config"),
            "XDG_STATE_HOME": str(self.directory / "state"),
        }
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                self.host.command(*command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def interrupt(self) -> None:
        """Ctrl-C."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """End it, politely if it listens. Its last words appear where pytest shows a failure's."""
        process = self._process
        if process is None:
            return
        with process:
            process.terminate()
            try:
                process.wait(GOODBYE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        self._process = None
        print(f"--- {self.directory.name}\n{self.output.read_text(errors='replace')[-3000:]}")


class Client(Process, ABC):
    """A program that seeds or downloads one torrent.

    It hears of peers from its tracker only, and from the DHT if it is given a node to start from.
    """

    needs_own_address: ClassVar[bool] = False
    """It cannot meet peers on the loopback."""
    needs_nodes: ClassVar[int] = 1
    """It searches no DHT of fewer nodes, itself apart."""
    entry_port: ClassVar[int] = 0
    """Where the first of its `dht_entries` must be, alone on its host; 0 is anywhere."""
    creates_empty_files: ClassVar[bool] = True
    """It also makes the files that have no bytes to download."""

    def __init__(self, host: Host, directory: Path) -> None:
        super().__init__(host, directory)
        self.downloads = directory / "downloads"
        """Below it lies the torrent's file or folder, if it is downloaded."""
        self.downloads.mkdir()
        self.port = host.free_port()
        """Where peers reach it, by TCP; its DHT has the UDP port of the same number."""
        self.dht_entries: tuple[Endpoint, ...] = ()
        """Nodes from which its DHT may start; without any it has no DHT."""

    @abstractmethod
    def share(self, torrent: Path, directory: Path) -> None:
        """Check what is below `directory`, download what is missing there, and seed."""

    @abstractmethod
    def is_complete(self) -> bool:
        """Whether it has everything. Raises OSError or HTTPException while it does not answer."""

    def seed(self, torrent: Path, data: Path) -> None:
        """Seed the file or folder `data`."""
        self.share(torrent, data.parent)

    def download(self, torrent: Path) -> None:
        """Download to `downloads`, and seed."""
        self.share(torrent, self.downloads)

    def wait_complete(self, *, patience: float) -> None:
        """Return when it has everything; fails the test if that takes too long."""
        wait_until(self.is_complete, f"{self.directory.name} has everything", patience=patience)
