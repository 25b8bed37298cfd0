"""libtorrent from PyPI, in a process of its own."""

import sys
from pathlib import Path

from tests.interop.clients.client import Client


class Libtorrent(Client):
    """A bare libtorrent session, without anything but TCP, trackers and perhaps the DHT."""

    def share(self, torrent: Path, directory: Path) -> None:
        """See Client."""
        session = Path(__file__).with_name("libtorrent_session.py")
        self.start(
            # -P: this folder's libtorrent.py is not the library.
            sys.executable, "-P", session, torrent, directory, f"{self.host.address}:{self.port}",
            ",".join(map(str, self.dht_entries)),
        )  # fmt: skip

    def is_complete(self) -> bool:
        """See Client."""
        lines = self.output.read_text().splitlines()
        return any(line == "seeding" for line in lines)
