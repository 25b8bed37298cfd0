"""The UDP tracker: listens, answers each request where it arrives, and closes (BEP 15).

Threats are met in the files it is made of: `udp_responder.py` (K4, K5, K6, K9), `swarm.py` (K5, K7,
K10, K11), `datagram_socket.py` (floods).
"""

import asyncio
import random
from functools import lru_cache
from typing import Any

from formats.errors import ConfigError
from tracker.datagram_socket import DatagramSocket, open_socket
from tracker.responder import packed_address
from tracker.server import cannot_listen
from tracker.source_budget import BudgetLimits
from tracker.swarm import Swarms
from tracker.udp_responder import UdpResponder


class UdpTrackerServer:
    """A UDP socket with a tracker behind it; made by `start_udp_tracker`."""

    def __init__(self, responder: UdpResponder) -> None:
        self.responder = responder
        self.unsent = 0
        """Replies that the system did not take at once."""
        self._time = asyncio.get_running_loop().time
        self._socket: DatagramSocket

    async def listen(self, host: str, port: int) -> None:
        """Bind a numeric address. Raises OSError."""
        self._socket = await open_socket(host, port, self._received)
        self.endpoint = self._socket.endpoint

    @property
    def announce_url(self) -> str:
        """What goes into a torrent, if the listening address can be reached as it is."""
        return f"udp://{self.endpoint}/announce"

    async def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        await self._socket.wait_closed()

    def _received(self, data: bytes, source: tuple[Any, ...]) -> None:
        reply = self.responder.respond(data, _packed(source[0]), self._time())
        if reply is not None and not self._socket.send_now(reply, source):
            self.unsent += 1


@lru_cache(maxsize=4_096)
def _packed(host: str) -> bytes:
    """4 or 16 bytes; of a link-local address without the interface that the system names."""
    return packed_address(host.partition("%")[0])


async def start_udp_tracker(
    *,
    host: str,
    port: int,
    rng: random.Random,
    swarms: Swarms,
    limits: BudgetLimits | None = None,
) -> UdpTrackerServer:
    """Start a UDP tracker on `host`:`port` (0: any free one); the address it got is `.endpoint`.

    Whoever owns `swarms` calls their `tick`, as TrackerServer does. Raises ConfigError when the
    port cannot be had.
    """
    server = UdpTrackerServer(UdpResponder(swarms, rng=rng, limits=limits))
    try:
        await server.listen(host, port)
    except OSError as error:
        raise ConfigError(cannot_listen(error, f"UDP {host}", port)) from error
    return server
