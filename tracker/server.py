"""The HTTP tracker: listens, ticks, and closes. Threats are met in the files it is made of:

`http_connection.py` and `connections.py` (K1, K2), `query.py` and `announce.py` (K3, K6, K8),
`responder.py` (K4, K13), `swarm.py` (K5, K7, K10, K11).
"""

import asyncio
import errno
import random
from collections import Counter
from collections.abc import Collection, Iterable

from formats.endpoint import Endpoint, EndpointError
from formats.errors import ConfigError
from formats.identifiers import InfoHash
from tracker.connections import Connections, HttpLimits
from tracker.http_connection import HttpConnection
from tracker.responder import Responder, packed_address
from tracker.swarm import SwarmLimits, Swarms

TICK = 1.0
"""Seconds between looks at deadlines: the precision of every timeout here."""
BACKLOG = 512
"""Connections the kernel holds until the loop accepts them."""


class TrackerServer:
    """A listening tracker; made by `start_tracker`."""

    def __init__(
        self, server: asyncio.Server, responder: Responder, connections: Connections
    ) -> None:
        self.responder = responder
        self.connections = connections
        self.endpoint = Endpoint(*server.sockets[0].getsockname()[:2])
        self._loop = asyncio.get_running_loop()
        self._server = server
        self._timer = self._loop.call_later(TICK, self._tick)

    @property
    def swarms(self) -> Swarms:
        """Who is in which swarm."""
        return self.responder.swarms

    @property
    def rejected(self) -> Counter[str]:
        """How often each reason refused something (G8)."""
        return self.connections.refused + self.swarms.rejected + self.responder.rejected

    @property
    def announce_url(self) -> str:
        """What goes into a torrent, if the listening address can be reached as it is."""
        return f"http://{self.endpoint}/announce"

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        self._timer.cancel()
        self._server.close()
        self.connections.abort_all()
        await asyncio.sleep(0)  # the loop closes the sockets

    def _tick(self) -> None:
        now = self._loop.time()
        self.connections.tick(now)
        self.swarms.tick(now)
        self._timer = self._loop.call_later(TICK, self._tick)


async def start_tracker(
    *,
    host: str,
    port: int,
    rng: random.Random,
    swarm_limits: SwarmLimits | None = None,
    http_limits: HttpLimits | None = None,
    allowed: Collection[InfoHash] | None = None,
    trusted_proxies: Iterable[str] = (),
) -> TrackerServer:
    """Start a tracker on `host`:`port` (0: any free one); the address it got is `.endpoint`.

    `allowed` lists the only torrents served. `trusted_proxies` are numeric addresses whose
    `X-Forwarded-For` header and `ip=` parameter are believed (K4). Raises ConfigError when the port
    cannot be had or an address is not numeric.
    """
    loop = asyncio.get_running_loop()
    try:
        trusted = frozenset(map(packed_address, trusted_proxies))
    except EndpointError as error:
        raise ConfigError(f"a trusted proxy must be a numeric address: {error}") from error
    responder = Responder(Swarms(rng=rng, limits=swarm_limits, allowed=allowed))
    connections = Connections(http_limits or HttpLimits(), trusted)

    def connection() -> HttpConnection:
        return HttpConnection(responder, connections, clock=loop.time)

    try:
        server = await loop.create_server(connection, host, port, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(cannot_listen(error, host, port)) from error
    return TrackerServer(server, responder, connections)


def cannot_listen(error: OSError, host: str, port: int) -> str:
    """Why this address cannot be had, and what to do, in a sentence."""
    where = f"cannot listen on {host} port {port}"
    match error.errno:
        case errno.EADDRINUSE:
            return f"{where}: the port is in use; choose another, or stop what uses it"
        case errno.EACCES:
            return f"{where}: not permitted; choose a port above 1023"
        case errno.EADDRNOTAVAIL:
            return f"{where}: this machine has no such address; try 0.0.0.0"
        case _:
            return f"{where}: {error.strerror or error}"
