"""Which block to ask of whom, and where arriving blocks go.

The picker joins the policies of a download: which pieces are wanted (`piece_sets`), what the swarm
has (`availability`), what is under way (`pieces_under_way`), what to ask next (`request_choice`)
and who lies (`smart_ban`). Sets of pieces are integers (`bitfield`).

Threats: bogus `have` (P12: availability only orders the choice), a peer that rejects everything
(P10: a refused piece is not asked of it again until it unchokes anew), blocks nobody asked for
(P8: counted as waste), corrupt data (P11), memory for unfinished pieces (F16).
"""

import random
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from node.peer.messages import BLOCK_SIZE
from node.torrent.availability import Availability
from node.torrent.partial_piece import Downloader, PartialPiece, Request
from node.torrent.piece_sets import PieceSets
from node.torrent.pieces_under_way import MEMORY, PiecesUnderWay
from node.torrent.request_choice import RequestChoice
from node.torrent.smart_ban import SmartBan

__all__ = ["BlockOutcome", "PiecePicker", "Request"]

_WITHIN_BLOCK = BLOCK_SIZE - 1
"""Bits of an offset that are not 0 if it does not start a block."""

P = TypeVar("P", bound=Hashable)


@dataclass(frozen=True, slots=True)
class BlockOutcome(Generic[P]):
    """What follows from a block, if anything does."""

    cancel: tuple[P, ...]
    """Other peers that were asked for this block: send them a cancel."""
    complete: memoryview | None
    """The whole piece, to be hashed and written; then call `piece_verified` or `piece_failed`."""


