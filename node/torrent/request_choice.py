"""Which blocks to ask a peer for: own pieces, joined pieces, new pieces, the end game.

Rarest first with random ties, random first pieces, end game (BEP 3; Legout et al. 2006). A decision
costs a few whole-swarm operations and is made per piece, not per block.
"""

import random
from collections.abc import Hashable
from operator import attrgetter
from typing import Generic, TypeVar

from node.torrent.availability import Availability
from node.torrent.bitfield import lowest_set_bit, random_set_bit
from node.torrent.partial_piece import Downloader, PartialPiece, Request
from node.torrent.pieces_under_way import PiecesUnderWay
from node.torrent.smart_ban import SmartBan

RANDOM_FIRST = 4
"""Pieces picked at random before the first is complete: something to trade soon (BEP 3)."""

WHOLE_PIECE_SECONDS = 20.0
"""A peer that fetches a piece within this is given pieces of its own (libtorrent's threshold)."""

PAROLE_SECONDS = 5.0
"""How long a suspect keeps a piece to itself; a slow one must not hold up the end."""

SUSPICION_SECONDS = 60.0
"""The same for a piece that failed before: a second failure should have one author."""

IDLE_SECONDS = 1.0
"""A peer for which there was nothing is looked at again after this, changes or not."""

END_GAME_DUPLICATES = 4
"""Blocks at a time that one peer may be asked for although another was asked before."""

END_GAME_PEERS = 2
"""Peers that are asked for the same block; one more if the piece is stuck."""

STUCK_SECONDS = 5.0
"""A piece without a new block for this long is stuck: the end game begins early for it."""

RESCAN_SECONDS = 0.1
"""Between two vain looks for an end-game duplicate for one peer."""

P = TypeVar("P", bound=Hashable)


class _Order(Generic[P]):
    """One refill of one peer's pipeline."""

    __slots__ = ("count", "downloader", "now", "requests", "usable")

    def __init__(self, downloader: Downloader[P], usable: int, count: int, now: float) -> None:
        self.downloader = downloader
        self.usable = usable
        """Pieces that may be asked of the peer."""
        self.count = count
        self.now = now
        self.requests: list[Request] = []

    @property
    def room(self) -> int:
        """Blocks that may still be asked for."""
        return self.count - len(self.requests)


