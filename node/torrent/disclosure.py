"""What each peer is told that we have: all of it, or, from the only full copy, each piece once."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from node.peer.allowed_fast import allowed_fast_set
from node.torrent import bitfield
from node.torrent.first_copy import FirstCopy
from node.torrent.session import PeerSession

if TYPE_CHECKING:
    from node.torrent.torrent import Torrent

REVEAL_SECONDS = 5.0
"""Between two looks at pieces that got stuck at a peer (`FirstCopy` waits for thirty)."""

INTEREST_SECONDS = 2.0
"""In which a peer says that it wants a piece it was shown: longer than a slow round trip."""


class Disclosure:
    """Tells peers what we have, by bitfield and `have`.

    While we are the only full copy, pieces are revealed one by one as `FirstCopy` decides; that
    ends when the peers hold a copy between them, or when another seed turns up.
    """

    def __init__(self, torrent: "Torrent") -> None:
        self._torrent = torrent
        self._first_copy: FirstCopy[PeerSession] | None = None
        self._next_look = 0.0

    @property
    def is_first_copy(self) -> bool:
        """Whether pieces are being revealed one by one."""
        return self._first_copy is not None

    def hand_out_first_copy(self) -> None:
        """We have everything, and nobody else is known to: reveal each piece once before twice."""
        metainfo = self._torrent.metainfo
        assert not self._torrent.sessions
        self._first_copy = FirstCopy(
            metainfo.piece_count, metainfo.piece_length, self._torrent.context.rng
        )

    def other_seeds_exist(self) -> None:
        """Ours is not the only full copy: hide nothing any more."""
        first_copy = self._first_copy
        if first_copy is None:
            return
        self._first_copy = None
        for session in self._torrent.sessions:
            hidden = self._torrent.picker.have & ~first_copy.revealed(session)
            self._say(session, bitfield.set_bits(hidden & ~self._bits(session)))

    def greet(self, session: PeerSession) -> None:
        """The first thing a peer hears of our pieces."""
        torrent = self._torrent
        shown = 0 if self._first_copy is not None else torrent.picker.have
        session.connection.protocol.send_bitfield(
            bitfield.to_wire(shown, torrent.metainfo.piece_count)
        )
        if self._first_copy is not None:
            self._first_copy.peer_joined(session)
            self._reveal(session)
        elif torrent.is_seed and session.connection.protocol.supports_fast:
            for index in allowed_fast_set(
                session.endpoint.host, torrent.info_hash, piece_count=torrent.picker.piece_count
            ):
                session.connection.protocol.allowed_fast(index)

    def peer_gained(self, session: PeerSession) -> None:
        """A peer has more pieces than before: its turn to be told of another."""
        first_copy = self._first_copy
        if first_copy is None:
            return
        if self._torrent.picker.is_seed(session) and not first_copy.revealed(session):
            self.other_seeds_exist()
            return
        first_copy.peer_has(session, self._bits(session))
        if first_copy.is_done:
            self.other_seeds_exist()
        else:
            self._reveal(session)

    def turn_began(self, session: PeerSession) -> None:
        """A peer was unchoked: it may be promised pieces."""
        if self._first_copy is not None:
            self._reveal(session)

    def peer_left(self, session: PeerSession) -> None:
        """What only that peer was told of is anybody's again."""
        if self._first_copy is not None:
            self._first_copy.peer_left(session)

    def verified(self, index: int) -> None:
        """We completed a piece: tell everybody.

        Those who have it want to know too: a seed counts the copies, and one that reveals pieces
        one by one (BEP 16) waits for this before it reveals another.
        """
        for session in self._torrent.sessions:
            self._say(session, (index,))

    def lost(self, index: int) -> None:
        """A piece of ours is gone from the disk: take back what was said of it (BEP 54)."""
        first_copy = self._first_copy
        for session in self._torrent.sessions:
            if first_copy is None or first_copy.revealed(session) >> index & 1:
                session.piece_lost(index)

    def may_ask(self, session: PeerSession, index: int) -> bool:
        """Whether a peer was told that we have this piece."""
        if self._first_copy is not None:
            return bool(self._first_copy.revealed(session) >> index & 1)
        return bool(self._torrent.picker.have >> index & 1)

    def tick(self, now: float) -> None:
        """About once a second: who wants nothing of what it was shown is shown everything, for it
        may want few files only; pieces that got stuck are revealed to another peer.
        """
        first_copy = self._first_copy
        if first_copy is None:
            return
        for session in self._torrent.sessions:
            if session.connection.protocol.peer_interested:
                session.wants_nothing_since = now
            elif now - session.wants_nothing_since >= INTEREST_SECONDS:
                self._say(session, first_copy.reveal_all(session))
        if now >= self._next_look:
            self._next_look = now + REVEAL_SECONDS
            for session in self._torrent.sessions:
                self._reveal(session)

    def _reveal(self, session: PeerSession) -> None:
        assert self._first_copy is not None
        now = self._torrent.now()
        unchoked = not session.connection.protocol.am_choking
        rate = session.up.rate(now)
        self._say(session, self._first_copy.reveal(session, rate, now, unchoked=unchoked))

    def _say(self, session: PeerSession, indices: Iterable[int]) -> None:
        for index in indices:
            session.connection.protocol.have(index)
        session.connection.request_flush()

    def _bits(self, session: PeerSession) -> int:
        return self._torrent.picker.bits_of(session)
