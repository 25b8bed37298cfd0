"""Peer exchange in one swarm (BEP 11): what our neighbours are told of each other, and tell us.

Threats: floods and nonsense (X1, X2: `pex.intake`), addresses that nobody should dial (X3 to X6:
`PeerList`, which books them to the neighbour's IP, so that a new connection is no new budget), our
own hearsay (X7: we tell of peers only that completed a handshake), neighbours that would learn of
our own network (they hear of its addresses only if they are in it), private swarms (BEP 27, T12,
X9: nothing is offered, said or heard there).
"""

from typing import TYPE_CHECKING

from formats.endpoint import Endpoint, classify
from node.peer.extension import UT_HOLEPUNCH, UT_PEX
from node.torrent.dial_budget import ban_key
from node.torrent.known_peer import Source, SourceKind, allow_by_class
from node.torrent.session import PeerSession
from pex.delta import PexDelta
from pex.intake import PexAbuse, PexIntake
from pex.message import PeerFlags
from pex.recent import RecentContacts

if TYPE_CHECKING:
    from node.torrent.torrent import Torrent


class Gossip:
    """Tells every neighbour who else is here, at once and then once a minute, and listens."""

    def __init__(self, torrent: "Torrent") -> None:
        self._torrent = torrent
        self._recent = RecentContacts()
        self._neighbours: dict[PeerSession, _Neighbour] = {}

    @property
    def is_allowed(self) -> bool:
        """Whether peers are exchanged here at all."""
        return self._torrent.context.use_pex and not self._torrent.metainfo.is_private

    def tick(self, now: float) -> None:
        """About once a second: tell those whose turn it is what has changed."""
        if not self.is_allowed:
            return
        live = self._live()
        for session in self._torrent.sessions:
            protocol = session.connection.protocol
            if UT_PEX in protocol.remote_extensions:
                delta = self._neighbour(session, now).delta
                message = delta.next_message(live, self._recent, now)
                if message is not None:
                    protocol.send_extension(UT_PEX, message.encode())
                    session.connection.request_flush()

    def received(self, session: PeerSession, payload: bytes, now: float) -> None:
        """A neighbour tells us of others: dial them, as far as we are short of peers."""
        neighbour = self._neighbour(session, now)
        try:
            message = neighbour.intake.receive(payload, now)
        except PexAbuse as error:
            session.connection.close(str(error))
            return
        if message is None:
            return
        for contact, flags in message.added.items():
            self._torrent.peer_list.add(
                contact, neighbour.source, now, seed=PeerFlags.SEED in flags
            )
        self._torrent.dial(now)

    def parted(self, session: PeerSession) -> None:
        """We leave a peer for no fault of its: others may want it (BEP 11)."""
        if session.listens and session.connection.close_reason is None:
            self._recent.add(session.endpoint, self._flags(session))

    def left(self, session: PeerSession) -> None:
        """A connection is over."""
        self._neighbours.pop(session, None)

    def _live(self) -> dict[Endpoint, PeerFlags]:
        return {
            session.endpoint: self._flags(session)
            for session in self._torrent.sessions
            if session.listens
        }

    def _flags(self, session: PeerSession) -> PeerFlags:
        flags = PeerFlags(0)
        if session.upload_only or self._torrent.picker.is_seed(session):
            flags |= PeerFlags.SEED
        if UT_HOLEPUNCH in session.connection.protocol.remote_extensions:
            flags |= PeerFlags.HOLEPUNCH
        if session.connection.is_outgoing:
            flags |= PeerFlags.OUTGOING
        return flags

    def _neighbour(self, session: PeerSession, now: float) -> "_Neighbour":
        neighbour = self._neighbours.get(session)
        if neighbour is None:
            neighbour = _Neighbour(
                session, now, allow_local=self._torrent.context.allow_local_peers
            )
            self._neighbours[session] = neighbour
        return neighbour


class _Neighbour:
    """What passed between us and one neighbour."""

    __slots__ = ("_allow_local", "_session", "delta", "intake", "source")

    def __init__(self, session: PeerSession, now: float, *, allow_local: bool) -> None:
        remote = session.connection.remote
        self.source = Source(SourceKind.PEX, ban_key(remote), classify(remote.host))
        """How its word counts."""
        self.delta = PexDelta(now, allow=self._may_hear_of)
        self.intake = PexIntake(now)
        self._session = session
        self._allow_local = allow_local

    def _may_hear_of(self, contact: Endpoint) -> bool:
        """Whether a contact is somebody else, and of a kind that it would believe us."""
        if contact == self._session.endpoint:
            return False
        return self._allow_local or allow_by_class(contact, self.source)
