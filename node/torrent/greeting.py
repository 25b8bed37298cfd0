"""A connection before its handshake: nobody's yet."""

from collections.abc import Callable

from node.peer.connection import PeerConnection
from node.peer.events import Event, HandshakeReceived

OnIntroduced = Callable[[PeerConnection, HandshakeReceived], None]
OnFailed = Callable[[PeerConnection, str], None]


class Greeting:
    """Owns a connection until the peer has introduced itself, then hands it on."""

    __slots__ = ("_on_failed", "_on_introduced")

    def __init__(self, on_introduced: OnIntroduced, on_failed: OnFailed) -> None:
        self._on_introduced = on_introduced
        self._on_failed = on_failed

    def on_events(self, connection: PeerConnection, events: list[Event]) -> None:
        """The handshake is always alone in its batch; whoever takes it becomes the owner."""
        (event,) = events
        assert isinstance(event, HandshakeReceived)
        self._on_introduced(connection, event)

    def on_writable(self, connection: PeerConnection) -> None:
        """Nothing waits to be written."""

    def on_closed(self, connection: PeerConnection, reason: str) -> None:
        """It never became a conversation."""
        self._on_failed(connection, reason)
