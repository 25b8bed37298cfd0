"""Trackers: ours and opentracker."""

import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any
from urllib.parse import quote

import libtorrent

from tests.interop.clients.client import Process
from tests.interop.host import Host
from tests.interop.patience import wait_until


class Tracker(Process, ABC):
    """A tracker by HTTP and UDP. Its URLs are known before it runs, so that torrents can name it."""

    def __init__(self, host: Host, directory: Path) -> None:
        super().__init__(host, directory)
        self.port = host.free_port()
        self.url = f"http://{host.address}:{self.port}/announce"
        self.udp_url = f"udp://{host.address}:{self.port}/announce"

    @abstractmethod
    def serve(self, info_hash: bytes) -> None:
        """Begin to answer for a torrent, the only one."""

    def scrape(self, info_hash: bytes) -> dict[bytes, int]:
        """BEP 48: `complete`, `incomplete` and `downloaded`; empty if it knows of no peer."""
        with self.host.request(self.port, f"/scrape?info_hash={quote(info_hash)}") as answer:
            reply: Any = libtorrent.bdecode(answer.read())
        counts: dict[bytes, int] = reply[b"files"].get(info_hash, {})
        return counts

    def wait_for_seed(self, info_hash: bytes) -> None:
        """Return when it knows of one; whoever announces afterwards hears of it at once."""
        self._wait_for(b"complete", 1, info_hash)

    def wait_for_downloaders(self, info_hash: bytes, count: int) -> None:
        """Return when it knows of that many."""
        self._wait_for(b"incomplete", count, info_hash)

    def _wait_for(self, what: bytes, count: int, info_hash: bytes) -> None:
        wait_until(
            lambda: self.scrape(info_hash).get(what, 0) >= count,
            f"{what.decode()} at the tracker: {count}",
        )

    def _wait_answering(self, info_hash: bytes) -> None:
        wait_until(lambda: self.scrape(info_hash) is not None, "the tracker answers")


class EverswarmTracker(Tracker):
    """`everswarm tracker`."""

    def serve(self, info_hash: bytes) -> None:
        """See Tracker."""
        self.start(
            sys.executable, "-m", "node", "tracker",
            "--listen", f"{self.host.address}:{self.port}", "--udp", f"{self.host.address}:{self.port}",
            "--allow", info_hash.hex(), "--interval", "10",
        )  # fmt: skip
        self._wait_answering(info_hash)


class Opentracker(Tracker):
    """erdgeist's opentracker as Debian builds it: it serves the torrents of a whitelist."""

    program = "opentracker"

    def serve(self, info_hash: bytes) -> None:
        """See Tracker."""
        # Started by root it becomes `nobody`, locked into its directory.
        self.directory.chmod(0o755)
        (self.directory / "whitelist").write_text(info_hash.hex() + "\n")
        self.start(
            "opentracker", "-i", self.host.address, "-p", str(self.port), "-P", str(self.port),
            "-d", self.directory, "-w", "whitelist",
        )  # fmt: skip
        self._wait_answering(info_hash)
