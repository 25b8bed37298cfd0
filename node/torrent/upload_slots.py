"""Who may download from us now: the choker's decisions carried out."""

from typing import TYPE_CHECKING

from node.torrent.choker import ROUND_SECONDS, Choker, PeerState
from node.torrent.dial_budget import ban_key
from node.torrent.session import PeerSession

if TYPE_CHECKING:
    from node.torrent.torrent import Torrent


class UploadSlots:
    """The upload slots of one torrent."""

    def __init__(self, torrent: "Torrent") -> None:
        self._torrent = torrent
        self._choker: Choker[PeerSession] = Choker(
            torrent.context.rng, torrent.context.upload_slots
        )
        self._next_round = torrent.now() + ROUND_SECONDS

    def interested(self, session: PeerSession, now: float) -> None:
        """It wants something of ours: at once if a slot is free."""
        if self._choker.peer_interested(_state(session, now), now):
            session.unchoke()

    def not_interested(self, session: PeerSession, now: float) -> None:
        """Its slot is free for another."""
        self._choker.peer_not_interested(session)
        self._give(now)

    def left(self, session: PeerSession, now: float) -> None:
        """It is gone, and its slot is free for another."""
        self._choker.peer_left(session, now)
        self._give(now)

    def tick(self, now: float) -> None:
        """Every ten seconds a round (BEP 3)."""
        if now < self._next_round:
            return
        self._next_round = now + ROUND_SECONDS
        torrent = self._torrent
        limits = [bucket.rate for bucket in torrent.upload_limits if bucket.rate is not None]
        decision = self._choker.rechoke(
            [_state(session, now) for session in torrent.sessions],
            now,
            seeding=torrent.picker.is_finished,
            capacity=min(limits) if limits else torrent.up.rate(now),
        )
        for session in decision.choke:
            session.choke()
        for session in decision.unchoke:
            session.unchoke()

    def _give(self, now: float) -> None:
        if not self._torrent.is_running:
            return
        for session in self._torrent.sessions:
            protocol = session.connection.protocol
            if protocol.am_choking and protocol.peer_interested:
                self.interested(session, now)


def _state(session: PeerSession, now: float) -> PeerState[PeerSession]:
    return PeerState(
        peer=session,
        source=ban_key(session.connection.remote),
        interested=session.connection.protocol.peer_interested,
        download_rate=session.down.rate(now),
        uploaded=session.up.total,
        snubbed=session.pipeline.snubbed,
        joined=session.connection.connected_at,
    )
