import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dht.announce_schedule import (
    ANNOUNCE_PACKETS,
    AT_RISK_SECONDS,
    EXPIRY_SECONDS,
    GROUP,
    INTERVAL_SECONDS,
    LEASE_SECONDS,
    LOOKUP_PACKETS,
    NEIGHBOUR_PACKETS,
    RETRY_SECONDS,
    AnnounceSchedule,
)
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash

FIRST = LOOKUP_PACKETS + ANNOUNCE_PACKETS
NEXT = NEIGHBOUR_PACKETS + ANNOUNCE_PACKETS
PLENTY = 1 << 30
NODES = [Endpoint(f"20.0.0.{number}", 6881) for number in range(8)]


def key(number: int) -> InfoHash:
    return InfoHash(number.to_bytes(20, "big"))


def schedule_of(*numbers: int) -> AnnounceSchedule:
    schedule = AnnounceSchedule()
    for number in numbers:
        schedule.add(key(number), 0.0)
    return schedule


def flat(groups: list[tuple[InfoHash, ...]]) -> list[InfoHash]:
    return [info_hash for group in groups for info_hash in group]


class TestTurns:
    def test_a_new_hash_is_due_at_once_and_then_every_15_minutes(self):
        schedule = schedule_of(1)
        assert schedule.next_batch(0.0, PLENTY) == [(key(1),)]
        schedule.stored(key(1), NODES, 5.0)
        assert schedule.next_batch(5.0 + INTERVAL_SECONDS - 10, PLENTY) == []
        assert schedule.next_batch(5.0 + INTERVAL_SECONDS, PLENTY) == [(key(1),)]

    def test_few_nodes_bring_it_back_sooner(self):
        schedule = schedule_of(1)
        schedule.next_batch(0.0, PLENTY)
        schedule.stored(key(1), NODES[:3], 0.0)
        assert schedule.next_batch(AT_RISK_SECONDS - 10, PLENTY) == []
        assert schedule.next_batch(AT_RISK_SECONDS, PLENTY) == [(key(1),)]
        assert schedule.stats(0.0).at_risk == 1

    def test_no_nodes_even_sooner_and_then_with_growing_pauses(self):
        schedule, now, pauses = schedule_of(1), 0.0, []
        for _ in range(7):
            assert schedule.next_batch(now, PLENTY) == [(key(1),)]
            schedule.stored(key(1), [], now)
            report = schedule.report(key(1))
            assert report is not None
            pauses.append(report.due - now)
            now = report.due
        assert pauses == [RETRY_SECONDS * n for n in (1, 2, 4, 8, 16)] + [INTERVAL_SECONDS] * 2
        assert report.failures == 7 and report.announced is None

    def test_a_hash_that_is_never_reported_on_comes_again(self):
        schedule = schedule_of(1)
        schedule.next_batch(0.0, PLENTY)
        assert schedule.next_batch(LEASE_SECONDS - 10, PLENTY) == []
        assert schedule.next_batch(LEASE_SECONDS, PLENTY) == [(key(1),)]

    def test_a_removed_hash_does_not(self):
        schedule = schedule_of(1, 2, 3)
        schedule.remove(key(2))
        schedule.remove(key(9))
        assert flat(schedule.next_batch(0.0, PLENTY)) == [key(1), key(3)]
        assert key(2) not in schedule and len(schedule) == 2
        schedule.stored(key(2), NODES, 0.0)
        schedule.failed(key(2), 0.0)
        assert schedule.report(key(2)) is None

    def test_what_was_never_stored_goes_before_what_is_merely_due(self):
        schedule = schedule_of(1 << 150)
        schedule.next_batch(0.0, PLENTY)
        schedule.stored(key(1 << 150), NODES, 0.0)
        now = 2 * INTERVAL_SECONDS
        for number in range(1, 100):
            schedule.add(key(number << 100), 0.0)
            schedule.stored(key(number << 100), NODES, float(number))
        schedule.add(key(7), now)
        handed = [schedule.next_batch(now, FIRST) for _ in range(2)]
        assert [(key(7),)] in handed, "most turns are theirs"

    def test_a_change_of_address_makes_all_due_the_oldest_first(self):
        schedule = AnnounceSchedule()
        numbers = [n << 100 for n in (3, 1, 2)]
        for place, number in enumerate(numbers):
            schedule.add(key(number), 0.0)
            schedule.stored(key(number), NODES, 20.0 * place)
        assert schedule.next_batch(100.0, PLENTY) == []
        schedule.hasten(100.0)
        assert schedule.next_batch(100.0, FIRST) == [(key(numbers[0]),)]


class TestGroups:
    def test_neighbours_come_together_in_the_order_of_the_space(self):
        numbers = list(range(1, 40))
        random.Random(1).shuffle(numbers)
        groups = schedule_of(*numbers).next_batch(0.0, PLENTY)
        assert sorted(flat(groups)) == [key(number) for number in range(1, 40)]
        for group in groups:
            assert list(group) == sorted(group) and len(group) <= GROUP
        assert len(groups) <= 6

    def test_the_budget_is_kept(self):
        schedule = schedule_of(*range(1, 100))
        assert schedule.next_batch(0.0, FIRST - 1) == []
        assert len(flat(schedule.next_batch(0.0, FIRST + NEXT * 5 + 1))) == 6
        for _ in range(20):
            groups = schedule.next_batch(0.0, 500)
            spent = sum(FIRST + NEXT * (len(group) - 1) for group in groups)
            assert spent <= 500

    def test_a_neighbour_that_is_due_soon_joins(self):
        schedule = schedule_of(1, 2)
        schedule.next_batch(0.0, PLENTY)
        schedule.stored(key(1), NODES, 0.0)
        schedule.stored(key(2), NODES, 120.0)
        assert schedule.next_batch(INTERVAL_SECONDS, PLENTY) == [(key(1), key(2))]

    def test_a_neighbour_under_way_does_not(self):
        schedule = schedule_of(1)
        schedule.next_batch(0.0, PLENTY)
        schedule.add(key(2), 10.0)
        assert schedule.next_batch(10.0, PLENTY) == [(key(2),)]


