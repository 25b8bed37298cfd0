"""Putting a torrent's metadata together from the pieces of strangers (BEP 9).

Nothing about a piece can be checked alone: only the SHA-1 of the whole is known. What peers may try
(P14), and the answer:

* state a wrong size, each another one: every size is a copy of its own, all are fetched at once,
  and the first that verifies wins;
* send a false piece of the right size: the copy fails, and each of its contributors is from then on
  asked for a whole copy of its own, side by side, so that the honest one verifies at once and the
  liar convicts itself;
* take requests and never answer: another peer is asked after REASK_SECONDS;
* a wrong `total_size`, a piece of the wrong length or never asked for: the peer is dropped, and
  what it gave with it;
* fill the memory with copies that come to nothing: MAX_HELD bytes for all.
"""

import hashlib
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from formats.identifiers import InfoHash
from node.peer.errors import Breach, PeerError
from node.torrent.metadata import MetadataPiece, piece_count, piece_size

PIPELINE = 8
"""Requests that may be under way to one peer."""
REASK_SECONDS = 3.0
"""A piece that was asked of one peer is not asked of another before this."""
MAX_HELD = 40_000_000
"""Bytes of all unfinished copies: four of the largest."""
MAX_SUSPECTS = 1_000
"""Sources of failed copies remembered."""

P = TypeVar("P", bound=Hashable)

CopyKey = tuple[int, str | None]
"""Size in bytes, and the one source of a suspect's copy; None: all who state that size."""


class Complete(NamedTuple):
    """The metadata, verified."""

    info_bytes: bytes


class Liar(NamedTuple):
    """A source whose copy, all its own, is false."""

    source: str


