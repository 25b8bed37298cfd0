"""The peers connected while a torrent's metadata is searched for: who may join, how they are met.

Threats: one address that fills all connections (SESSIONS_PER_IP of them), banned liars that come
back, a second connection to a peer that is here already.
"""

from typing import TYPE_CHECKING

from node.peer.connection import PeerConnection
from node.peer.events import HandshakeReceived
from node.peer.extension import LOCAL_IDS, UT_METADATA, UT_PEX, ExtensionHandshake
from node.torrent.dial_budget import ban_key
from node.torrent.known_peer import Source, SourceKind
from node.torrent.members import CLIENT, SESSIONS_PER_IP
from node.torrent.metadata_peer import MetadataPeer
from node.torrent.upload_queue import MAX_QUEUED

if TYPE_CHECKING:
    from node.torrent.metadata_search import MetadataSearch


class MetadataMembers:
    """The peers of one search, in the order they joined."""

    def __init__(self, search: "MetadataSearch") -> None:
        self._search = search
        self.sessions: dict[MetadataPeer, None] = {}

    def attach(
        self, connection: PeerConnection, introduction: HandshakeReceived, *, source: Source
    ) -> None:
        """A peer introduced itself: ask it, or close the connection with the reason."""
        search = self._search
        now = search.now()
        refusal = self._refusal(connection, introduction, now)
        if refusal is not None:
            connection.close(refusal)
            return
        peer = MetadataPeer(search, connection, peer_id=introduction.peer_id, now=now)
        connection.owner = peer
        self.sessions[peer] = None
        search.context.connections.open += 1
        if connection.is_outgoing:
            search.peer_list.connected(connection.remote, now)
            search.discovery.peer_reached(connection.remote)
        self._greet(peer)

    def _refusal(
        self, connection: PeerConnection, introduction: HandshakeReceived, now: float
    ) -> str | None:
        search = self._search
        key = ban_key(connection.remote)
        if not search.is_running:
            return "the torrent is not ready"
        if search.peer_list.is_banned(key, now):
            return "the peer is banned"
        if search.context.connections.open >= search.context.connections.limit:
            return "too many connections"
        same = [peer for peer in self.sessions if peer.key == key]
        if len(same) >= SESSIONS_PER_IP:
            return "too many connections from one address"
        if any(peer.peer_id == introduction.peer_id for peer in same):
            return "the peer is connected already"
        return None

    def _greet(self, peer: MetadataPeer) -> None:
        context = self._search.context
        protocol = peer.connection.protocol
        names = [UT_METADATA, *([UT_PEX] if context.use_pex else [])]
        protocol.send_extension_handshake(
            ExtensionHandshake(
                extensions={name: LOCAL_IDS[name] for name in names},
                listen_port=context.listen_port or None,
                client=CLIENT,
                your_ip=peer.endpoint.host,
                request_queue=MAX_QUEUED,
            )
        )
        protocol.send_bitfield(b"")
        if context.dht is not None:
            protocol.port(context.dht.endpoints[0].port)

    def learned_address(self, peer: MetadataPeer) -> None:
        """A peer that dialled us says where it listens."""
        peer_list, now = self._search.peer_list, self._search.now()
        peer_list.add(peer.endpoint, Source(SourceKind.INCOMING), now)
        peer_list.connected(peer.endpoint, now, claimed=True)

    def ban(self, key: str, seconds: float) -> None:
        """This one lied: the `ban_key` of its address."""
        self._search.peer_list.ban(key, self._search.now(), seconds)
        for peer in list(self.sessions):
            if peer.key == key:
                peer.connection.close("the peer sent false metadata")

    def left(self, peer: MetadataPeer) -> None:
        """A connection is over."""
        search = self._search
        now = search.now()
        del self.sessions[peer]
        search.context.connections.open -= 1
        search.assembly.left(peer)
        if search.is_running:
            search.peer_list.closed(peer.endpoint, now)
            for other in self.sessions:
                other.ask(now)

    def close(self, reason: str) -> None:
        """Say goodbye to everybody."""
        for peer in list(self.sessions):
            peer.connection.close(reason)
