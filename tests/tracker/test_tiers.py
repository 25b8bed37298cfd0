import math
import random

import pytest

from formats.endpoint import Endpoint
from tracker.announce import AnnounceResponse, Event
from tracker.errors import NEVER, TrackerError, TrackerFailure
from tracker.tiers import AnnounceLimits, TierList, TierTracker

DEAD = TrackerError("connection refused")


class Unshuffled(random.Random):
    """Leaves tiers as they are; jitter is the upper end."""

    def shuffle(self, x: object) -> None:
        pass

    def uniform(self, a: float, b: float) -> float:
        return b if b == 1.0 else 1.0


def tier_list(*tiers: str, private: bool = False, limits: AnnounceLimits | None = None) -> TierList:
    """`"ab", "c"`: trackers a and b in the first tier, c in the second."""
    return TierList(
        [[f"http://{name}/" for name in tier] for tier in tiers],
        rng=Unshuffled(),
        schemes=["http"],
        limits=limits,
        private=private,
    )


def names(trackers: list[TierTracker]) -> str:
    return "".join(tracker.url[7] for tracker in trackers)


def ask(tiers: TierList, now: float) -> str:
    """Who is due, and mark them as asked."""
    due = tiers.due(now)
    for tracker in due:
        tiers.asked(tracker, now)
    return names(due)


def get(tiers: TierList, name: str) -> TierTracker:
    return next(tracker for tracker in tiers if tracker.url[7] == name)


def answer(
    tiers: TierList,
    name: str,
    now: float,
    *peers: Endpoint,
    interval: int = 1800,
    min_interval: int | None = None,
) -> TierTracker:
    tracker = get(tiers, name)
    response = AnnounceResponse(interval=interval, min_interval=min_interval, peers=peers)
    tiers.answered(tracker, response, now)
    return tracker


def fail(tiers: TierList, name: str, now: float, error: TrackerError = DEAD) -> TierTracker:
    tracker = get(tiers, name)
    tiers.failed(tracker, error, now)
    return tracker


def test_bep_12_all_of_a_tier_then_the_next() -> None:
    tiers = tier_list("ab", "c")
    for now, name in enumerate("abc"):
        assert ask(tiers, now) == name
        assert ask(tiers, now + 0.5) == ""
        fail(tiers, name, now + 1)
    assert ask(tiers, 3) == ""


def test_bep_12_success_goes_to_the_front_of_its_tier_only() -> None:
    tiers = tier_list("abc", "d")
    for name in "abc":
        ask(tiers, 0)
        if name != "c":
            fail(tiers, name, 0)
    answer(tiers, "c", 0)
    assert names(list(tiers)) == "cabd"
    answer(tiers, "b", 0)
    assert names(list(tiers)) == "bcad"


def test_bep_12_the_order_within_a_tier_is_random() -> None:
    urls = [f"http://{n}/" for n in range(8)]
    orders = {
        tuple(t.url for t in TierList([urls], rng=random.Random(seed), schemes=["http"]))
        for seed in range(20)
    }
    assert len(orders) == 20


def test_while_one_answers_nobody_else_is_asked() -> None:
    tiers = tier_list("ab", "c")
    ask(tiers, 0)
    answer(tiers, "a", 1)
    assert tiers.next_look(1) == 1801
    for now in (2, 100, 1800):
        assert ask(tiers, now) == ""
    assert ask(tiers, 1801) == "a"


def test_c9_a_failed_tracker_of_any_tier_is_retried_on_its_own_clock() -> None:
    tiers = tier_list("a", "b", "c")
    for name in "ab":
        ask(tiers, 0)
        fail(tiers, name, 0)
    ask(tiers, 0)
    answer(tiers, "c", 0)
    asked = {name: [now for now in range(1, 1800) if name in _retry(tiers, now)] for name in "ab"}
    assert asked["a"][:3] == [18, 73, 191]  # 17.5, 55, 117.5 s after one another
    fresh = tier_list("a", "b")
    ask(fresh, 0)
    fail(fresh, "a", 0)
    ask(fresh, 0)
    answer(fresh, "b", 0)
    assert ask(fresh, 18) == "a"
    answer(fresh, "a", 18)  # it is back
    assert ask(fresh, 1810) == ""
    assert ask(fresh, 1818) == "a"  # and used again instead of b
    answer(fresh, "a", 1818)
    assert ask(fresh, 1830) == ""


