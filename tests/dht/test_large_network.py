"""A thousand whole nodes on virtual time: what lookups cost and bring (B8)."""

from functools import cache, partial

import pytest

import simulation
from tests.dht.lookup_figures import Condition, Figures, measure, quantile

pytestmark = pytest.mark.slow

RTT = 0.1
ALIVE = Condition()
HURT = Condition(dead=0.3, loss=0.02)


@cache
def figures() -> dict[Condition, Figures]:
    """One network for all tests: it is what takes the time."""
    conditions = [ALIVE, HURT]
    program = partial(measure, conditions=conditions, nodes=1_000, lookups=1_000, rtt=RTT)
    return dict(zip(conditions, simulation.run(program, seed=1), strict=True))


@pytest.mark.parametrize(("condition", "share"), [(ALIVE, 0.999), (HURT, 0.99)])
def test_b8_what_was_announced_is_found(condition: Condition, share: float):
    assert figures()[condition].success >= share


@pytest.mark.parametrize(("condition", "share"), [(ALIVE, 0.97), (HURT, 0.87)])
def test_b8_the_closest_nodes_are_found(condition: Condition, share: float):
    assert figures()[condition].recall >= share


@pytest.mark.parametrize("condition", [ALIVE, HURT])
def test_b8_round_trips_and_queries_are_near_the_ideal_lookup(condition: Condition):
    round_trips, queries = figures()[condition].ratios
    assert round_trips <= 1.3
    assert queries <= 1.5


@pytest.mark.parametrize("condition", [ALIVE, HURT])
def test_b8_the_first_peer_comes_within_two_round_trips_and_nearly_always_a_second(
    condition: Condition,
):
    first = figures()[condition].first_peer
    assert quantile(first, 0.5) <= 2.1
    assert quantile(first, 0.95) * RTT <= 1.0
