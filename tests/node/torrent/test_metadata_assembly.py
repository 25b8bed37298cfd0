"""Metadata from many peers, some of whom lie (P14)."""

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.identifiers import InfoHash
from node.peer.errors import PeerError
from node.torrent.metadata import PIECE_SIZE, MetadataPiece, piece_count, piece_size
from node.torrent.metadata_assembly import (
    MAX_HELD,
    PIPELINE,
    REASK_SECONDS,
    Complete,
    Liar,
    MetadataAssembly,
)

INFO = random.Random(9).randbytes(3 * PIECE_SIZE + 100)
SIZE = len(INFO)
HASH = InfoHash(hashlib.sha1(INFO).digest())


def assembly(*peers: str, size: int = SIZE) -> MetadataAssembly[str]:
    """With peers that are sources of their own names."""
    made: MetadataAssembly[str] = MetadataAssembly(HASH)
    for peer in peers:
        made.offered(peer, peer, size)
    return made


def piece(index: int, *, size: int = SIZE, spoil: bool = False) -> MetadataPiece:
    data = INFO[index * PIECE_SIZE : (index + 1) * PIECE_SIZE].ljust(piece_size(size, index), b"-")
    return MetadataPiece(index, size, bytes(len(data)) if spoil else data[:PIECE_SIZE])


def test_one_peer_sends_it_all() -> None:
    work = assembly("a")
    assert work.requests("a", 0.0) == [0, 1, 2, 3]
    assert work.requests("a", 0.0) == []
    for index in (2, 0, 3):
        assert work.received("a", piece(index)) is None
    assert work.progress == (3, 4)
    assert work.received("a", piece(1)) == Complete(INFO)


def test_no_more_than_a_pipeline_of_requests() -> None:
    work = assembly("a", size=100 * PIECE_SIZE)
    assert work.requests("a", 0.0) == list(range(PIPELINE))
    work.received("a", piece(0, size=100 * PIECE_SIZE))
    assert work.requests("a", 0.0) == [PIPELINE]


def test_several_peers_share_the_work() -> None:
    size = 20 * PIECE_SIZE
    work = assembly("a", "b", size=size)
    assert work.requests("a", 0.0) == list(range(8))
    assert work.requests("b", 0.0) == list(range(8, 16))


def test_a_piece_is_asked_of_another_after_three_seconds() -> None:
    work = assembly("silent", "b")
    work.requests("silent", 0.0)
    assert work.requests("b", REASK_SECONDS - 0.1) == []
    assert work.requests("b", REASK_SECONDS) == [0, 1, 2, 3]
    assert work.received("silent", piece(0)) is None  # late is better than never
    assert work.received("b", piece(0)) is None  # and twice is no harm
    assert work.progress == (1, 4)


def test_what_a_peer_owes_is_free_when_it_leaves() -> None:
    work = assembly("a", "b")
    work.requests("a", 0.0)
    work.received("a", piece(0))
    work.left("a")
    assert work.requests("b", 0.1) == [1, 2, 3]


def test_a_peer_that_refuses_is_asked_no_more() -> None:
    work = assembly("a", "b")
    work.requests("a", 0.0)
    work.rejected("a", 0)
    assert work.requests("b", 0.0) == [0, 1, 2, 3]
    assert work.requests("a", 100.0) == []
    work.rejected("b", 77)  # of nothing that it owes
    assert work.received("b", piece(0)) is None


def test_p14_differing_sizes_are_fetched_side_by_side() -> None:
    work = assembly("huge", size=10_000_000)
    work.offered("small", "small", 1)
    work.offered("right", "right", SIZE)
    work.offered("like it", "like it", SIZE + 1)
    assert len(work.requests("huge", 0.0)) == PIPELINE
    assert work.requests("small", 0.0) == [0]
    assert work.requests("right", 0.0) == [0, 1, 2, 3]
    assert work.requests("like it", 0.0) == [0, 1, 2, 3]
    assert work.sizes == {10_000_000: 1, 1: 1, SIZE: 1, SIZE + 1: 1}
    assert work.received("small", MetadataPiece(0, 1, b"x")) == Liar("small")
    for index in range(3):
        work.received("right", piece(index))
    assert work.received("right", piece(3)) == Complete(INFO)


def test_p14_a_false_copy_from_one_source_convicts_it() -> None:
    work = assembly("liar")
    work.requests("liar", 0.0)
    for index in range(3):
        assert work.received("liar", piece(index, spoil=True)) is None
    assert work.received("liar", piece(3)) == Liar("liar")
    assert work.bad_copies == 1


