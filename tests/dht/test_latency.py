import random

import pytest

from dht.contact import Contact
from dht.latency import INITIAL_SECONDS, MAXIMUM_SECONDS, MINIMUM_SECONDS, LatencyTable, RoundTrip
from dht.node_id import NodeId
from formats.endpoint import Endpoint


def contact(number: int) -> Contact:
    return Contact(
        NodeId(number.to_bytes(20, "big")), Endpoint(f"20.0.{number // 256}.{number % 256}", 1)
    )


class TestRoundTrip:
    def test_the_first_sample_counts_with_half_of_it_as_deviation(self):
        assert RoundTrip(0.2).timeout == pytest.approx(0.2 + 4 * 0.1)

    def test_steady_answers_bring_the_timeout_close_to_the_round_trip(self):
        estimate = RoundTrip(0.2)
        for _ in range(50):
            estimate.measured(0.2)
        assert 0.25 <= estimate.timeout < 0.26

    def test_varying_answers_are_rarely_called_late(self):
        rng = random.Random(1)
        estimate, late = RoundTrip(0.1), 0
        for _ in range(2_000):
            rtt = rng.uniform(0.02, 0.3)
            late += rtt > estimate.timeout
            estimate.measured(rtt)
        assert late < 20

    def test_a_path_that_became_slow_is_learned_from_late_answers(self):
        estimate = RoundTrip(0.1)
        for _ in range(20):
            estimate.measured(0.1)
        for _ in range(10):
            estimate.measured(1.0)
        assert estimate.timeout > 1.0

    def test_bounds(self):
        fast, slow = RoundTrip(0.0), RoundTrip(10.0)
        for _ in range(50):
            fast.measured(0.0)
        assert fast.timeout == MINIMUM_SECONDS and slow.timeout == MAXIMUM_SECONDS


class TestLatencyTable:
    def test_before_any_measurement(self):
        table = LatencyTable()
        assert table.timeout(contact(1)) == INITIAL_SECONDS and table.rtt is None

    def test_strangers_get_the_estimate_of_all_and_known_contacts_their_own(self):
        table = LatencyTable()
        for _ in range(40):
            table.answered(contact(1).endpoint, 0.5)
        for _ in range(40):
            table.answered(contact(2).endpoint, 0.05)
        assert table.timeout(contact(1)) > 0.5
        assert table.timeout(contact(2)) < 0.15
        assert table.timeout(contact(2)) < table.timeout(contact(3)) < table.timeout(contact(1))

    def test_one_hour_long_answer_bends_nothing_far(self):
        table = LatencyTable()
        for number in range(100):
            table.answered(contact(number).endpoint, 0.1)
        table.answered(contact(200).endpoint, 3_600.0)
        assert table.rtt is not None and table.rtt < 0.5

    def test_the_contact_unheard_of_for_longest_is_forgotten(self):
        table = LatencyTable(2)
        table.answered(contact(1).endpoint, 2.0)
        table.answered(contact(2).endpoint, 0.1)
        table.answered(contact(1).endpoint, 2.0)
        table.answered(contact(3).endpoint, 0.1)
        assert len(table) == 2
        assert table.timeout(contact(1)) > 2.0
        assert table.timeout(contact(2)) == table.timeout(contact(99)), "a stranger again"
