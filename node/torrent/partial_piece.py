"""One piece while its blocks arrive: who was asked for which block, and who gave it."""

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from node.peer.messages import BLOCK_SIZE

Request = tuple[int, int, int]
"""Piece index, offset in the piece, length: the body of a request message (BEP 3)."""

P = TypeVar("P", bound=Hashable)


class Downloader(Generic[P]):
    """What the picker knows of one peer."""

    __slots__ = ("bits", "current", "duplicates", "idle_changes", "idle_until", "peer", "pieces",
                 "refused", "scanned", "source")  # fmt: skip

    def __init__(self, peer: P, source: str) -> None:
        self.peer = peer
        self.source = source
        """The name a ban would go by; normally the IP address."""
        self.bits = 0
        """Pieces the peer has."""
        self.refused = 0
        """Pieces of which it rejected a block since it last unchoked us."""
        self.pieces: dict[int, PartialPiece[P]] = {}
        """Pieces of which it was asked for a block."""
        self.current: dict[int, PartialPiece[P]] = {}
        """Those of `pieces` that may have blocks nobody was asked for."""
        self.duplicates = 0
        """Blocks asked of it in the end game that were asked of another before."""
        self.idle_changes = -1
        """The count of changes when there was last nothing for this peer."""
        self.idle_until = 0.0
        """It is looked at again at this time even without changes."""
        self.scanned = float("-inf")
        """When the end game last looked for a duplicate for this peer, in vain."""


class PartialPiece(Generic[P]):
    """The blocks of one piece. A block is unrequested, asked (of one or more peers) or given."""

    __slots__ = ("alone_until", "asked", "block_count", "extra", "givers", "index", "last_size",
                 "missing", "next", "peers", "returned", "size", "touched", "view")  # fmt: skip

    def __init__(self, index: int, size: int, now: float) -> None:
        self.index = index
        self.size = size
        count = -(-size // BLOCK_SIZE)
        self.block_count = count
        self.last_size = size - (count - 1) * BLOCK_SIZE
        self.view: memoryview | None = None
        """The piece's bytes; taken from the pool when the first block arrives."""
        self.missing = count
        """Blocks not yet received."""
        self.next = 0
        """Blocks from here on were never asked for."""
        self.returned: list[int] = []
        """Blocks that were asked for in vain (or meanwhile arrived all the same)."""
        self.asked: list[Downloader[P] | None] = [None] * count
        self.extra: dict[int, list[Downloader[P]]] = {}
        """End game: who else was asked for a block."""
        self.givers: list[Downloader[P] | None] = [None] * count
        """Who gave each block; None is a block that is missing."""
        self.peers: dict[P, Downloader[P]] = {}
        """Peers that were asked for a block and may still send it."""
        self.alone_until = 0.0
        """Until then only one peer at a time may take part, so that a bad piece has one author."""
        self.touched = now
        """When the piece was started or last received a block."""

    @property
    def is_open(self) -> bool:
        """True while there are blocks that nobody is asked for."""
        return self.next < self.block_count or bool(self.returned)

    @property
    def received(self) -> int:
        """Bytes that would be lost if the piece were dropped now."""
        return (self.block_count - self.missing) * BLOCK_SIZE

    @property
    def is_stranded(self) -> bool:
        """True if no peer is about to send a block of it."""
        return not any(True for _ in self.outstanding())

    def request(self, block: int) -> Request:
        """The request for one block."""
        length = BLOCK_SIZE if block + 1 < self.block_count else self.last_size
        return self.index, block * BLOCK_SIZE, length

    def hand_out(self, downloader: Downloader[P], count: int, into: list[Request]) -> None:
        """Ask `downloader` for up to `count` unrequested blocks, in order of offset."""
        room = len(into) + count
        if self.returned:
            self._hand_out_returned(downloader, room, into)
        start = self.next
        end = min(start + room - len(into), self.block_count)
        if start < end:
            self.next = end
            self.asked[start:end] = [downloader] * (end - start)
            index = self.index
            into += [
                (index, begin, BLOCK_SIZE)
                for begin in range(start * BLOCK_SIZE, end * BLOCK_SIZE, BLOCK_SIZE)
            ]
            if end == self.block_count:
                into[-1] = self.request(end - 1)
        self.peers[downloader.peer] = downloader
        downloader.pieces[self.index] = self

    def _hand_out_returned(self, downloader: Downloader[P], room: int, into: list[Request]) -> None:
        self.returned.sort(reverse=True)
        while self.returned and len(into) < room:
            block = self.returned.pop()
            if self.givers[block] is None and self.asked[block] is None:
                self.asked[block] = downloader
                into.append(self.request(block))

    def duplicate(
        self, downloader: Downloader[P], count: int, into: list[Request], *, most: int
    ) -> None:
        """End game: ask `downloader` too for up to `count` blocks asked of fewer than `most`.

        From the end of the piece, since the others send from its beginning.
        """
        room = len(into) + count
        for block in range(self.next - 1, -1, -1):
            asked = self.asked[block]
            if asked is None or asked is downloader or self.givers[block] is not None:
                continue
            others = self.extra.setdefault(block, [])
            if len(others) + 1 < most and downloader not in others and len(into) < room:
                others.append(downloader)
                downloader.duplicates += 1
                self.peers[downloader.peer] = downloader
                downloader.pieces[self.index] = self
                into.append(self.request(block))
            if not others:
                del self.extra[block]

    def is_asked(self, block: int, downloader: Downloader[P]) -> bool:
        """True while the block is missing and this peer is expected to send it."""
        return self.givers[block] is None and (
            self.asked[block] is downloader or downloader in self.extra.get(block, ())
        )

    def give_back(self, block: int, downloader: Downloader[P]) -> None:
        """`downloader` will not send this block; it is unrequested unless another was asked."""
        others = self.extra.get(block, [])
        if downloader in others:
            others.remove(downloader)
            downloader.duplicates -= 1
        elif self.asked[block] is downloader:
            self.asked[block] = None
            if others:
                heir = others.pop(0)
                heir.duplicates -= 1
                self.asked[block] = heir
            elif self.givers[block] is None:
                self.returned.append(block)
        if not others:
            self.extra.pop(block, None)

    def give_back_all(self, downloader: Downloader[P]) -> None:
        """`downloader` will send nothing more of this piece."""
        for block in range(self.next):
            if self.givers[block] is None:
                self.give_back(block, downloader)
        self.peers.pop(downloader.peer, None)
        downloader.pieces.pop(self.index, None)
        downloader.current.pop(self.index, None)

    def settle(self, block: int) -> list[Downloader[P]]:
        """The block needs no more asking; returns whoever was asked for it."""
        others = self.extra.pop(block, [])
        for other in others:
            other.duplicates -= 1
        asked = self.asked[block]
        return others if asked is None else [asked, *others]

    def outstanding(self) -> Iterator[tuple[P, Request]]:
        """Every open request for a block of this piece."""
        for block in range(self.next):
            if self.givers[block] is None:
                for asked in (self.asked[block], *self.extra.get(block, ())):
                    if asked is not None:
                        yield asked.peer, self.request(block)

    def drop_blocks_of(self, source: str) -> int:
        """Forget the blocks a banned source gave; returns how many."""
        dropped = 0
        for block, giver in enumerate(self.givers):
            if giver is not None and giver.source == source:
                self.givers[block] = None
                self.asked[block] = None
                self.returned.append(block)
                dropped += 1
        self.missing += dropped
        return dropped
