"""qBittorrent without a window."""

import json
from pathlib import Path

from tests.interop.clients.client import Client
from tests.interop.host import Host

CONFIGURATION = r"""[LegalNotice]
Accepted=true

[BitTorrent]
Session\BTProtocol=TCP
Session\DHTEnabled=false
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
SEEDING = frozenset(("uploading", "stalledUP", "forcedUP"))


class Qbittorrent(Client):
    """qbittorrent-nox, watched by its web API."""

    program = "qbittorrent-nox"

    def __init__(self, host: Host, directory: Path) -> None:
        super().__init__(host, directory)
        self._web_port = host.free_port()

    def share(self, torrent: Path, directory: Path) -> None:
        """See Client."""
        configuration = self.directory / "qBittorrent/config/qBittorrent.conf"
        configuration.parent.mkdir(parents=True)
        configuration.write_text(CONFIGURATION.format(address=self.host.address))
        self.start(
            "qbittorrent-nox",
            f"--profile={self.directory}",
            f"--webui-port={self._web_port}",
            f"--torrenting-port={self.port}",
            f"--save-path={directory}",
            torrent,
        )

    def is_complete(self) -> bool:
        """See Client."""
        with self.host.request(self._web_port, "/api/v2/torrents/info") as answer:
            torrents = json.load(answer)
        return any(torrent["state"] in SEEDING for torrent in torrents)
