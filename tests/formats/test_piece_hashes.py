"""Nobody but this class knows that pieces are hashed with SHA-1."""

import hashlib

from formats.piece_hashes import PieceHashes

PIECES = [b"first piece", b"second piece", b""]
HASHES = PieceHashes(b"".join(hashlib.sha1(piece).digest() for piece in PIECES))


def test_a_digest_for_every_piece() -> None:
    assert len(HASHES) == 3
    assert HASHES.digest(1).hex() == hashlib.sha1(b"second piece").hexdigest()


def test_only_exactly_the_pieces_bytes_match() -> None:
    assert all(HASHES.matches(index, piece) for index, piece in enumerate(PIECES))
    assert HASHES.matches(0, memoryview(bytearray(PIECES[0])))
    assert not HASHES.matches(0, PIECES[1])
    assert not HASHES.matches(1, PIECES[1] + b"\0")
    assert not HASHES.matches(1, PIECES[1][:-1])


def test_a_hasher_takes_a_piece_in_parts() -> None:
    hasher = HASHES.hasher()
    hasher.update(b"first")
    hasher.update(memoryview(b" piece"))
    assert hasher.digest() == HASHES.digest(0)


def test_it_shows_itself_without_its_bytes() -> None:
    assert repr(HASHES) == "<PieceHashes: 3 of sha1>"
