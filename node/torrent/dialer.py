"""Reaching out: from addresses we heard of to conversations."""

import asyncio
from typing import TYPE_CHECKING

from formats.endpoint import Endpoint
from node.peer.connection import PeerConnection, connect
from node.peer.errors import Breach
from node.peer.events import HandshakeReceived
from node.torrent.greeting import Greeting

if TYPE_CHECKING:
    from node.torrent.torrent import Torrent

WANTED_PEERS = 50
"""Connections a torrent strives for: enough for rarest first, few enough to be generous to each."""
DIALS_PER_TURN = 10
"""Dials begun in one turn, so that one torrent does not use up the node's half-open limit."""


class Dialer:
    """Dials what the peer list offers, within the node's limits."""

    def __init__(self, torrent: "Torrent") -> None:
        self._torrent = torrent
        self._dialling: dict[PeerConnection, None] = {}
        self._connecting = 0

    def dial(self, now: float) -> None:
        """Begin as many dials as are wanted and allowed now."""
        torrent = self._torrent
        connections = torrent.context.connections
        wanted = min(
            WANTED_PEERS - len(torrent.sessions) - len(self._dialling) - self._connecting,
            connections.room_for_dials,
            DIALS_PER_TURN,
        )
        if wanted <= 0 or not (torrent.may_download or torrent.is_complete):
            return
        for endpoint in torrent.peer_list.candidates(
            now, wanted, torrent.context.rng, seeding=torrent.is_complete
        ):
            connections.half_open += 1
            self._connecting += 1
            torrent.start(self._dial(endpoint))

    def tick(self, now: float) -> None:
        """Deadlines of the handshakes under way."""
        for connection in list(self._dialling):
            connection.tick(now)

    def close(self) -> None:
        """Give up all dials."""
        for connection in list(self._dialling):
            connection.close("the torrent stopped")

    async def _dial(self, endpoint: Endpoint) -> None:
        torrent = self._torrent
        context = torrent.context
        local_addr = (context.local_address, 0) if context.local_address else None
        try:
            connection = await connect(
                endpoint,
                torrent.local_handshake(),
                Greeting(self._introduced, self._failed),
                buffer=context.receive_buffer,
                local_addr=local_addr,
            )
        except OSError:
            context.connections.half_open -= 1
            torrent.peer_list.dial_failed(endpoint, torrent.now())
            return
        except asyncio.CancelledError:
            context.connections.half_open -= 1
            raise
        finally:
            self._connecting -= 1
        if connection.close_reason is None and isinstance(connection.owner, Greeting):
            self._dialling[connection] = None

    def _introduced(self, connection: PeerConnection, introduction: HandshakeReceived) -> None:
        torrent = self._torrent
        torrent.context.dial_budget.succeeded(connection.remote)
        torrent.attach(connection, introduction, source=torrent.source_of(connection.remote))
        if not isinstance(connection.owner, Greeting):  # else it was refused: `_failed` follows
            self._settled(connection)

    def _failed(self, connection: PeerConnection, reason: str) -> None:
        self._settled(connection)
        torrent = self._torrent
        if reason == Breach.OURSELVES:
            torrent.peer_list.add_own(connection.remote)
        torrent.peer_list.dial_failed(connection.remote, torrent.now())

    def _settled(self, connection: PeerConnection) -> None:
        self._dialling.pop(connection, None)
        self._torrent.context.connections.half_open -= 1
