"""Transmission 3."""

import json
import random
from base64 import b64encode
from pathlib import Path
from typing import Any

from formats.bencode import encode
from formats.endpoint import pack_many
from tests.interop.clients.client import Client
from tests.interop.host import Host
from tests.interop.patience import wait_until

SETTINGS = {
    "lpd-enabled": False,
    "pex-enabled": False,
    "utp-enabled": False,
    "port-forwarding-enabled": False,
    "rpc-authentication-required": False,
    "rpc-host-whitelist-enabled": False,
    "rpc-whitelist-enabled": False,
}

SEEDING = 6
"""TR_STATUS_SEED."""


class Transmission(Client):
    """transmission-daemon, controlled by its JSON RPC."""

    program = "transmission-daemon"
    needs_own_address = True
    needs_nodes = 9
    creates_empty_files = False

    def __init__(self, host: Host, directory: Path) -> None:
        super().__init__(host, directory)
        self._rpc_port = host.free_port()
        self._session = ""

    def share(self, torrent: Path, directory: Path) -> None:
        """See Client."""
        settings = SETTINGS | {
            "dht-enabled": bool(self.dht_entries),
            "bind-address-ipv4": self.host.address,
            "peer-port": self.port,
            "rpc-bind-address": self.host.address,
            "rpc-port": self._rpc_port,
        }
        (self.directory / "settings.json").write_text(json.dumps(settings))
        self._remember_nodes()
        self.start("transmission-daemon", "--foreground", "--config-dir", self.directory)
        wait_until(lambda: bool(self._call("session-get")), "Transmission answers")
        metainfo = b64encode(torrent.read_bytes()).decode()
        self._call("torrent-add", metainfo=metainfo, **{"download-dir": str(directory)})

    def _remember_nodes(self) -> None:
        """As if it had met them the last time it ran: other ways to tell it of nodes are slow."""
        (nodes, _) = pack_many(self.dht_entries)
        node_id = random.Random(self.port).randbytes(20)
        (self.directory / "dht.dat").write_bytes(encode({b"id": node_id, b"nodes": nodes}))

    def is_complete(self) -> bool:
        """See Client."""
        answer = self._call("torrent-get", fields=["status"])
        return any(torrent["status"] == SEEDING for torrent in answer["torrents"])

    def _call(self, method: str, **arguments: object) -> dict[str, Any]:
        body = json.dumps({"method": method, "arguments": arguments}).encode()
        session = {"X_Transmission_Session_Id": self._session}
        with self.host.request(self._rpc_port, "/transmission/rpc", body, **session) as answer:
            if answer.status == 409:
                self._session = answer.headers["X-Transmission-Session-Id"]
                return self._call(method, **arguments)
            reply: dict[str, Any] = json.load(answer)
        assert reply["result"] == "success", reply
        result: dict[str, Any] = reply["arguments"]
        return result
