from node.torrent.piece_sets import PieceSets


def test_sizes_count_the_short_last_piece() -> None:
    sets = PieceSets(100, 250)
    assert sets.piece_count == 3
    assert [sets.piece_size(index) for index in range(3)] == [100, 100, 50]
    assert sets.size_of(0b111) == 250
    assert sets.size_of(0b101) == 150
    assert sets.size_of(0) == 0


def test_a_piece_goes_from_fresh_to_busy_to_had_and_back() -> None:
    sets = PieceSets(100, 250)
    sets.begin(1)
    assert (sets.fresh, sets.busy, sets.needed) == (0b101, 0b010, 0b111)
    sets.abandon(1)
    assert (sets.fresh, sets.busy) == (0b111, 0)
    sets.begin(1)
    sets.verified(1)
    assert (sets.fresh, sets.busy, sets.needed, sets.have) == (0b101, 0, 0b101, 0b010)
    sets.lost(1)
    assert (sets.fresh, sets.needed, sets.have) == (0b111, 0b111, 0)


def test_skipped_pieces_are_not_needed_whatever_becomes_of_them() -> None:
    sets = PieceSets(100, 250)
    sets.begin(1)
    sets.set_priorities(high=0b001, low=0b011, skip=0b010)
    assert sets.levels == (0b001, 0b100, 0)
    assert (sets.fresh, sets.needed) == (0b101, 0b101)
    sets.abandon(1)
    assert sets.fresh == 0b101
    sets.set_priorities(high=0, low=0, skip=0)
    assert sets.fresh == sets.needed == 0b111


def test_what_is_had_is_not_fresh() -> None:
    sets = PieceSets(100, 250)
    sets.set_have(0b110)
    assert (sets.fresh, sets.needed, sets.have) == (0b001, 0b001, 0b110)
