"""Handing out the first copy: each piece once before any twice.

While we hold the only full copy, our uplink is what everybody waits for; a piece sent to two peers
is a piece that a third gets later (Legout et al. 2006; Mundinger et al. 2008). So we do not show
all we have, but reveal pieces to each peer by `have`, as in super-seeding (BEP 16): every piece to
one peer only, until that peer has it; the peers give it to each other. Unlike BEP 16, a peer has
several revealed pieces open at a time, and gets the next one as soon as it has one, so that its
download never waits; only a peer whose pieces turn up nowhere else gets fewer.

Threats: peers that take pieces and pass none on (they are given no more until the others have what
they took, which is revealed to somebody else), stall
(their pieces are revealed to others) or claim pieces they do not have (bounded by those claims: the
distribution then ends early and we seed as usual).
"""

import random
from collections.abc import Hashable
from typing import Generic, TypeVar

from node.torrent.bitfield import all_pieces, random_set_bit, set_bits

WINDOW_PIECES = 4
"""Pieces open at a peer, at least."""

WINDOW_BYTES = 2 * 1024 * 1024
"""Bytes open at a peer, at least: more than a round trip holds at common speeds."""

WINDOW_SECONDS = 2.0
"""Seconds of a peer's measured download that are open to it, at least."""

LARGEST_SHARE = 4
"""No peer has more than one piece in this many open: others come soon and want some too."""

STALL_SECONDS = 30.0
"""A piece revealed for this long without a `have` is revealed to another peer too."""

P = TypeVar("P", bound=Hashable)


class _Leecher:
    __slots__ = ("bits", "is_served", "is_silent", "open", "revealed")

    def __init__(self) -> None:
        self.bits = 0
        self.revealed = 0
        """Pieces this peer was told that we have."""
        self.open: dict[int, float] = {}
        """Pieces revealed that it does not have yet, and since when."""
        self.is_silent = False
        """A whole window of the pieces it got from us has turned up nowhere else."""
        self.is_served = False
        """We let it download."""

    @property
    def is_trusted(self) -> bool:
        """Pieces revealed to it may be expected to reach it soon, and others through it."""
        return self.is_served and not self.is_silent


class FirstCopy(Generic[P]):
    """Which pieces to reveal to whom while no other full copy exists."""

    def __init__(self, piece_count: int, piece_length: int, rng: random.Random) -> None:
        self._everything = all_pieces(piece_count)
        self._piece_length = piece_length
        self._most_open = max(WINDOW_PIECES, piece_count // LARGEST_SHARE)
        self._rng = rng
        self._leechers: dict[P, _Leecher] = {}
        self._out = 0
        """Pieces that a peer has which passes pieces on."""
        self._twice = 0
        """Pieces that at least two peers have."""
        self._unassigned = self._everything
        """Pieces that no peer that passes pieces on has or was told of."""

    @property
    def is_done(self) -> bool:
        """True once the connected peers have every piece between them: seed as usual."""
        if self._out == self._everything:
            return True
        return bool(self._leechers) and all(peer.is_silent for peer in self._leechers.values())

    def revealed(self, peer: P) -> int:
        """The pieces a peer was told that we have: what it may rightly ask for."""
        return self._leechers[peer].revealed

    def peer_joined(self, peer: P, bits: int = 0) -> None:
        """A leecher connected, having `bits`."""
        self._leechers[peer] = _Leecher()
        self.peer_has(peer, bits)

    def peer_has(self, peer: P, bits: int) -> None:
        """A leecher has these pieces besides those it had before."""
        leecher = self._leechers[peer]
        new = bits & ~leecher.bits
        for other in self._leechers.values():
            self._twice |= other.bits & new
        leecher.bits |= new
        for index in [index for index in leecher.open if new >> index & 1]:
            del leecher.open[index]
        if not leecher.is_silent:
            self._out |= new
            self._unassigned &= ~new

    def peer_left(self, peer: P) -> None:
        """A leecher is gone; what only it had or was told of is handed out again."""
        del self._leechers[peer]
        self._twice = seen = 0
        for leecher in self._leechers.values():
            self._twice |= seen & leecher.bits
            seen |= leecher.bits
        self._assign()

    def reveal(self, peer: P, rate: float, now: float, *, unchoked: bool = True) -> list[int]:
        """Pieces to announce to a peer by `have` now; `rate` is what we send it, bytes/s.

        Ask again whenever it reports a piece or is unchoked or choked, and every few seconds. A
        choked peer is only shown one piece, to be interested. When the first copy is out this
        returns everything the peer was not told of and does not have.
        """
        leecher = self._leechers[peer]
        if leecher.is_served is not unchoked:
            leecher.is_served = unchoked
            leecher.open = dict.fromkeys(leecher.open, now)
            self._assign()
        window = max(
            WINDOW_PIECES,
            -(-WINDOW_BYTES // self._piece_length),
            int(rate * WINDOW_SECONDS / self._piece_length),
        )
        self._judge(leecher, window)
        if self.is_done:
            return self.reveal_all(peer)
        window = min(window, self._most_open)
        if len(self._leechers) > 1:  # trust grows with every piece taken, as in TCP's slow start
            window = min(window, WINDOW_PIECES + (leecher.revealed & leecher.bits).bit_count())
        chosen: list[int] = []
        while len(leecher.open) < (window if unchoked else 1) and not leecher.is_silent:
            index = self._next(leecher, now)
            if index is None:
                break
            leecher.open[index] = now
            leecher.revealed |= 1 << index
            if unchoked:
                self._unassigned &= ~(1 << index)
            chosen.append(index)
        return chosen

    def reveal_all(self, peer: P) -> list[int]:
        """Everything a peer was not told of: for one that wants nothing of what it was shown."""
        leecher = self._leechers[peer]
        rest = self._everything & ~(leecher.revealed | leecher.bits)
        leecher.revealed |= rest
        return list(set_bits(rest))

    def _judge(self, leecher: _Leecher, window: int) -> None:
        silent = (leecher.revealed & leecher.bits & ~self._twice).bit_count()
        is_silent = len(self._leechers) > 1 and silent >= window
        if is_silent is not leecher.is_silent:
            leecher.is_silent = is_silent
            self._assign()

    def _assign(self) -> None:
        """Who gets or passes on pieces has changed: see anew what is out and what is promised."""
        self._out = promised = 0
        for leecher in self._leechers.values():
            if not leecher.is_silent:
                self._out |= leecher.bits
            if leecher.is_trusted:
                for index in leecher.open:
                    promised |= 1 << index
        self._unassigned = self._everything & ~(self._out | promised)

    def _next(self, leecher: _Leecher, now: float) -> int | None:
        """A piece promised to nobody; else one that another peer was promised long ago."""
        hidden = ~(leecher.revealed | leecher.bits)
        if self._unassigned & hidden:
            return random_set_bit(self._unassigned & hidden, self._rng)
        for other in self._leechers.values():
            for index, since in other.open.items():
                if now - since >= STALL_SECONDS and (hidden & ~self._out) >> index & 1:
                    return index
        return None
