import random

import pytest

from dht.size_estimate import MINIMUM_SAMPLES, SAMPLES, SizeEstimate


def closest(target: bytes, ids: list[int], k: int = 8) -> list[bytes]:
    number = int.from_bytes(target, "big")
    return [i.to_bytes(20, "big") for i in sorted(ids, key=lambda i: i ^ number)[:k]]


@pytest.mark.parametrize("nodes", [50, 1_000, 10_000])
def test_the_estimate_is_within_a_third(nodes):
    rng = random.Random(1)
    ids = [rng.getrandbits(160) for _ in range(nodes)]
    estimate = SizeEstimate()
    for _ in range(SAMPLES):
        target = rng.randbytes(20)
        estimate.observed(target, closest(target, ids))
    assert estimate.nodes == pytest.approx(nodes, rel=0.33)
    expected = estimate.expected_distance(8)
    assert expected == pytest.approx((1 << 160) * 8 / nodes, rel=0.5)


def test_nothing_is_said_before_a_few_targets_were_looked_up():
    rng = random.Random(1)
    ids = [rng.getrandbits(160) for _ in range(100)]
    estimate = SizeEstimate()
    for number in range(MINIMUM_SAMPLES):
        assert estimate.nodes is None and estimate.expected_distance(8) is None
        estimate.observed(bytes([number]) * 20, closest(bytes([number]) * 20, ids))
    assert estimate.nodes is not None


def test_d6_crowds_around_a_few_targets_do_not_move_it():
    rng = random.Random(1)
    ids = [rng.getrandbits(160) for _ in range(1_000)]
    estimate = SizeEstimate()
    for number in range(SAMPLES):
        target = rng.randbytes(20)
        found = closest(target, ids)
        if number % 4 == 0:
            found = [target[:18] + bytes([0, rank]) for rank in range(8)]
        estimate.observed(target, found)
    assert estimate.nodes == pytest.approx(1_000, rel=0.5)


def test_one_target_counts_once():
    rng = random.Random(1)
    ids = [rng.getrandbits(160) for _ in range(1_000)]
    estimate = SizeEstimate()
    for _ in range(100):
        estimate.observed(bytes(20), closest(bytes(20), ids))
    assert estimate.nodes is None


def test_results_that_say_nothing_are_ignored():
    estimate = SizeEstimate()
    for number in range(10):
        target = bytes([number]) * 20
        estimate.observed(target, [])
        estimate.observed(target, [target])
        estimate.observed(target, [target, target])
    assert estimate.nodes is None
