"""qBittorrent without a window."""

import json
from pathlib import Path

from tests.interop.clients.client import Client
from tests.interop.host import Host

CONFIGURATION = r"""[LegalNotice]
Accepted=true

[BitTorrent]
Session\BTProtocol=TCP
Session\DHTEnabled={dht}
Session\LSDEnabled=false
Session\PeXEnabled=false
Session\MultiConnectionsPerIp=true
Session\SSRFMitigation=false
Session\QueueingSystemEnabled=false

[Network]
PortForwardingEnabled=false

[Preferences]
WebUI\Address={address}
WebUI\LocalHostAuth=false
WebUI\AuthSubnetWhitelistEnabled=true
WebUI\AuthSubnetWhitelist={address}/32
WebUI\HostHeaderValidation=false
"""
BUILT_IN_NODE = ("dht.transmissionbt.com", 6881)
"""One of those from which its DHT starts. There is no way to name another."""
SEEDING = frozenset(("uploading", "stalledUP", "forcedUP"))


class Qbittorrent(Client):
    """qbittorrent-nox, watched by its web API."""

    program = "qbittorrent-nox"
    entry_port = BUILT_IN_NODE[1]

    def __init__(self, host: Host, directory: Path) -> None:
        super().__init__(host, directory)
        self._web_port = host.free_port()

    def share(self, torrent: Path, directory: Path) -> None:
        """See Client."""
        configuration = self.directory / "qBittorrent/config/qBittorrent.conf"
        configuration.parent.mkdir(parents=True)
        dht = "true" if self.dht_entries else "false"
        configuration.write_text(CONFIGURATION.format(address=self.host.address, dht=dht))
        self.start(
            *self._private_hosts(),
            "qbittorrent-nox",
            f"--profile={self.directory}",
            f"--webui-port={self._web_port}",
            f"--torrenting-port={self.port}",
            f"--save-path={directory}",
            torrent,
        )

    def _private_hosts(self) -> tuple[str | Path, ...]:
        """A command that runs another one to whom the built-in node is the entry."""
        if not self.dht_entries:
            return ()
        entry = self.dht_entries[0]
        assert entry.port == self.entry_port
        hosts = self.directory / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n{entry.host} {BUILT_IN_NODE[0]}\n")
        mount = 'mount --bind "$0" /etc/hosts && exec "$@"'
        return ("unshare", "--mount", "sh", "-c", mount, hosts)

    def is_complete(self) -> bool:
        """See Client."""
        with self.host.request(self._web_port, "/api/v2/torrents/info") as answer:
            torrents = json.load(answer)
        return any(torrent["state"] in SEEDING for torrent in torrents)
