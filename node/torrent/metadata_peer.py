"""One peer that is asked for a torrent's metadata (BEP 9).

Threats: what it says about pieces cannot be judged yet and is passed over (`node.peer` holds it to
the largest torrent there may be); metadata of any kind goes to `metadata_assembly`, requests for it
to `metadata_serving`, which refuses them, hearsay of other peers to `pex.intake`. A peer that gets
us no further makes room for another.
"""

from typing import TYPE_CHECKING

from formats.endpoint import Endpoint, classify
from formats.identifiers import PeerId
from node.peer.connection import PeerConnection
from node.peer.events import Event, ExtensionHandshakeReceived, ExtensionMessage
from node.peer.extension import UT_METADATA, UT_PEX, ExtensionHandshake
from node.peer.messages import Port
from node.torrent.dial_budget import ban_key
from node.torrent.known_peer import Source, SourceKind
from node.torrent.metadata import (
    MetadataPiece,
    MetadataReject,
    MetadataRequest,
    encode_message,
    parse_message,
)
from node.torrent.metadata_serving import MetadataServing
from pex.intake import PexAbuse, PexIntake

if TYPE_CHECKING:
    from node.torrent.metadata_search import MetadataSearch

PATIENCE = 30.0
"""Seconds that a peer may stay without getting us further."""


class MetadataPeer:
    """The search's side of one connection; it is the connection's owner (`PeerOwner`)."""

    __slots__ = (
        "_intake",
        "_serving",
        "connection",
        "endpoint",
        "has_metadata",
        "key",
        "peer_id",
        "search",
        "useful_at",
    )

    def __init__(
        self, search: "MetadataSearch", connection: PeerConnection, *, peer_id: PeerId, now: float
    ) -> None:
        self.search = search
        self.connection = connection
        self.peer_id = peer_id
        self.endpoint: Endpoint = connection.remote
        """The address to reach the peer at: its listening port once that is known."""
        self.key = ban_key(connection.remote)
        """What its contributions go by."""
        self.has_metadata = False
        """It says so."""
        self.useful_at = now
        """When it last got us further, or was connected."""
        self._serving = MetadataServing(None, now)
        self._intake = PexIntake(now)

    def on_events(self, connection: PeerConnection, events: list[Event]) -> None:
        """One batch of the peer's messages. Raises PeerError when it breaks the rules."""
        now = self.search.now()
        for event in events:
            match event:
                case ExtensionHandshakeReceived(handshake):
                    self._introduced(handshake)
                case ExtensionMessage(name, payload) if name == UT_METADATA:
                    self._heard(payload, now)
                case ExtensionMessage(name, payload) if name == UT_PEX:
                    self._heard_of_peers(payload, now)
                case Port(port):
                    self.search.discovery.dht_port(connection.remote, port)
                case _:
                    pass
            if connection.close_reason is not None:
                return
        self.ask(now)

    def on_writable(self, connection: PeerConnection) -> None:
        """Nothing waits to be written."""

    def on_closed(self, connection: PeerConnection, reason: str) -> None:
        """The connection is gone."""
        self.search.members.left(self)

    def tick(self, now: float) -> None:
        """About once a second: deadlines, and what others failed to send."""
        self.connection.tick(now)
        if now - self.useful_at >= PATIENCE:
            self.connection.close("the peer does not get us the metadata")
        if self.connection.close_reason is None:
            self.ask(now)

    def ask(self, now: float) -> None:
        """Ask for the pieces that are this peer's turn."""
        pieces = self.search.assembly.requests(self, now)
        for piece in pieces:
            self._say(encode_message(MetadataRequest(piece)))

    def _say(self, message: bytes) -> None:
        self.connection.protocol.send_extension(UT_METADATA, message)
        self.connection.request_flush()

    def _introduced(self, handshake: ExtensionHandshake) -> None:
        if handshake.listen_port and not self.connection.is_outgoing:
            self.endpoint = Endpoint(self.endpoint.host, handshake.listen_port)
            self.search.members.learned_address(self)
        if handshake.metadata_size and UT_METADATA in self.connection.protocol.remote_extensions:
            self.has_metadata = True
            self.search.assembly.offered(self, self.key, handshake.metadata_size)

    def _heard(self, payload: bytes, now: float) -> None:
        message = parse_message(payload)
        match message:
            case MetadataRequest(piece):
                self._say(self._serving.answer(piece, now))
            case MetadataPiece():
                outcome = self.search.assembly.received(self, message)
                self.useful_at = now
                if outcome is not None:
                    self.search.judged(outcome)
            case MetadataReject(piece):
                self.search.assembly.rejected(self, piece)
            case None:
                pass

    def _heard_of_peers(self, payload: bytes, now: float) -> None:
        try:
            message = self._intake.receive(payload, now)
        except PexAbuse as error:
            self.connection.close(str(error))
            return
        if message is not None:
            remote = self.connection.remote
            source = Source(SourceKind.PEX, self.key, classify(remote.host))
            for contact in message.added:
                self.search.peer_list.add(contact, source, now)
            self.search.dial(now)
