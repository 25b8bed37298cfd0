"""Reaching out: from addresses we heard of to conversations."""

import asyncio
from collections.abc import Coroutine, Sized
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

from formats.endpoint import Endpoint
from node.peer.connection import PeerConnection, connect
from node.peer.errors import Breach
from node.peer.events import HandshakeReceived
from node.peer.handshake import Handshake
from node.torrent.context import NodeContext
from node.torrent.greeting import Greeting
from node.torrent.known_peer import Source
from node.torrent.peer_list import PeerList

WANTED_PEERS = 50
"""Connections a torrent strives for: enough for rarest first, few enough to be generous to each."""
DIALS_PER_TURN = 10
"""Dials begun in one turn, so that one torrent does not use up the node's half-open limit."""
MAX_FAILURES = 3_000
"""Addresses whose last failure is remembered."""


class Failure(StrEnum):
    """Why no conversation came of a dial."""

    REFUSED = "refused"
    TIMED_OUT = "timed out"
    UNREACHABLE = "unreachable"
    SENT_AWAY = "sent away"
    """It answered, and closed the connection, or was none of ours."""


class Members(Protocol):
    """Who takes a peer that has introduced itself."""

    def attach(
        self, connection: PeerConnection, introduction: HandshakeReceived, *, source: Source
    ) -> None:
        """Become the connection's owner, or close it."""


class Swarm(Protocol):
    """Whose peers are dialled."""

    context: NodeContext
    peer_list: PeerList

    @property
    def members(self) -> Members: ...
    @property
    def sessions(self) -> Sized: ...
    @property
    def may_download(self) -> bool: ...
    @property
    def is_complete(self) -> bool: ...
    def now(self) -> float: ...
    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...
    def local_handshake(self) -> Handshake: ...
    def source_of(self, endpoint: Endpoint) -> Source: ...


class Dialer:
    """Dials what the peer list offers, within the node's limits."""

    def __init__(self, torrent: Swarm) -> None:
        self._torrent = torrent
        self.failures: dict[Endpoint, Failure] = {}
        """How the last dial of an address failed."""
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
            partial(self._introduced, endpoint),
            lambda _, reason: self._failed(endpoint, reason, Failure.SENT_AWAY),
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
            self._failed(endpoint, str(error), _kind(error))
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
            self.failures.pop(endpoint, None)

    def _failed(self, endpoint: Endpoint, reason: str, kind: Failure) -> None:
        if self._settled(endpoint):
            self.failures[endpoint] = kind
            if len(self.failures) > MAX_FAILURES:
                del self.failures[next(iter(self.failures))]
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


def _kind(error: OSError) -> Failure:
    if isinstance(error, ConnectionRefusedError):
        return Failure.REFUSED
    return Failure.TIMED_OUT if isinstance(error, TimeoutError) else Failure.UNREACHABLE
