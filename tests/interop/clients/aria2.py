"""aria2."""

import json
from pathlib import Path

from tests.interop.clients.client import Client
from tests.interop.host import Host


class Aria2(Client):
    """aria2c, watched by JSON-RPC."""

    program = "aria2c"

    def __init__(self, host: Host, directory: Path) -> None:
        super().__init__(host, directory)
        self._rpc_port = host.free_port()

    def share(self, torrent: Path, directory: Path) -> None:
        """See Client."""
        self.start(
            "aria2c",
            "--no-conf",
            f"--dir={directory}",
            f"--interface={self.host.address}",
            f"--listen-port={self.port}",
            "--enable-rpc",
            "--rpc-listen-all",
            f"--rpc-listen-port={self._rpc_port}",
            *self._dht_options(),
            "--enable-dht6=false",
            "--enable-peer-exchange=false",
            "--bt-enable-lpd=false",
            "--check-integrity=true",
            "--file-allocation=none",
            "--seed-ratio=0.0",
            "--summary-interval=0",
            "--console-log-level=info",
            torrent,
        )

    def _dht_options(self) -> tuple[str, ...]:
        if not self.dht_entries:
            return ("--enable-dht=false",)
        return (
            "--enable-dht=true",
            f"--dht-listen-port={self.port}",
            f"--dht-entry-point={self.dht_entries[0]}",
            f"--dht-file-path={self.directory / 'dht.dat'}",
        )

    def is_complete(self) -> bool:
        """See Client."""
        question = {
            "jsonrpc": "2.0",
            "id": "1",
            "method": "aria2.tellActive",
            "params": [["seeder"]],
        }
        body = json.dumps(question).encode()
        with self.host.request(self._rpc_port, "/jsonrpc", body) as answer:
            downloads = json.load(answer)["result"]
        return any(download.get("seeder") == "true" for download in downloads)
