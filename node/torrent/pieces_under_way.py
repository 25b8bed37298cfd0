"""Pieces between the network and the disk: those that lack blocks, those being hashed and written.

Threats: memory for unfinished pieces (F16: bounded by `memory`).
"""

from collections.abc import Hashable, Iterable
from operator import attrgetter
from typing import Generic, TypeVar

from node.peer.messages import BLOCK_SIZE
from node.torrent.partial_piece import Downloader, PartialPiece
from node.torrent.piece_buffers import PieceBuffers
from node.torrent.piece_sets import PieceSets

MEMORY = 64 * 1024 * 1024
"""Bytes for pieces under way, by default (F16)."""

P = TypeVar("P", bound=Hashable)


class PiecesUnderWay(Generic[P]):
    """Begins, joins, finishes and drops pieces; keeps `sets` in step."""

    __slots__ = ("_most", "buffers", "changes", "open", "partial", "sets", "wasted", "writing")

    def __init__(self, sets: PieceSets, memory: int) -> None:
        self.sets = sets
        self.buffers = PieceBuffers(sets.piece_length)
        self.partial: dict[int, PartialPiece[P]] = {}
        """Pieces that lack blocks."""
        self.open: dict[int, PartialPiece[P]] = {}
        """Those of them that may have blocks nobody is asked for."""
        self.writing: dict[int, PartialPiece[P]] = {}
        """Whole pieces whose hash is not known yet."""
        self.wasted = 0
        """Bytes of blocks that came to nothing."""
        self.changes = 0
        """Counts whatever may give a peer something to do that had nothing until now."""
        self._most = max(2, memory // sets.piece_length)

    @property
    def is_full(self) -> bool:
        """True when no further piece may be begun."""
        return len(self.partial) + len(self.writing) >= self._most

    def begin(self, index: int, now: float) -> PartialPiece[P]:
        """Start a fresh piece."""
        piece = PartialPiece[P](index, self.sets.piece_size(index), now)
        self.sets.begin(index)
        self.partial[index] = self.open[index] = piece
        return piece

    def exhausted(self, piece: PartialPiece[P]) -> None:
        """Every missing block of the piece is asked for."""
        self.open.pop(piece.index, None)

    def give_back(self, piece: PartialPiece[P], downloader: Downloader[P]) -> None:
        """A peer will send nothing more of a piece."""
        piece.give_back_all(downloader)
        self._reopened(piece)

    def whole(self, piece: PartialPiece[P]) -> None:
        """The last block arrived: nobody takes part any more."""
        self._close(piece)
        self.writing[piece.index] = piece

    def written(self, index: int) -> None:
        """A whole piece is right and on disk."""
        self._recycle(self.writing.pop(index))
        self.sets.verified(index)
        self.changes += 1

    def failed(self, index: int) -> None:
        """A whole piece is wrong, or could not be written."""
        self._recycle(self.writing.pop(index))
        self.sets.abandon(index)
        self.changes += 1

    def drop(self, piece: PartialPiece[P]) -> None:
        """Forget an unfinished piece."""
        self.wasted += piece.received
        for block in list(piece.extra):
            piece.settle(block)
        self._close(piece)
        self._recycle(piece)
        self.sets.abandon(piece.index)
        self.changes += 1

    def drop_stranded(self) -> None:
        """Make room: drop the least of the pieces that nobody is about to send a block of."""
        stranded = [piece for piece in self.partial.values() if piece.is_stranded]
        if stranded:
            self.drop(min(stranded, key=attrgetter("received")))

    def drop_blocks_of(self, sources: Iterable[str]) -> None:
        """What liars gave to unfinished pieces is not trusted either."""
        for source in sources:
            for piece in self.partial.values():
                dropped = piece.drop_blocks_of(source)
                if dropped:
                    self.wasted += dropped * BLOCK_SIZE
                    self._reopened(piece)

    def _reopened(self, piece: PartialPiece[P]) -> None:
        if piece.is_open:
            self.open[piece.index] = piece
        self.changes += 1

    def _close(self, piece: PartialPiece[P]) -> None:
        del self.partial[piece.index]
        self.open.pop(piece.index, None)
        for downloader in piece.peers.values():
            downloader.pieces.pop(piece.index, None)
            downloader.current.pop(piece.index, None)
        piece.peers.clear()

    def _recycle(self, piece: PartialPiece[P]) -> None:
        if piece.view is not None:
            self.buffers.give_back(piece.view)
            piece.view = None