def _retry(tiers: TierList, now: float) -> str:
    asked = ask(tiers, now)
    for name in asked:
        if name != "c":
            fail(tiers, name, now)
    return asked


def test_c9_a_failed_tracker_below_a_working_one_is_retried_too() -> None:
    tiers = tier_list("a", "b")
    ask(tiers, 0)
    assert ask(tiers, 5) == "b"  # a is slow
    fail(tiers, "b", 6)
    answer(tiers, "a", 7)
    assert ask(tiers, 23.4) == ""
    assert ask(tiers, 23.5) == "b"


def test_c9_silence_of_five_seconds_starts_the_next_of_the_tier_and_the_next_tier() -> None:
    tiers = tier_list("abc", "de", "f")
    assert ask(tiers, 0) == "a"
    assert tiers.next_look(0) == 5
    assert ask(tiers, 4.9) == ""
    assert ask(tiers, 5) == "bd"
    assert ask(tiers, 10) == "cef"
    answer(tiers, "e", 11)
    assert ask(tiers, 12) == ""


def test_c9_a_failure_starts_the_next_at_once() -> None:
    tiers = tier_list("ab", "c")
    ask(tiers, 0)
    fail(tiers, "a", 0.1)
    assert ask(tiers, 0.1) == "b"
    fail(tiers, "b", 0.2)
    assert ask(tiers, 0.2) == "c"


def test_back_off_grows_and_ends_at_an_hour() -> None:
    tiers = tier_list("a")
    waits = []
    now = 0.0
    for _ in range(20):
        assert ask(tiers, now) == "a"
        waits.append(fail(tiers, "a", now).next_at - now)
        now += waits[-1]
    assert waits[:4] == [17.5, 55, 117.5, 205]
    assert waits[-1] == 3600
    assert sorted(waits) == waits


@pytest.mark.parametrize(
    ("interval", "wait"),
    [
        (0, 300),
        (1, 300),
        (-1, 300),
        (299, 300),
        (1800, 1800),
        (86_400, 86_400),
        (2**63 - 1, 86_400),
    ],
)
def test_c5_intervals_are_clamped(interval: int, wait: float) -> None:
    tiers = tier_list("a")
    ask(tiers, 0)
    assert answer(tiers, "a", 10, interval=interval).next_at == 10 + wait


def test_c5_jitter_never_goes_below_the_floor() -> None:
    for seed in range(50):
        tiers = TierList([["http://a/"]], rng=random.Random(seed), schemes=["http"])
        ask(tiers, 0)
        assert 300 <= answer(tiers, "a", 0, interval=310).next_at <= 310


@pytest.mark.parametrize(
    ("retry_in", "wait"), [(1, 300), (10, 600), (10**6, 86_400), (NEVER, math.inf)]
)
def test_c5_retry_in_is_honoured_within_limits(retry_in: float, wait: float) -> None:
    tiers = tier_list("a")
    ask(tiers, 0)
    assert fail(tiers, "a", 0, TrackerFailure("busy", retry_in=retry_in)).next_at == wait
    tiers.peers_are_short()
    assert get(tiers, "a").next_at == wait  # not even when peers are short


def test_404_and_410_silence_a_tracker_for_a_day() -> None:
    tiers = tier_list("a", "b")
    ask(tiers, 0)
    assert fail(tiers, "a", 0, TrackerError("HTTP 410", gone=True)).next_at == 86_400