class PiecePicker(Generic[P]):
    """The download of one torrent. Peers are any hashable keys."""

    def __init__(
        self,
        piece_length: int,
        total_size: int,
        *,
        rng: random.Random,
        have: int = 0,
        memory: int = MEMORY,
        sequential: bool = False,
    ) -> None:
        self._sets = PieceSets(piece_length, total_size)
        self._sets.set_have(have)
        self.availability = Availability(self._sets.everything)
        self._under_way: PiecesUnderWay[P] = PiecesUnderWay(self._sets, memory)
        self._partial = self._under_way.partial
        self._smart_ban = SmartBan(BLOCK_SIZE)
        self._choice = RequestChoice(
            self._under_way, self.availability, self._smart_ban, rng, sequential=sequential
        )
        self._peers: dict[P, Downloader[P]] = {}

    # Peers and what they have

    def peer_joined(self, peer: P, source: str, bits: int = 0) -> None:
        """A peer connected; `source` is the name a ban of it goes by (normally its IP address)."""
        assert peer not in self._peers
        self._peers[peer] = Downloader(peer, source)
        self.peer_has(peer, bits)

    def peer_has(self, peer: P, bits: int) -> None:
        """A peer has these pieces (have, bitfield, have all) besides those it had before."""
        downloader = self._peers[peer]
        before = downloader.bits
        downloader.bits = before | bits
        if downloader.bits != before:
            self.availability.changed(before, downloader.bits)
            downloader.idle_changes = -1

    def peer_lost(self, peer: P, index: int) -> None:
        """A peer does not have a piece any more (BEP 54)."""
        downloader = self._peers[peer]
        before = downloader.bits
        downloader.bits = before & ~(1 << index)
        self.availability.changed(before, downloader.bits)
        piece = downloader.pieces.get(index)
        if piece is not None:
            self._under_way.give_back(piece, downloader)

    def peer_left(self, peer: P) -> None:
        """A peer is gone: its copies no longer count and its blocks are unrequested again."""
        self.peer_choked(peer)
        self.availability.changed(self._peers.pop(peer).bits, 0)

    def bits_of(self, peer: P) -> int:
        """The pieces a peer has."""
        return self._peers[peer].bits

    def is_seed(self, peer: P) -> bool:
        """True if the peer has every piece."""
        return self._peers[peer].bits == self._sets.everything

    def is_interesting(self, peer: P) -> bool:
        """True if the peer has a piece that we want and have not verified."""
        return bool(self._peers[peer].bits & self._sets.needed)

    def on_parole(self, peer: P) -> bool:
        """True while the peer's source is suspected of sending corrupt data (P11)."""
        return self._smart_ban.on_parole(self._peers[peer].source)

    # Requests

    def next_requests(
        self, peer: P, count: int, now: float, *, rate: float = 0.0, allowed: int | None = None
    ) -> list[Request]:
        """Up to `count` blocks to ask of a peer, each marked as asked.

        `rate` is the peer's measured speed in bytes per second. `allowed` limits the choice to a
        set of pieces: the allowed-fast ones while the peer chokes us (BEP 6).
        """
        downloader = self._peers[peer]
        return self._choice.requests(downloader, count, now, rate=rate, allowed=allowed)

    def request_rejected(self, peer: P, index: int, begin: int) -> None:
        """The peer will not send this block (BEP 6): nor, we take it, the rest of the piece.

        The piece is not asked of it again before it unchokes anew. A reject of what is not asked
        of it any more (an answer to a cancel) changes nothing.
        """
        downloader = self._peers[peer]
        piece = downloader.pieces.get(index)
        if piece is not None and piece.is_asked(begin // BLOCK_SIZE, downloader):
            downloader.refused |= 1 << index
            self._under_way.give_back(piece, downloader)

    def peer_choked(self, peer: P) -> None:
        """The peer's open requests are void (BEP 3 choke, or it snubbed us): others may be asked.

        A block that arrives all the same is still welcome.
        """
        downloader = self._peers[peer]
        for piece in list(downloader.pieces.values()):
            self._under_way.give_back(piece, downloader)

    def peer_unchoked(self, peer: P) -> None:
        """What the peer refused before may be asked of it again."""
        downloader = self._peers[peer]
        downloader.refused = 0
        downloader.idle_changes = -1

    # Blocks

    def block_received(
        self, peer: P, index: int, begin: int, data: memoryview, now: float
    ) -> BlockOutcome[P] | None:
        """Keep a block. `data` is copied. None means: nothing follows from it."""
        piece = self._partial.get(index)
        downloader = self._peers.get(peer)
        size = len(data)
        end = begin + size
        if (
            piece is None
            or downloader is None
            or begin & _WITHIN_BLOCK
            or (size != BLOCK_SIZE and end != piece.size)
            or end > piece.size
            or piece.givers[begin // BLOCK_SIZE] is not None
        ):
            self._under_way.wasted += size
            return None
        view = piece.view
        if view is None:
            view = piece.view = self._under_way.buffers.take(piece.size)
        view[begin:end] = data
        block = begin // BLOCK_SIZE
        piece.givers[block] = downloader
        piece.touched = now
        piece.missing -= 1
        if piece.missing and piece.asked[block] is downloader and not piece.extra:
            return None
        asked = piece.settle(block)
        cancel = tuple(other.peer for other in asked if other is not downloader)
        if piece.missing:
            return BlockOutcome(cancel, None) if cancel else None
        self._under_way.whole(piece)
        return BlockOutcome(cancel, view)

    # Whole pieces

    def piece_verified(self, index: int) -> list[str]:
        """The piece is right and on disk; its buffer is reused from now on.

        Returns the sources that this piece has shown to be liars: ban them (P11).
        """
        piece = self._under_way.writing[index]
        assert piece.view is not None
        liars = self._smart_ban.piece_passed(index, piece.view, _sources(piece))
        self._under_way.written(index)
        self._under_way.drop_blocks_of(liars)
        return liars

    def piece_failed(self, index: int) -> list[str]:
        """The piece is wrong; it will be fetched again. Returns the sources to ban now (P11)."""
        piece = self._under_way.writing[index]
        assert piece.view is not None
        self._under_way.wasted += piece.size
        liars = self._smart_ban.piece_failed(index, piece.view, _sources(piece))
        self._under_way.failed(index)
        self._under_way.drop_blocks_of(liars)
        return liars

    def piece_not_written(self, index: int) -> None:
        """The disk refused a piece (F1): it will be fetched again, nobody is to blame."""
        self._under_way.failed(index)

    def piece_lost(self, index: int) -> None:
        """A piece that was verified can no longer be read (F3): it is wanted again."""
        self._sets.lost(index)
        self._under_way.changes += 1

    # What is wanted, and how far we are

    def set_have(self, have: int) -> None:
        """What a check of the disk found; called while nothing is under way."""
        assert not self._sets.busy
        self._sets.set_have(have)
        self._under_way.changes += 1

    def set_priorities(
        self, *, high: int = 0, low: int = 0, skip: int = 0
    ) -> list[tuple[P, Request]]:
        """Set what is wanted, as sets of pieces; all others are normal.

        Unfinished pieces that are now skipped are dropped. Returns their open requests: cancel
        them.
        """
        self._sets.set_priorities(high=high, low=low, skip=skip)
        cancel: list[tuple[P, Request]] = []
        for piece in list(self._partial.values()):
            if skip >> piece.index & 1:
                cancel += piece.outstanding()
                self._under_way.drop(piece)
        self._under_way.changes += 1
        return cancel

    @property
    def sequential(self) -> bool:
        """Pieces in ascending order instead of rarest first."""
        return self._choice.sequential

    @sequential.setter
    def sequential(self, sequential: bool) -> None:
        self._choice.sequential = sequential

    @property
    def have(self) -> int:
        """Verified pieces."""
        return self._sets.have

    @property
    def needed(self) -> int:
        """Pieces wanted and not verified."""
        return self._sets.needed

    @property
    def is_finished(self) -> bool:
        """True when every wanted piece is verified."""
        return not self._sets.needed

    @property
    def piece_count(self) -> int:
        """Pieces of the torrent."""
        return self._sets.piece_count

    @property
    def piece_length(self) -> int:
        """Bytes of a piece other than the last."""
        return self._sets.piece_length

    def size_of(self, bits: int) -> int:
        """Bytes of a set of pieces."""
        return self._sets.size_of(bits)

    @property
    def bytes_left(self) -> int:
        """Bytes of the wanted pieces that are not verified."""
        return self._sets.size_of(self._sets.needed)

    @property
    def wasted(self) -> int:
        """Bytes of blocks that came to nothing: duplicates, corrupt and dropped pieces."""
        return self._under_way.wasted

    @property
    def buffers_in_use(self) -> int:
        """Piece buffers that hold data under way."""
        return self._under_way.buffers.in_use


def _sources(piece: PartialPiece[P]) -> list[str]:
    return [giver.source for giver in piece.givers if giver is not None]
