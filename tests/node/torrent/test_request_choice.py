"""Which blocks are chosen, seen through the picker."""

import random

import pytest

from node.torrent.piece_picker import PiecePicker

BLOCK = 16_384
BLOCKS = 4
FAST, SLOW = 1e9, 1.0
"""Rates in bytes per second: pieces of one's own, or together with others."""


def picker_of(
    pieces: int, *, have: int = 0, seed: int = 1, sequential: bool = False
) -> PiecePicker[str]:
    return PiecePicker(
        BLOCKS * BLOCK,
        pieces * BLOCKS * BLOCK,
        rng=random.Random(seed),
        have=have,
        sequential=sequential,
    )


def pieces_of(requests: list[tuple[int, int, int]]) -> list[int]:
    return list(dict.fromkeys(index for index, _, _ in requests))


def give(
    picker: PiecePicker[str], peer: str, requests: list[tuple[int, int, int]], now: float = 0.0
) -> None:
    for index, begin, length in requests:
        picker.block_received(peer, index, begin, memoryview(bytes(length)), now)


def test_rarest_first() -> None:
    picker = picker_of(20, have=1 << 19)
    for copies, peer in enumerate("abcde"):
        picker.peer_joined(peer, peer, (1 << (4 * copies + 4)) - 1)
    picker.peer_joined("seed", "seed", (1 << 20) - 1)
    asked = pieces_of(picker.next_requests("seed", 19 * BLOCKS, 0.0, rate=FAST))
    assert [index // 4 for index in asked] == [4] * 3 + [3] * 4 + [2] * 4 + [1] * 4 + [0] * 4


def test_ties_are_drawn_by_lot() -> None:
    firsts = set()
    for seed in range(40):
        picker = picker_of(8, have=1, seed=seed)
        picker.peer_joined("a", "a", 0b11111110)
        firsts.add(picker.next_requests("a", 1, 0.0)[0][0])
    assert firsts == set(range(1, 8))


def test_the_first_pieces_are_random_whatever_is_rare() -> None:
    firsts = set()
    for seed in range(60):
        picker = picker_of(8, seed=seed)
        picker.peer_joined("b", "b", 0b01111111)
        picker.peer_joined("a", "a", 0b11111111)
        asked = pieces_of(picker.next_requests("a", 8 * BLOCKS, 0.0, rate=FAST))
        firsts.add(asked[0])
        assert 7 in asked[:5]  # random four times, then the rarest
    assert firsts == set(range(8))


def test_sequential_order_by_option() -> None:
    picker = picker_of(5, sequential=True)
    picker.peer_joined("a", "a", 0b11110)
    assert pieces_of(picker.next_requests("a", 99, 0.0)) == [1, 2, 3, 4]
    picker.sequential = False
    assert not picker.sequential


def test_priorities_come_before_rarity_and_skipped_pieces_never() -> None:
    picker = picker_of(5, have=0b10000)
    picker.peer_joined("a", "a", 0b11111)
    picker.peer_joined("b", "b", 0b00010)
    picker.set_priorities(high=0b00010, low=0b00100, skip=0b00001)
    assert pieces_of(picker.next_requests("a", 99, 0.0, rate=FAST)) == [1, 3, 2]


def test_blocks_of_a_piece_come_in_order_and_the_next_refill_goes_on_there() -> None:
    picker = picker_of(3)
    picker.peer_joined("a", "a", 0b111)
    first = picker.next_requests("a", 3, 0.0, rate=FAST)
    second = picker.next_requests("a", 3, 0.0, rate=FAST)
    assert [begin // BLOCK for _, begin, _ in first] == [0, 1, 2]
    assert [begin // BLOCK for _, begin, _ in second] == [3, 0, 1]
    assert second[0][0] == first[0][0] != second[1][0]


def test_slow_peers_join_forces_and_fast_ones_have_pieces_of_their_own() -> None:
    for rate, together in ((SLOW, True), (FAST, False)):
        picker = picker_of(9)
        picker.peer_joined("a", "a", (1 << 9) - 1)
        picker.peer_joined("b", "b", (1 << 9) - 1)
        [mine] = pieces_of(picker.next_requests("a", 2, 0.0, rate=rate))
        [theirs] = pieces_of(picker.next_requests("b", 2, 0.0, rate=rate))
        assert (mine == theirs) is together


def test_a_fast_peer_takes_up_what_nobody_goes_on_with_before_it_begins_another() -> None:
    picker = picker_of(9)
    picker.peer_joined("a", "a", (1 << 9) - 1)
    picker.peer_joined("b", "b", (1 << 9) - 1)
    [left] = pieces_of(picker.next_requests("a", 3, 0.0, rate=FAST))
    picker.peer_choked("a")
    assert pieces_of(picker.next_requests("b", 4, 0.0, rate=FAST)) == [left]


def test_a_fast_peer_shares_when_there_is_nothing_else() -> None:
    picker = picker_of(1)
    picker.peer_joined("a", "a", 1)
    picker.peer_joined("b", "b", 1)
    assert len(picker.next_requests("a", 2, 0.0, rate=FAST)) == 2
    assert picker.next_requests("b", 9, 0.0, rate=FAST) == [(0, b * BLOCK, BLOCK) for b in (2, 3)]


def test_while_choked_only_allowed_pieces_are_asked_for_and_no_end_game_is_played() -> None:
    picker = picker_of(4)
    picker.peer_joined("a", "a", 0b1111)
    picker.peer_joined("b", "b", 0b1111)
    assert pieces_of(picker.next_requests("a", 99, 0.0, allowed=0b0100)) == [2]
    assert picker.next_requests("a", 99, 0.0, allowed=0b0100) == []
    picker.next_requests("b", 99, 0.0)
    assert picker.next_requests("a", 99, 0.0, allowed=0b1111) == []


def test_end_game_asks_a_few_blocks_of_a_second_peer_from_the_end_backwards() -> None:
    picker = picker_of(2, have=0b10)
    for peer in "abc":
        picker.peer_joined(peer, peer, 0b01)
    asked = picker.next_requests("a", 99, 0.0)
    assert picker.next_requests("b", 3, 0.0) == asked[:0:-1]
    assert picker.next_requests("b", 99, 0.0) == asked[:1]  # four duplicates at most
    assert picker.next_requests("c", 99, 0.0) == []  # two peers for a block at most
    outcome = picker.block_received("b", *asked[0][:2], memoryview(bytes(BLOCK)), 0.0)
    assert outcome is not None
    assert outcome.cancel == ("a",)


def test_end_game_does_not_begin_while_something_unrequested_can_be_had() -> None:
    picker = picker_of(2)
    picker.peer_joined("a", "a", 0b01)
    picker.peer_joined("b", "b", 0b01)
    picker.peer_joined("c", "c", 0b10)
    picker.next_requests("a", 99, 0.0)
    assert picker.next_requests("b", 99, 0.0) == []  # c could be asked for piece 1
    picker.peer_left("c")
    assert len(picker.next_requests("b", 99, 1.0)) == 4  # now nobody can


def test_a_stuck_piece_is_helped_at_once_and_by_a_third_peer() -> None:
    picker = picker_of(3)
    picker.peer_joined("a", "a", 0b001)
    for peer in "bcd":
        picker.peer_joined(peer, peer, 0b001)
    picker.peer_joined("z", "z", 0b110)
    asked = picker.next_requests("a", 99, 0.0)
    assert picker.next_requests("b", 99, 4.9) == []
    assert sorted(picker.next_requests("b", 99, 5.1)) == asked
    assert sorted(picker.next_requests("c", 99, 5.1)) == asked
    assert picker.next_requests("d", 99, 5.1) == []
    outcome = picker.block_received("c", 0, 0, memoryview(bytes(BLOCK)), 5.2)
    assert outcome is not None
    assert outcome.cancel == ("a", "b")


def test_the_heir_of_a_duplicate_is_the_one_that_stays() -> None:
    picker = picker_of(1)
    for peer in "abc":
        picker.peer_joined(peer, peer, 1)
    asked = picker.next_requests("a", 99, 0.0)
    picker.next_requests("b", 99, 0.0)
    picker.peer_left("a")
    assert sorted(picker.next_requests("c", 99, 0.0)) == asked
    outcome = picker.block_received("b", 0, 0, memoryview(bytes(BLOCK)), 0.0)
    assert outcome is not None
    assert outcome.cancel == ("c",)


def test_b22_two_equal_peers_waste_less_than_one_block_in_a_hundred() -> None:
    picker = picker_of(256)
    queues: dict[str, list[tuple[int, int, int]]] = {"a": [], "b": []}
    for peer in queues:
        picker.peer_joined(peer, peer, (1 << 256) - 1)
    now = 0.0
    while not picker.is_finished:
        now += 0.001
        for peer, queue in queues.items():
            if len(queue) < 400:
                queue += picker.next_requests(peer, 500 - len(queue), now, rate=FAST)
            for index, begin, length in [queue.pop(0) for _ in range(min(8, len(queue)))]:
                outcome = picker.block_received(peer, index, begin, memoryview(bytes(length)), now)
                for other in outcome.cancel if outcome else ():
                    if (index, begin, length) in queues[other]:
                        queues[other].remove((index, begin, length))
                if outcome is not None and outcome.complete is not None:
                    picker.piece_verified(index)
    assert picker.wasted <= 256 * BLOCKS * BLOCK // 100


def test_a_peer_with_nothing_to_give_is_looked_at_once_until_something_changes() -> None:
    picker = picker_of(9, have=0b1)
    picker.peer_joined("a", "a", 0b1)
    choice = picker._choice
    looks = 0
    extend = choice._extend

    def count(*arguments: object) -> None:
        nonlocal looks
        looks += 1
        extend(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(choice), "_extend", lambda self, *arguments: count(*arguments))
        for step in range(50):
            assert picker.next_requests("a", 9, step * 0.01) == []
        assert looks == 1
        picker.peer_has("a", 0b10)
        assert picker.next_requests("a", 9, 0.5)
        assert looks == 2


def fail_shared(picker: PiecePicker[str]) -> int:
    """A piece that `a` and `b` gave together is wrong: both are suspects."""
    requests = picker.next_requests("a", 2, 0.0, rate=SLOW)
    requests_b = picker.next_requests("b", 2, 0.0, rate=SLOW)
    give(picker, "a", requests)
    give(picker, "b", requests_b)
    [index] = pieces_of(requests + requests_b)
    assert picker.piece_failed(index) == []
    assert picker.on_parole("a")
    return index


def test_p11_a_suspect_begins_pieces_alone_for_a_while() -> None:
    picker = picker_of(3, have=0b100)
    for peer in "abc":
        picker.peer_joined(peer, peer, 0b111)
    failed = fail_shared(picker)
    [fresh] = {0, 1} - {failed}
    picker.set_priorities(skip=1 << failed)
    assert pieces_of(picker.next_requests("a", 2, 10.0, rate=SLOW)) == [fresh]
    assert picker.next_requests("c", 2, 14.9, rate=SLOW) == []
    assert pieces_of(picker.next_requests("c", 2, 16.0, rate=SLOW)) == [fresh]


def test_p11_a_piece_that_failed_is_fetched_from_one_peer_alone_for_a_minute() -> None:
    picker = picker_of(1)
    for peer in "abc":
        picker.peer_joined(peer, peer, 1)
    fail_shared(picker)
    assert len(picker.next_requests("c", 2, 0.0, rate=SLOW)) == 2
    for now in (1.0, 30.0, 59.0):
        assert picker.next_requests("a", 2, now, rate=SLOW) == []
    assert len(picker.next_requests("b", 2, 61.0, rate=SLOW)) == 2


def test_a_duplicate_that_becomes_the_only_request_no_longer_counts_as_one() -> None:
    picker = picker_of(3, have=0b100)
    picker.peer_joined("a", "a", 0b011)
    picker.peer_joined("b", "b", 0b011)
    assert len(picker.next_requests("a", 99, 0.0)) == 8
    assert len(picker.next_requests("b", 99, 0.0)) == 4
    picker.peer_left("a")  # b inherits four blocks, the others are asked of it anew
    picker.peer_joined("c", "c", 0b011)
    assert len(picker.next_requests("c", 99, 1.0)) == 4
    assert len(picker.next_requests("b", 99, 1.0)) == 4  # four duplicates of c's