class _Copy:
    """One attempt at metadata of one size."""

    __slots__ = ("asked_at", "held", "pieces", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.pieces: dict[int, tuple[bytes, str]] = {}
        """What came, with its source."""
        self.asked_at: dict[int, float] = {}
        """When somebody was last asked for a piece."""
        self.held = 0
        """Bytes that came."""

    @property
    def count(self) -> int:
        return piece_count(self.size)

    def store(self, piece: int, data: bytes, source: str) -> None:
        self.pieces[piece] = data, source
        self.held += len(data)

    def drop(self, source: str) -> None:
        """Forget what a source gave."""
        for piece in [p for p, (_, giver) in self.pieces.items() if giver == source]:
            self.held -= len(self.pieces.pop(piece)[0])
            self.asked_at.pop(piece, None)


class _Supporter:
    """A peer that offers metadata."""

    __slots__ = ("asked", "is_refusing", "size", "source")

    def __init__(self, source: str, size: int) -> None:
        self.source = source
        self.size = size
        self.asked: dict[int, None] = {}
        """Pieces it owes us."""
        self.is_refusing = False


class MetadataAssembly(Generic[P]):
    """The copies under way. `source` is what a liar goes by, such as its IP; times are seconds."""

    def __init__(self, info_hash: InfoHash) -> None:
        self._info_hash = info_hash
        self._peers: dict[P, _Supporter] = {}
        self._copies: dict[CopyKey, _Copy] = {}
        self._suspects: dict[str, None] = {}
        self.bad_copies = 0
        """Copies that were complete and false."""

    def offered(self, peer: P, source: str, size: int) -> None:
        """A peer states that it has metadata of `size` bytes."""
        known = self._peers.get(peer)
        if known is None or known.size != size:
            self._peers[peer] = _Supporter(source, size)

    def left(self, peer: P) -> None:
        """A peer is gone; what it gave is kept, what it was asked for is free."""
        supporter = self._peers.pop(peer, None)
        if supporter is not None:
            self._release(supporter)

    def requests(self, peer: P, now: float) -> list[int]:
        """The pieces to ask this peer for now; they count as asked."""
        supporter = self._peers.get(peer)
        if supporter is None or supporter.is_refusing:
            return []
        copy = self._copy(supporter)
        room = PIPELINE - len(supporter.asked)
        chosen: list[int] = []
        for piece in range(copy.count):
            if len(chosen) >= room:
                break
            if piece in copy.pieces or piece in supporter.asked:
                continue
            asked_at = copy.asked_at.get(piece)
            if asked_at is None or now - asked_at >= REASK_SECONDS:
                chosen.append(piece)
        supporter.asked.update(dict.fromkeys(chosen))
        copy.asked_at.update(dict.fromkeys(chosen, now))
        return chosen

    def received(self, peer: P, message: MetadataPiece) -> Complete | Liar | None:
        """A piece came. Raises PeerError if it cannot be what we asked the peer for."""
        supporter = self._peers.get(peer)
        if supporter is None or message.piece not in supporter.asked:
            raise PeerError(Breach.BAD_EXTENSION_MESSAGE)
        copy = self._copy(supporter)
        if message.total_size not in (None, copy.size) or len(message.data) != piece_size(
            copy.size, message.piece
        ):
            copy.drop(supporter.source)
            self._suspect(supporter.source)
            raise PeerError(Breach.BAD_EXTENSION_MESSAGE)
        del supporter.asked[message.piece]
        if message.piece in copy.pieces:
            return None
        copy.store(message.piece, message.data, supporter.source)
        if len(copy.pieces) == copy.count:
            return self._judge(self._key(supporter), copy)
        self._make_room()
        return None

    def rejected(self, peer: P, piece: int) -> None:
        """The peer does not give a piece: it is asked for nothing more."""
        supporter = self._peers.get(peer)
        if supporter is not None and piece in supporter.asked:
            supporter.is_refusing = True
            self._release(supporter)

    @property
    def sizes(self) -> dict[int, int]:
        """How many peers state each size."""
        sizes: dict[int, int] = {}
        for supporter in self._peers.values():
            sizes[supporter.size] = sizes.get(supporter.size, 0) + 1
        return sizes

    @property
    def progress(self) -> tuple[int, int]:
        """Pieces that have come, of how many: of the copy that lacks the least."""
        copies = [(len(copy.pieces), copy.count) for copy in self._copies.values()]
        return max(copies, key=lambda copy: copy[0] / copy[1], default=(0, 0))

    def _key(self, supporter: _Supporter) -> CopyKey:
        alone = supporter.source in self._suspects
        return supporter.size, supporter.source if alone else None

    def _copy(self, supporter: _Supporter) -> _Copy:
        return self._copies.setdefault(self._key(supporter), _Copy(supporter.size))

    def _judge(self, key: CopyKey, copy: _Copy) -> Complete | Liar | None:
        """All pieces are there: is it what the info hash names?"""
        info_bytes = b"".join(copy.pieces[piece][0] for piece in range(copy.count))
        if hashlib.sha1(info_bytes, usedforsecurity=False).digest() == self._info_hash:
            return Complete(info_bytes)
        self.bad_copies += 1
        del self._copies[key]
        sources = dict.fromkeys(source for _, source in copy.pieces.values())
        if len(sources) == 1:
            return Liar(*sources)
        for source in sources:
            self._suspect(source)
        return None

    def _suspect(self, source: str) -> None:
        self._suspects[source] = None
        if len(self._suspects) > MAX_SUSPECTS:
            del self._suspects[next(iter(self._suspects))]

    def _release(self, supporter: _Supporter) -> None:
        """Others may be asked at once for what this peer owes."""
        copy = self._copy(supporter)
        for piece in supporter.asked:
            copy.asked_at.pop(piece, None)
        supporter.asked.clear()
        if not copy.pieces and not any(
            self._key(other) == self._key(supporter) for other in self._peers.values()
        ):
            del self._copies[self._key(supporter)]

    def _make_room(self) -> None:
        """Give up the copy that fewest peers support, and that holds the most, if need be."""
        if sum(copy.held for copy in self._copies.values()) <= MAX_HELD:
            return
        supporters = dict.fromkeys(self._copies, 0)
        for supporter in self._peers.values():
            key = self._key(supporter)
            supporters[key] = supporters.get(key, 0) + 1
        worst = min(self._copies, key=lambda key: (supporters[key], -self._copies[key].held))
        del self._copies[worst]
