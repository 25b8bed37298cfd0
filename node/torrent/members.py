"""The connected peers of a swarm: who may join, how they are greeted, who is sent away.

Threats: one address that fills all connections (at most SESSIONS_PER_IP of them), a stranger that
takes another's peer ID (it names nobody: only a second connection between the same two addresses
is a duplicate, P16), banned liars that come back (P11).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from formats.endpoint import Endpoint, is_ipv6
from formats.identifiers import PeerId
from node.peer.connection import PeerConnection
from node.peer.events import HandshakeReceived
from node.peer.extension import LOCAL_IDS, LT_DONTHAVE, UT_METADATA, UT_PEX, ExtensionHandshake
from node.peer.handshake import keeps_outgoing
from node.torrent.dial_budget import ban_key
from node.torrent.known_peer import Source, SourceKind
from node.torrent.session import PeerSession
from node.torrent.status import State
from node.torrent.upload_queue import MAX_QUEUED

if TYPE_CHECKING:
    from node.torrent.torrent import Torrent

SESSIONS_PER_IP = 4
"""Connections of one address to one torrent: a household behind one router, not a crowd."""
COMPLETE_PEERS = 4_096
"""Peers remembered as complete, 20 bytes each."""
CLIENT = "everswarm 0.1"
"""How we introduce ourselves (`v`, BEP 10)."""


class Members:
    """The sessions of one torrent, in the order they joined."""

    def __init__(self, torrent: "Torrent") -> None:
        self._torrent = torrent
        self.sessions: dict[PeerSession, None] = {}
        self.complete: dict[PeerId, None] = {}
        """Peers seen to have everything; the first COMPLETE_PEERS of them."""

    def attach(
        self, connection: PeerConnection, introduction: HandshakeReceived, *, source: Source
    ) -> None:
        """A peer introduced itself: talk to it, or close the connection with the reason."""
        torrent = self._torrent
        now = torrent.now()
        refusal = self._refusal(connection, introduction, now)
        if refusal is not None:
            connection.close(refusal)
            return
        session = PeerSession(
            torrent, connection, peer_id=introduction.peer_id, source=source.kind, now=now
        )
        connection.owner = session
        self.sessions[session] = None
        torrent.context.connections.open += 1
        torrent.picker.peer_joined(session, ban_key(session.endpoint))
        if connection.is_outgoing:
            torrent.peer_list.connected(connection.remote, now)
            torrent.discovery.peer_reached(connection.remote)
        self._greet(session)

    def _refusal(
        self, connection: PeerConnection, introduction: HandshakeReceived, now: float
    ) -> str | None:
        torrent = self._torrent
        connections = torrent.context.connections
        key = ban_key(connection.remote)
        if not torrent.is_running or torrent.state in (State.CHECKING, State.STOPPED):
            return "the torrent is not ready"
        if torrent.peer_list.is_banned(key, now):
            return "the peer is banned"
        if connections.open >= connections.limit:
            return "too many connections"
        same = sum(ban_key(session.connection.remote) == key for session in self.sessions)
        if same >= SESSIONS_PER_IP:
            return "too many connections from one address"
        for session in list(self.sessions):
            if session.peer_id != introduction.peer_id:
                continue
            if not _may_be_one_peer(connection.remote, session.connection.remote):
                continue
            ours = keeps_outgoing(torrent.context.peer_id, introduction.peer_id)
            if (
                connection.is_outgoing == session.connection.is_outgoing
                or connection.is_outgoing is not ours
                or connection.remote.host != session.connection.remote.host
            ):
                return "the peer is connected already"
            session.connection.close("another connection to the peer is kept")
        return None

    def _greet(self, session: PeerSession) -> None:
        torrent = self._torrent
        metainfo = torrent.metainfo
        session.connection.set_piece_sizes(
            metainfo.piece_count, metainfo.piece_length, metainfo.total_size
        )
        session.connection.protocol.send_extension_handshake(
            ExtensionHandshake(
                extensions={name: LOCAL_IDS[name] for name in self._offered()},
                listen_port=torrent.context.listen_port or None,
                client=CLIENT,
                your_ip=session.endpoint.host,
                request_queue=MAX_QUEUED,
                # To a peer that is shown nothing yet, it would read as nothing to get here.
                upload_only=torrent.picker.is_finished and not torrent.disclosure.is_first_copy,
                metadata_size=len(metainfo.info_bytes),
            )
        )
        torrent.disclosure.greet(session)
        if torrent.context.dht is not None:
            session.connection.protocol.port(torrent.context.dht.endpoints[0].port)

    def _offered(self) -> list[str]:
        """The extensions that we understand."""
        return [LT_DONTHAVE, UT_METADATA, *([UT_PEX] if self._torrent.gossip.is_allowed else [])]

    def learned_address(self, session: PeerSession) -> None:
        """A peer that dialled us says where it listens."""
        peer_list, now = self._torrent.peer_list, self._torrent.now()
        peer_list.add(session.endpoint, Source(SourceKind.INCOMING), now)
        peer_list.connected(session.endpoint, now, claimed=True)

    def gained(self, session: PeerSession) -> None:
        """A peer has more pieces than before."""
        if self._torrent.picker.is_seed(session) and len(self.complete) < COMPLETE_PEERS:
            self.complete[session.peer_id] = None
        self._torrent.disclosure.peer_gained(session)
        self.consider_dropping(session)

    def consider_dropping(self, session: PeerSession) -> None:
        """Two that want nothing of each other make room for others (BEP 21)."""
        picker = self._torrent.picker
        if picker.is_finished and (picker.is_seed(session) or session.upload_only):
            self._torrent.peer_list.mark_seed(session.endpoint)
            self._torrent.gossip.parted(session)
            session.connection.close("both sides are complete")

    def ban(self, sources: Sequence[str]) -> None:
        """These lied about data (P11): the keys that `dial_budget.ban_key` gives."""
        now = self._torrent.now()
        for source in sources:
            self._torrent.peer_list.ban(source, now)
            for session in list(self.sessions):
                if ban_key(session.connection.remote) == source:
                    session.connection.close("the peer sent corrupt data")

    def left(self, session: PeerSession) -> None:
        """A connection is over."""
        torrent = self._torrent
        now = torrent.now()
        del self.sessions[session]
        torrent.context.connections.open -= 1
        torrent.picker.peer_left(session)
        torrent.disclosure.peer_left(session)
        torrent.gossip.left(session)
        torrent.peer_list.closed(session.endpoint, now)
        torrent.upload_slots.left(session, now)
        if torrent.is_running:
            self.refill(now)

    def close(self, reason: str) -> None:
        """Say goodbye to everybody."""
        for session in list(self.sessions):
            session.connection.close(reason)

    def refill(self, now: float) -> None:
        """Something may have become available to peers that had nothing to do."""
        if self._torrent.may_download:
            for session in self.sessions:
                session.refill(now)

    def wants_changed(self) -> None:
        """What we want is not what it was: tell everybody, and ask for it."""
        now = self._torrent.now()
        for session in list(self.sessions):
            session.update_interest()
            session.refill(now)
            session.connection.request_flush()

    def want_nothing(self) -> None:
        """Take every request back."""
        for session in list(self.sessions):
            for request in list(session.connection.protocol.requested):
                session.connection.protocol.cancel(*request)
            self._torrent.picker.peer_choked(session)
        self.wants_changed()


def _may_be_one_peer(one: Endpoint, other: Endpoint) -> bool:
    """Whether two connections under one peer ID can be the same peer's: from one address, or from
    one of each family, since a peer may have both. Otherwise one of them took the other's ID."""
    return one.host == other.host or is_ipv6(one.host) != is_ipv6(other.host)
