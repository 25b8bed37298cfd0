import random

import pytest

from dht.crowd import crowd_reach, detours_around
from dht.node_id import distance

SPACE = 1 << 160


def honest_distances(nodes: int, rng: random.Random, count: int = 64) -> list[int]:
    """The distances of the `count` closest of so many nodes: a Poisson process."""
    found, at = [], 0.0
    for _ in range(count):
        at += rng.expovariate(nodes)
        found.append(int(at * SPACE))
    return found


class TestReach:
    def test_honest_neighbourhoods_are_hardly_ever_suspected(self):
        rng = random.Random(1)
        suspected = sum(
            crowd_reach(honest_distances(10_000, rng), 10_000) >= 0 for _ in range(1_000)
        )
        assert suspected < 60

    @pytest.mark.parametrize("within", [0.001, 0.1, 1.0, 2.0])
    def test_d6_eight_nodes_where_few_are_expected(self, within):
        rng = random.Random(2)
        width = int(SPACE * within / 10_000)
        crowd = sorted(rng.randrange(width) for _ in range(8))
        honest = honest_distances(10_000, rng)
        reach = crowd_reach(sorted(crowd + honest), 10_000)
        assert crowd[-3] <= reach, "all but a few at the edge"

    def test_the_reach_is_that_of_the_crowd_not_of_all(self):
        rng = random.Random(3)
        crowd = sorted(rng.randrange(SPACE // 10_000_000) for _ in range(8))
        reach = crowd_reach(crowd + [SPACE // 10_000 * rank for rank in range(1, 40)], 10_000)
        assert crowd[-1] <= reach < SPACE // 10_000 * 4

    def test_nobody_is_no_crowd(self):
        assert crowd_reach([], 1_000.0) == -1


class TestDetours:
    @pytest.mark.parametrize("nodes", [1.0, 30.0, 1_000.0, 1e7, 1e12])
    def test_8_to_32_nodes_are_expected_around_each(self, nodes):
        target = random.Random(1).randbytes(20)
        points = detours_around(target, nodes)
        for point in points:
            away = distance(target, point)
            assert away.bit_count() == 1
            if nodes >= 64:
                assert 8 <= nodes * away / SPACE <= 32

    def test_estimates_a_third_apart_share_one(self):
        rng = random.Random(2)
        for _ in range(200):
            target, nodes = rng.randbytes(20), rng.uniform(100, 1e7)
            mine = detours_around(target, nodes)
            assert set(mine) & set(detours_around(target, nodes * 1.9))
