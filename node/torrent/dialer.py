"""Reaching out: from addresses we heard of to conversations."""

import asyncio
from functools import partial
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
        self._dials: dict[Endpoint, PeerConnection | None] = {}
        """Dials under way; the connection is known once there is one."""

    def dial(self, now: float) -> None:
        """Begin as many dials as are wanted and allowed now."""
        torrent = self._torrent
        wanted = min(
            WANTED_PEERS - len(torrent.sessions) - len(self._dials),
            torrent.context.connections.room_for_dials,
            DIALS_PER_TURN,
        )
        if wanted <= 0 or not (torrent.may_download or torrent.is_complete):
            return
        for endpoint in torrent.peer_list.candidates(
            now, wanted, torrent.context.rng, seeding=torrent.is_complete
        ):
            self._dials[endpoint] = None
            torrent.context.connections.half_open += 1
            torrent.start(self._dial(endpoint))

    def tick(self, now: float) -> None:
        """Deadlines of the handshakes under way."""
        for connection in list(self._dials.values()):
            if connection is not None:
                connection.tick(now)

    def close(self) -> None:
        """Give up all dials."""
        for connection in list(self._dials.values()):
            if connection is not None:
                connection.close("the torrent stopped")

    async def _dial(self, endpoint: Endpoint) -> None:
        torrent = self._torrent
        context = torrent.context
        greeting = Greeting(
            partial(self._introduced, endpoint), lambda _, reason: self._failed(endpoint, reason)
        )
        try:
            connection = await connect(
                endpoint,
                torrent.local_handshake(),
                greeting,
                buffer=context.receive_buffer,
                local_addr=(context.local_address, 0) if context.local_address else None,
            )
        except OSError as error:
            self._failed(endpoint, str(error))
        except asyncio.CancelledError:
            self._settled(endpoint)
            raise
        else:
            if endpoint in self._dials:
                self._dials[endpoint] = connection

    def _introduced(
        self, endpoint: Endpoint, connection: PeerConnection, introduction: HandshakeReceived
    ) -> None:
        torrent = self._torrent
        torrent.context.dial_budget.succeeded(endpoint)
        torrent.members.attach(connection, introduction, source=torrent.source_of(endpoint))
        if not isinstance(connection.owner, Greeting):  # else it was refused: `_failed` follows
            self._settled(endpoint)

    def _failed(self, endpoint: Endpoint, reason: str) -> None:
        if self._settled(endpoint):
            if reason == Breach.OURSELVES:
                self._torrent.peer_list.add_own(endpoint)
            self._torrent.peer_list.dial_failed(endpoint, self._torrent.now())

    def _settled(self, endpoint: Endpoint) -> bool:
        """The dial is over, one way or the other; False if that was known."""
        if endpoint not in self._dials:
            return False
        del self._dials[endpoint]
        self._torrent.context.connections.half_open -= 1
        return True
