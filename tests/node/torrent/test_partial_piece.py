import pytest

from node.torrent.partial_piece import Downloader, PartialPiece, Request

BLOCK = 16_384


def piece_of(size: int) -> PartialPiece[str]:
    return PartialPiece(7, size, 0.0)


@pytest.mark.parametrize(("size", "last"), [(3 * BLOCK, BLOCK), (2 * BLOCK + 1, 1), (5, 5)])
def test_the_last_block_is_as_short_as_the_piece_wants(size: int, last: int) -> None:
    piece = piece_of(size)
    requests: list[Request] = []
    piece.hand_out(Downloader("a", "a"), 99, requests)
    assert sum(length for _, _, length in requests) == size
    assert requests[-1][2] == last
    assert not piece.is_open


def test_a_short_block_handed_out_first_does_not_spoil_what_was_there() -> None:
    piece = piece_of(BLOCK + 9)
    requests: list[Request] = [(1, 0, BLOCK)]
    piece.hand_out(Downloader("a", "a"), 1, requests)
    piece.hand_out(Downloader("b", "b"), 1, requests)
    assert requests == [(1, 0, BLOCK), (7, 0, BLOCK), (7, BLOCK, 9)]


def test_returned_blocks_come_first_and_in_order() -> None:
    piece = piece_of(8 * BLOCK)
    a, b = Downloader("a", "a"), Downloader("b", "b")
    piece.hand_out(a, 4, [])
    for block in (2, 0, 3):
        piece.give_back(block, a)
    requests: list[Request] = []
    piece.hand_out(b, 5, requests)
    assert [begin // BLOCK for _, begin, _ in requests] == [0, 2, 3, 4, 5]
    assert piece.peers == {"a": a, "b": b}


def test_blocks_of_a_liar_are_dropped_and_asked_again() -> None:
    piece = piece_of(3 * BLOCK)
    liar, honest = Downloader("liar", "6.6.6.6"), Downloader("honest", "1.1.1.1")
    piece.hand_out(liar, 2, [])
    piece.hand_out(honest, 1, [])
    piece.givers = [liar, liar, honest]
    piece.missing = 0
    assert piece.drop_blocks_of("6.6.6.6") == 2
    assert piece.missing == 2
    requests: list[Request] = []
    piece.hand_out(honest, 9, requests)
    assert [begin // BLOCK for _, begin, _ in requests] == [0, 1]


def test_stranded_means_that_no_request_is_open() -> None:
    piece = piece_of(3 * BLOCK)
    a = Downloader("a", "a")
    assert piece.is_stranded
    piece.hand_out(a, 1, [])
    assert not piece.is_stranded
    piece.givers[0] = a
    assert piece.is_stranded
