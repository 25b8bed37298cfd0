"""libtorrent's DHT by itself, in the process of the test: there it can be asked for anything."""

import asyncio
from typing import Any

import libtorrent

from formats.endpoint import Endpoint
from tests.interop.clients.libtorrent_session import DHT_ON_ONE_MACHINE
from tests.interop.host import LOOPBACK
from tests.interop.patience import LOOK_INTERVAL, PATIENCE

SEED = 1
"""Flag of an announce: we have everything."""
IMPLIED_PORT = 2
"""Flag of an announce: the peer's port is the one that the datagram comes from."""


class LibtorrentDht:
    """A session on the loopback without torrents. It ends when nobody refers to it any more."""

    def __init__(self) -> None:
        kinds = libtorrent.alert.category_t
        self.session = libtorrent.session(
            {
                "listen_interfaces": f"{LOOPBACK.address}:{LOOPBACK.free_port()}",
                "alert_mask": kinds.dht_notification | kinds.dht_operation_notification,
                "enable_dht": True,
                "dht_bootstrap_nodes": "",
                **DHT_ON_ONE_MACHINE,
                "enable_lsd": False,
                "enable_upnp": False,
                "enable_natpmp": False,
            }
        )

    async def open(self) -> Endpoint:
        """Where it listens, as soon as it does."""
        async with asyncio.timeout(PATIENCE):
            while not self.session.listen_port():
                await asyncio.sleep(LOOK_INTERVAL)
        return Endpoint(LOOPBACK.address, self.session.listen_port())

    async def alert(self, kind: type[Any]) -> Any:
        """The next alert of a kind; those before it are lost. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for alert in self.session.pop_alerts():
                    if isinstance(alert, kind):
                        return alert
                await asyncio.sleep(LOOK_INTERVAL)
