"""rTorrent."""

import socket
import xmlrpc.client
from contextlib import closing
from pathlib import Path
from typing import Any

from formats.endpoint import Endpoint
from tests.interop.clients.client import Client
from tests.interop.patience import wait_until


class Rtorrent(Client):
    """rtorrent as a daemon, watched by XML-RPC over SCGI.

    It knows one peer of an address: beside others on the loopback it may dial itself and nobody else.
    """

    needs_own_address = True

    program = "rtorrent"

    def share(self, torrent: Path, directory: Path) -> None:
        """See Client."""
        options = {
            "system.daemon.set": "true",
            "session.path.set": self.directory,
            "directory.default.set": directory,
            "network.bind_address.set": self.host.address,
            "network.local_address.set": self.host.address,
            "network.port_range.set": f"{self.port}-{self.port}",
            "network.port_random.set": "no",
            "network.scgi.open_local": self._control,
            "dht.mode.set": "on" if self.dht_entries else "disable",
            "dht.port.set": str(self.port),
            "protocol.pex.set": "no",
            "protocol.encryption.set": "none",
            "trackers.use_udp.set": "no",
        }
        arguments = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        self.start("rtorrent", "-n", *arguments, torrent)
        for entry in self.dht_entries:
            self._add_node(entry)

    def is_complete(self) -> bool:
        """See Client."""
        torrents = self._call("d.multicall2", "", "main", "d.complete=", "d.is_active=")
        return any(complete and active for complete, active in torrents)

    def _add_node(self, entry: Endpoint) -> None:
        wait_until(lambda: self._call("dht.add_node", "", str(entry)) == 0, "rTorrent takes a node")

    @property
    def _control(self) -> Path:
        return self.directory / "control"

    def _call(self, method: str, *arguments: str) -> Any:
        body = xmlrpc.client.dumps(arguments, method).encode()
        headers = f"CONTENT_LENGTH\0{len(body)}\0SCGI\0{1}\0".encode()
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(5)
            connection.connect(str(self._control))
            connection.sendall(b"%d:%b,%b" % (len(headers), headers, body))
            with connection.makefile("rb") as stream:
                answer = stream.read()
        ((result,), _) = xmlrpc.client.loads(answer.partition(b"\r\n\r\n")[2])
        return result