@pytest.mark.parametrize(
    ("min_interval", "wait"), [(None, 60), (10, 60), (120, 120), (10**9, 1800), (-5, 60)]
)
def test_when_peers_are_short_the_tracker_is_asked_as_soon_as_it_allows(
    min_interval: int | None, wait: float
) -> None:
    tiers = tier_list("a")
    ask(tiers, 0)
    answer(tiers, "a", 0, min_interval=min_interval)
    tiers.peers_are_short()
    assert tiers.next_look(1) == wait


def test_shortage_cried_every_second_does_not_hammer_a_dead_tracker() -> None:
    tiers = tier_list("a")
    asked = []
    for now in range(600):
        tiers.peers_are_short()
        if ask(tiers, now):
            asked.append(now)
            fail(tiers, "a", now)
    assert len(asked) <= 12


def test_c7_an_empty_or_lying_tracker_does_not_keep_the_next_from_being_asked() -> None:
    liar, good = Endpoint("192.0.2.66", 1), Endpoint("192.0.2.1", 6881)
    tiers = tier_list("ab", "c")
    ask(tiers, 0)
    answer(tiers, "a", 0, liar)
    tiers.peers_are_short()
    assert ask(tiers, 1) == "b"
    answer(tiers, "b", 1)  # nobody
    assert ask(tiers, 2) == "c"
    answer(tiers, "c", 2, good)
    tiers.peer_reached(good)
    assert get(tiers, "c").reached
    assert not get(tiers, "a").reached
    assert ask(tiers, 1000) == ""  # peers are no longer short
    assert ask(tiers, 1801) == "b"


def test_c7_only_the_last_200_peers_are_remembered() -> None:
    tiers = tier_list("a")
    for start in range(0, 1000, 100):
        ask(tiers, start * 100)
        answer(
            tiers,
            "a",
            start * 100,
            *(Endpoint("192.0.2.1", port) for port in range(start + 1, start + 101)),
        )
    assert len(get(tiers, "a").handed_out) == 200
    assert get(tiers, "a").peers_given == 1000


def test_started_until_first_answered_then_completed_once() -> None:
    tiers = tier_list("a", "b")
    a, b = list(tiers)
    assert tiers.asked(a, 0) is Event.STARTED
    fail(tiers, "a", 0)
    assert tiers.asked(a, 1) is Event.STARTED
    answer(tiers, "a", 1)
    assert tiers.asked(a, 2) is Event.NONE
    tiers.completed(3)  # while the regular announce is under way
    answer(tiers, "a", 4)
    assert ask(tiers, 4) == "a"
    assert a.event is Event.COMPLETED
    fail(tiers, "a", 4)
    assert tiers.asked(a, 30) is Event.COMPLETED
    answer(tiers, "a", 31)
    assert tiers.asked(a, 32) is Event.NONE
    assert tiers.asked(b, 32) is Event.STARTED  # it never knew us as incomplete
    answer(tiers, "b", 33)
    assert tiers.asked(b, 34) is Event.NONE


def test_bep_27_a_private_torrent_keeps_to_one_tracker() -> None:
    tiers = tier_list("ab", "c", private=True)
    assert ask(tiers, 0) == "a"
    assert ask(tiers, 20) == ""  # however slow
    fail(tiers, "a", 30)
    assert ask(tiers, 30) == "b"
    answer(tiers, "b", 31)
    tiers.peers_are_short()
    for now in (32, 60, 90):
        assert ask(tiers, now) == ""  # a's retry is due, but b works
    assert ask(tiers, 91) == "b"


def test_other_schemes_and_repeated_urls() -> None:
    tiers = TierList(
        [["udp://a/", "HTTP://b/"], ["HTTP://b/", "wss://c/"]], rng=Unshuffled(), schemes=["http"]
    )
    assert [(tracker.url, tracker.supported) for tracker in tiers] == [
        ("udp://a/", False),
        ("HTTP://b/", True),
        ("wss://c/", False),
    ]
    assert [tracker.url for tracker in tiers.due(0)] == ["HTTP://b/"]


def test_no_trackers_is_nothing_to_do() -> None:
    tiers = tier_list()
    assert tiers.due(0) == []
    assert tiers.next_look(0) is None
