from node.torrent.partial_piece import Downloader
from node.torrent.piece_sets import PieceSets
from node.torrent.pieces_under_way import PiecesUnderWay

BLOCK = 16_384


def test_f16_at_least_two_pieces_at_most_the_memory() -> None:
    sets = PieceSets(2 * BLOCK, 100 * BLOCK)
    for memory, most in ((0, 2), (10 * BLOCK, 5)):
        under_way = PiecesUnderWay[str](sets, memory)
        for index in range(most):
            assert not under_way.is_full
            under_way.begin(index + most, 0.0)
        assert under_way.is_full


def test_room_is_made_by_the_stranded_piece_with_the_least_in_it() -> None:
    sets = PieceSets(2 * BLOCK, 20 * BLOCK)
    under_way = PiecesUnderWay[str](sets, 6 * BLOCK)
    peer = Downloader("a", "a")
    for index, blocks in ((0, 1), (1, 0), (2, 0)):
        piece = under_way.begin(index, 0.0)
        for block in range(blocks):
            piece.givers[block] = peer
            piece.missing -= 1
    under_way.partial[1].hand_out(peer, 1, [])
    under_way.drop_stranded()
    assert list(under_way.partial) == [0, 1]
    assert under_way.wasted == 0
    under_way.drop_stranded()
    assert list(under_way.partial) == [1]
    assert under_way.wasted == BLOCK
    under_way.drop_stranded()
    assert list(under_way.partial) == [1]
    assert sets.busy == 0b10
    assert sets.fresh == sets.everything ^ 0b10
