"""More torrents than can be announced at once: all stay findable on a budget of packets."""

from functools import partial

import pytest

import simulation
from tests.dht.announce_figures import measure

pytestmark = pytest.mark.slow

PACKETS = 25.0
"""A second: what 1,000 torrents need every 15 minutes, and a third more."""


def test_a_thousand_torrents_stay_findable_on_a_budget_of_packets():
    program = partial(measure, nodes=40, torrents=1_000, packet_rate=PACKETS, minutes=31)
    figures = simulation.run(program, seed=1)
    assert figures.not_found == figures.not_stored == []
    assert figures.packets <= PACKETS
    assert figures.first_round <= 20.0