def test_p14_a_liar_in_company_is_found_while_the_honest_goes_on() -> None:
    work = assembly("liar", "honest")
    work.requests("liar", 0.0)
    work.received("liar", piece(0, spoil=True))
    assert work.requests("honest", REASK_SECONDS) == [1, 2, 3]
    for index in (1, 2):
        work.received("honest", piece(index))
    assert work.received("honest", piece(3)) is None  # a bad copy, and nobody knows whose fault
    assert work.bad_copies == 1
    assert work.requests("honest", REASK_SECONDS) == [0, 1, 2, 3]  # at once, all by itself
    assert work.requests("liar", REASK_SECONDS) == [0]  # it still owes the others
    for index in range(3):
        assert work.received("honest", piece(index)) is None
    assert work.received("honest", piece(3)) == Complete(INFO)


def test_p14_a_newcomer_does_not_share_with_suspects() -> None:
    work = assembly("liar", "honest")
    work.requests("liar", 0.0)
    work.received("liar", piece(0, spoil=True))
    work.requests("honest", 3.0)
    for index in (1, 2, 3):
        work.received("honest", piece(index))
    work.offered("third", "third", SIZE)
    assert work.requests("third", 3.0) == [0, 1, 2, 3]
    assert work.requests("honest", 3.0) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "message",
    [
        MetadataPiece(0, SIZE + 1, bytes(PIECE_SIZE)),  # another total size
        MetadataPiece(0, SIZE, bytes(PIECE_SIZE - 1)),
        MetadataPiece(3, SIZE, bytes(101)),  # bytes beyond the end
        MetadataPiece(4, SIZE, bytes(100)),  # no such piece
        MetadataPiece(600, SIZE, bytes(PIECE_SIZE)),
    ],
)
def test_p14_a_piece_that_cannot_be_is_a_breach(message: MetadataPiece) -> None:
    work = assembly("liar")
    work.requests("liar", 0.0)
    with pytest.raises(PeerError):
        work.received("liar", message)


def test_p14_what_a_breaker_gave_goes_with_it() -> None:
    work = assembly("liar", "b")
    work.requests("liar", 0.0)
    work.received("liar", piece(0, spoil=True))
    with pytest.raises(PeerError):
        work.received("liar", MetadataPiece(1, SIZE, b"short"))
    work.left("liar")
    assert 0 in work.requests("b", 0.0)


def test_p14_pieces_that_nobody_asked_for_are_a_breach() -> None:
    work = assembly("a")
    with pytest.raises(PeerError):
        work.received("a", piece(0))
    with pytest.raises(PeerError):
        work.received("a stranger", piece(0))
    work.requests("a", 0.0)
    work.received("a", piece(0))
    with pytest.raises(PeerError):
        work.received("a", piece(0))  # a flood of one piece


def test_a_peer_need_not_state_the_total_size() -> None:
    work = assembly("a")
    work.requests("a", 0.0)
    assert work.received("a", piece(0)._replace(total_size=None)) is None
    assert work.progress == (1, 4)


def test_p14_unfinished_copies_do_not_fill_the_memory() -> None:
    work: MetadataAssembly[str] = MetadataAssembly(HASH)
    sizes = [10_000_000 - 16 * n for n in range(6)]
    for size in sizes:
        work.offered(str(size), str(size), size)
    work.offered("right", "right", SIZE)
    work.requests("right", 0.0)
    for index in (0, 1, 2):
        work.received("right", piece(index))
    data = bytes(PIECE_SIZE)
    for size in sizes:
        for _ in range(piece_count(size)):
            for index in work.requests(str(size), 0.0):
                if index < piece_count(size) - 1:
                    work.received(str(size), MetadataPiece(index, size, data))
    held = sum(copy.held for copy in work._copies.values())
    assert MAX_HELD - 11_000_000 < held <= MAX_HELD
    assert work.received("right", piece(3)) == Complete(INFO)


@given(st.randoms(use_true_random=False), st.integers(1, 4), st.integers(0, 3))
def test_with_one_honest_peer_it_always_ends(rng: random.Random, honest: int, liars: int) -> None:
    """Whatever liars of the right size do, in whatever order peers speak."""
    good = [f"honest{n}" for n in range(honest)]
    bad = [f"liar{n}" for n in range(liars)]
    work = assembly(*good, *bad)
    alive = [*good, *bad]
    owed: dict[str, list[int]] = {peer: [] for peer in alive}
    now = 0.0
    for _ in range(400):
        now += 0.5
        peer = rng.choice(alive)
        owed[peer] += work.requests(peer, now)
        if not owed[peer] or (peer in bad and rng.random() < 0.3):
            continue
        index = owed[peer].pop(0)
        outcome = work.received(peer, piece(index, spoil=peer in bad and rng.random() < 0.7))
        if isinstance(outcome, Complete):
            assert outcome.info_bytes == INFO
            return
        if isinstance(outcome, Liar):
            assert outcome.source in bad
            work.left(outcome.source)
            alive.remove(outcome.source)
    raise AssertionError("it does not end")