class TestAccount:
    def test_when_where_and_how_many(self):
        nodes = [
            *NODES[:2],
            Endpoint("2600::1", 7000),
            *(Endpoint(f"30.0.0.{n}", 1) for n in range(9)),
        ]
        schedule = schedule_of(1)
        schedule.stored(key(1), nodes, 12.5)
        assert schedule.report(key(1)) == (
            key(1),
            12.5,
            tuple(nodes[:8]),
            12,
            0,
            12.5 + INTERVAL_SECONDS,
        )

    def test_a_failure_keeps_the_account_of_the_last_success(self):
        schedule = schedule_of(1)
        schedule.stored(key(1), NODES, 0.0)
        schedule.failed(key(1), 900.0)
        report = schedule.report(key(1))
        assert report is not None
        assert (report.announced, report.stored, report.failures) == (0.0, 8, 1)

    def test_overdue_is_what_the_nodes_have_forgotten(self):
        schedule = schedule_of(1, 2, 3)
        schedule.stored(key(1), NODES, 0.0)
        schedule.stored(key(2), NODES, 100.0)
        assert schedule.overdue(EXPIRY_SECONDS) == [key(3)]
        assert schedule.overdue(EXPIRY_SECONDS + 1) == [key(1), key(3)]
        stats = schedule.stats(EXPIRY_SECONDS + 1)
        assert (stats.hashes, stats.never_stored, stats.overdue) == (3, 1, 2)
        assert stats.oldest_announce == 0.0


def announce_for(schedule: AnnounceSchedule, seconds: int, budget: float, *, start: int = 0) -> int:
    """Announce what is handed out, a tenth of it in vain, one batch a second. Returns packets."""
    rng, purse, packets = random.Random(1), 0.0, 0
    for now in range(start, start + seconds):
        purse = min(purse + budget, 40 * budget)
        for group in schedule.next_batch(float(now), int(purse)):
            cost = FIRST + NEXT * (len(group) - 1)
            purse -= cost
            packets += cost
            for info_hash in group:
                schedule.stored(info_hash, NODES if rng.random() > 0.1 else [], float(now))
    return packets


def test_10_000_hashes_stay_findable_within_the_budget():
    rng = random.Random(2)
    schedule = AnnounceSchedule()
    for _ in range(10_000):
        schedule.add(InfoHash(rng.randbytes(20)), 0.0)
    budget = 10_000 * NEXT * 1.3 / INTERVAL_SECONDS
    announce_for(schedule, 1_500, budget)
    assert schedule.overdue(1_500.0) == []
    for minute in range(25, 45):
        announce_for(schedule, 60, budget, start=minute * 60)
        assert schedule.overdue(minute * 60 + 60.0) == [], f"minute {minute}"


def test_with_a_third_of_the_budget_all_come_round_more_slowly():
    rng = random.Random(3)
    schedule = AnnounceSchedule()
    hashes = [InfoHash(rng.randbytes(20)) for _ in range(2_000)]
    for info_hash in hashes:
        schedule.add(info_hash, 0.0)
    budget = 2_000 * NEXT / INTERVAL_SECONDS / 3
    announce_for(schedule, 7_200, budget)
    times = [report.announced for h in hashes if (report := schedule.report(h)) is not None]
    assert min(time or 0.0 for time in times) > 7_200 - 4.5 * INTERVAL_SECONDS
    assert len(schedule.overdue(7_200.0)) > 0, "and the account says that it is not enough"


class ScheduleMachine(RuleBasedStateMachine):
    """Any history: none is skipped, none is handed out twice, the account adds up."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = AnnounceSchedule()
        self.now = 0.0
        self.out: dict[InfoHash, float] = {}
        self.held: set[InfoHash] = set()

    @rule(number=st.integers(0, 30))
    def add(self, number):
        self.schedule.add(key(number), self.now)
        self.held.add(key(number))

    @rule(number=st.integers(0, 30))
    def remove(self, number):
        self.schedule.remove(key(number))
        self.held.discard(key(number))
        self.out.pop(key(number), None)

    @rule(budget=st.integers(0, 300))
    def next_batch(self, budget):
        groups = self.schedule.next_batch(self.now, budget)
        handed = flat(groups)
        assert len(set(handed)) == len(handed) and set(handed) <= self.held
        assert sum(FIRST + NEXT * (len(group) - 1) for group in groups) <= budget
        for info_hash in handed:
            assert info_hash not in self.out or self.now >= self.out[info_hash]
            self.out[info_hash] = self.now + LEASE_SECONDS - 190

    @rule(count=st.integers(0, 9))
    def outcome(self, count):
        if self.out:
            info_hash = next(iter(self.out))
            del self.out[info_hash]
            self.schedule.stored(info_hash, NODES[:count], self.now)

    @rule(seconds=st.floats(0, 1_000))
    def time_passes(self, seconds):
        self.now += seconds

    @invariant()
    def none_is_skipped(self):
        assert len(self.schedule) == len(self.held)
        for info_hash in self.held:
            report = self.schedule.report(info_hash)
            assert report is not None and report.due <= self.now + INTERVAL_SECONDS

    def teardown(self):
        later = self.now + INTERVAL_SECONDS + 10
        assert set(flat(self.schedule.next_batch(later, PLENTY))) == self.held


TestAnyHistory = ScheduleMachine.TestCase
TestAnyHistory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
