import random

from node.torrent.rates import Rate


def test_a_steady_flow_is_its_rate() -> None:
    rate = Rate(100.25)
    for tick in range(1, 400):
        rate.add(1_000, 100.25 + tick * 0.1)
    assert abs(rate.rate(140.15) - 10_000) < 300
    assert rate.total == 399_000


def test_a_young_meter_divides_by_its_age_but_not_by_nothing() -> None:
    rate = Rate(10.0)
    rate.add(16_384, 10.0)
    assert rate.rate(10.0) == 32_768
    assert rate.rate(12.0) == 8_192


def test_what_is_older_than_the_window_is_forgotten() -> None:
    rate = Rate(0.0)
    rate.add(1_000_000, 0.5)
    assert rate.rate(19.9) > 50_000
    assert rate.rate(20.0) == 0.0
    assert rate.total == 1_000_000
    rate.add(19_500, 1_000_000.5)
    assert rate.rate(1_000_000.5) == 1_000


def test_the_sum_is_that_of_the_slots() -> None:
    rng = random.Random(1)
    rate = Rate(0.0, window=5)
    history: list[tuple[float, int]] = []
    now = 0.0
    for _ in range(500):
        now += rng.choice((0.0, 0.1, 0.9, 1.0, 3.0, 5.0, 7.0))
        size = rng.randrange(1, 100)
        history.append((now, size))
        rate.add(size, now)
        within = sum(size for when, size in history if int(when) > int(now) - 5)
        span = max(0.5, min(now, 4 + now - int(now)))
        assert abs(rate.rate(now) - within / span) < 1e-6
