"""Where strangers wait until they have said which torrent they want.

Threats (P9): half a handshake held open for ever, by one address or by many: ten seconds each, at
most HALF_OPEN_PER_IP of one address and a tenth of all connections in total.
"""

from collections.abc import Mapping

from formats.identifiers import InfoHash
from node.peer.connection import PeerConnection
from node.peer.events import HandshakeReceived
from node.peer.handshake import Handshake
from node.peer.protocol import PeerProtocol
from node.torrent.context import NodeContext
from node.torrent.dial_budget import ban_key
from node.torrent.greeting import Greeting
from node.torrent.known_peer import Source, SourceKind
from node.torrent.metadata_search import MetadataSearch
from node.torrent.torrent import Torrent

HALF_OPEN_PER_IP = 4
"""Unfinished handshakes of one address (P9)."""
HALF_OPEN_MINIMUM = 10
"""Unfinished handshakes in all, or a tenth of the connections if that is more (P9)."""


class Lobby:
    """Incoming connections without a handshake."""

    def __init__(
        self,
        context: NodeContext,
        torrents: Mapping[InfoHash, Torrent],
        searches: Mapping[InfoHash, MetadataSearch],
    ) -> None:
        self._context = context
        self._torrents = torrents
        self._searches = searches
        self._waiting: dict[PeerConnection, None] = {}
        self._most = max(HALF_OPEN_MINIMUM, context.connections.limit // 10)

    def welcome(self) -> PeerConnection:
        """The protocol factory of the listening sockets."""
        connection = PeerConnection(
            PeerProtocol.incoming(self._answer, self._context.loop.time()),
            Greeting(self._introduced, self._failed),
            loop=self._context.loop,
            buffer=self._context.receive_buffer,
        )
        if len(self._waiting) >= self._most:
            next(iter(self._waiting)).close("too many unfinished handshakes")
        self._waiting[connection] = None
        return connection

    def tick(self, now: float) -> None:
        """About once a second: deadlines, and who holds too many."""
        by_ip: dict[str, int] = {}
        for connection in list(self._waiting):
            connection.tick(now)
            key = ban_key(connection.remote)
            by_ip[key] = by_ip.get(key, 0) + 1
            if by_ip[key] > HALF_OPEN_PER_IP:
                connection.close("too many unfinished handshakes from one address")

    def close(self) -> None:
        """Send everybody away."""
        for connection in list(self._waiting):
            connection.close("the node stops")

    def _answer(self, info_hash: InfoHash) -> Handshake | None:
        swarm = self._swarm(info_hash)
        return swarm.local_handshake() if swarm is not None and swarm.is_running else None

    def _swarm(self, info_hash: InfoHash) -> Torrent | MetadataSearch | None:
        return self._torrents.get(info_hash) or self._searches.get(info_hash)

    def _introduced(self, connection: PeerConnection, introduction: HandshakeReceived) -> None:
        self._waiting.pop(connection, None)
        swarm = self._swarm(introduction.info_hash)
        assert swarm is not None  # it gave the handshake that has just been answered with
        swarm.members.attach(connection, introduction, source=Source(SourceKind.INCOMING))

    def _failed(self, connection: PeerConnection, reason: str) -> None:
        self._waiting.pop(connection, None)