class RequestChoice(Generic[P]):
    """Fills orders from the pieces under way and the fresh ones."""

    __slots__ = ("_availability", "_rng", "_smart_ban", "_under_way", "sequential")

    def __init__(
        self,
        under_way: PiecesUnderWay[P],
        availability: Availability,
        smart_ban: SmartBan,
        rng: random.Random,
        *,
        sequential: bool,
    ) -> None:
        self._under_way = under_way
        self._availability = availability
        self._smart_ban = smart_ban
        self._rng = rng
        self.sequential = sequential
        """Pieces in ascending order instead of rarest first."""

    def requests(
        self,
        downloader: Downloader[P],
        count: int,
        now: float,
        *,
        rate: float,
        allowed: int | None,
    ) -> list[Request]:
        """Up to `count` blocks to ask of a peer, each marked as asked; see the picker."""
        changes = self._under_way.changes
        idle = downloader.idle_changes == changes and now < downloader.idle_until
        if count <= 0 or (idle and allowed is not None):
            return []
        usable = downloader.bits
        if downloader.refused:
            usable &= ~downloader.refused
        if allowed is not None:
            usable &= allowed
        order = _Order(downloader, usable, count, now)
        if not idle:
            self._continue_own(order)
            if order.room:
                self._extend(order, rate)
        if not order.requests and allowed is None:
            if not idle:
                downloader.idle_changes = self._under_way.changes
                downloader.idle_until = now + IDLE_SECONDS
            self._end_game(order)
        return order.requests

    def _continue_own(self, order: _Order[P]) -> None:
        """Blocks of the pieces this peer already takes part in."""
        for index, piece in list(order.downloader.current.items()):
            if order.usable >> index & 1:
                self._take(piece, order)
            if not order.room:
                return

    def _extend(self, order: _Order[P], rate: float) -> None:
        """Blocks of pieces that are new to this peer.

        A fast peer gets whole pieces, so that a piece has one author and few are unfinished; slow
        ones join forces. A suspect fetches alone while that is possible (P11).
        """
        parole = self._smart_ban.on_parole(order.downloader.source)
        whole = rate * WHOLE_PIECE_SECONDS >= self._under_way.sets.piece_length
        if not parole:
            self._join(order, orphans_only=whole)
        if order.room:
            self._begin(order, parole=parole)
        if not order.requests and (parole or whole):
            self._join(order, orphans_only=parole)
        stuck = not order.requests and self._under_way.is_full
        if stuck and order.usable & self._under_way.sets.fresh:
            self._under_way.drop_stranded()
            self._begin(order, parole=parole)

    def _join(self, order: _Order[P], *, orphans_only: bool) -> None:
        """Unrequested blocks of pieces that others began."""
        for index, piece in list(self._under_way.open.items()):
            if not order.room:
                return
            taken = piece.peers and (orphans_only or order.now < piece.alone_until)
            if order.usable >> index & 1 and not taken:
                self._take(piece, order)

    def _begin(self, order: _Order[P], *, parole: bool) -> None:
        """Blocks of pieces nobody has begun, highest priority first."""
        sets = self._under_way.sets
        for level in sets.levels:
            while order.room and not self._under_way.is_full:
                batch = self._equally_good(order.usable & sets.fresh & level)
                if not batch:
                    break
                while batch and order.room and not self._under_way.is_full:
                    index = self._draw(batch)
                    batch ^= 1 << index
                    piece = self._under_way.begin(index, order.now)
                    if self._smart_ban.is_suspicious(index):
                        piece.alone_until = order.now + SUSPICION_SECONDS
                    elif parole:
                        piece.alone_until = order.now + PAROLE_SECONDS
                    self._take(piece, order)

    def _equally_good(self, candidates: int) -> int:
        """Those of `candidates` between which the draw decides."""
        if self.sequential or not candidates:
            return candidates
        if not self._under_way.sets.have and len(self._under_way.partial) < RANDOM_FIRST:
            return 1 << random_set_bit(candidates, self._rng)
        return self._availability.rarest(candidates)

    def _draw(self, batch: int) -> int:
        return lowest_set_bit(batch) if self.sequential else random_set_bit(batch, self._rng)

    def _take(self, piece: PartialPiece[P], order: _Order[P]) -> None:
        downloader = order.downloader
        piece.hand_out(downloader, order.room, order.requests)
        if piece.is_open:
            downloader.current[piece.index] = piece
        else:
            downloader.current.pop(piece.index, None)
            self._under_way.exhausted(piece)

    # The end game

    def _end_game(self, order: _Order[P]) -> None:
        """Blocks that others were asked for: of every piece once nothing else is left to ask,
        before that of pieces that are stuck; the longest untouched first, from the end."""
        downloader = order.downloader
        order.count = min(order.count, END_GAME_DUPLICATES - downloader.duplicates)
        if order.count <= 0 or order.now - downloader.scanned < RESCAN_SECONDS:
            return
        everything = self._nothing_unrequested()
        for piece in sorted(self._under_way.partial.values(), key=attrgetter("touched")):
            stuck = order.now - piece.touched >= STUCK_SECONDS
            if order.now < piece.alone_until or not (stuck or everything):
                continue
            if order.usable >> piece.index & 1:
                most = END_GAME_PEERS + stuck
                piece.duplicate(downloader, order.room, order.requests, most=most)
            if not order.room:
                return
        if not order.requests:
            downloader.scanned = order.now

    def _nothing_unrequested(self) -> bool:
        if any(piece.is_open for piece in self._under_way.open.values()):
            return False
        fresh = self._under_way.sets.fresh
        if self._availability.seeds:
            return not fresh
        return not fresh & self._availability.at_least_one()
