"""The expected hash of every piece; nothing outside this file knows which algorithm it is."""

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Protocol


class Hasher(Protocol):
    """The hash of one piece, taken bit by bit."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take more bytes of the piece."""

    def digest(self) -> bytes:
        """The digest of all bytes so far."""


@dataclass(frozen=True, slots=True)
class PieceHashes:
    """The hashes of a torrent's pieces (SHA-1, BEP 3)."""

    digests: bytes
    """All digests in the order of their pieces, without gaps."""

    algorithm: ClassVar[str] = "sha1"
    digest_size: ClassVar[int] = 20
    """Bytes."""

    def __len__(self) -> int:
        return len(self.digests) // self.digest_size

    def __repr__(self) -> str:
        return f"<PieceHashes: {len(self)} of {self.algorithm}>"

    @staticmethod
    def hasher() -> Hasher:
        """A hasher for one piece that comes in parts."""
        return hashlib.sha1(usedforsecurity=False)

    def digest(self, index: int) -> bytes:
        """The expected digest of one piece."""
        return self.digests[index * self.digest_size : (index + 1) * self.digest_size]

    def matches(self, index: int, buffer: bytes | bytearray | memoryview) -> bool:
        """Whether `buffer` holds exactly the bytes of piece `index`."""
        return hashlib.sha1(buffer, usedforsecurity=False).digest() == self.digest(index)
