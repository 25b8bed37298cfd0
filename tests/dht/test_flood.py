"""A flood of queries on real sockets (D9)."""

import asyncio

import pytest

from benchmarks.dht_flood import measure

pytestmark = [pytest.mark.sockets, pytest.mark.slow]


def test_d9_lookups_end_and_find_under_fifty_thousand_queries_a_second():
    figures = asyncio.run(measure(seconds=2.0, rate=50_000))
    assert figures.sent > 20_000, "the generator was slower than a flood"
    assert figures.received > 5_000
    assert figures.replies < 1_000, "the budget of reply bytes holds"
    assert figures.lookups >= 2
    assert figures.found == figures.lookups
    assert max(figures.seconds) < 10.0
    assert figures.memory < 32.0
