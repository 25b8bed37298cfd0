import pytest

from node.torrent.token_bucket import TokenBucket, take_all, wait_all


def test_an_unlimited_bucket_grants_everything() -> None:
    bucket = TokenBucket(None, 0.0)
    assert bucket.take(10**12, 0.0) == 10**12
    assert bucket.wait(10**12, 0.0) == 0.0
    assert bucket.available(0.0) is None
    bucket.spend(10**12, 0.0)
    assert bucket.take(1, 0.0) == 1


def test_tokens_drip_at_the_rate_up_to_the_burst() -> None:
    bucket = TokenBucket(1_000, 0.0, burst=500)
    assert bucket.take(800, 0.0) == 500
    assert bucket.take(1, 0.0) == 0
    assert bucket.wait(100, 0.0) == pytest.approx(0.1)
    assert bucket.take(800, 0.1) == 100
    assert bucket.take(800, 60.0) == 500
    assert bucket.wait(10_000, 60.0) == pytest.approx(0.5)  # never more than a burst


def test_over_a_minute_the_rate_is_kept() -> None:
    bucket = TokenBucket(1_000_000, 0.0)
    granted = sum(bucket.take(16_384, tick * 0.01) for tick in range(6_001))
    assert 60_000_000 <= granted <= 60_300_000


def test_the_slowest_limit_still_lets_a_block_through() -> None:
    bucket = TokenBucket(100, 0.0)
    assert bucket.take(16_384, 0.0) == 16_384
    assert bucket.wait(16_384, 1.0) == 0.0


def test_a_debt_is_paid_before_anything_is_granted() -> None:
    bucket = TokenBucket(1_000, 0.0, burst=1_000)
    bucket.spend(3_000, 0.0)
    assert bucket.available(0.0) == 0
    assert bucket.wait(1, 0.0) == pytest.approx(2.001)
    assert bucket.take(10, 1.0) == 0
    assert bucket.take(10, 2.5) == 10


def test_a_rate_of_nothing_never_grants() -> None:
    bucket = TokenBucket(0, 0.0, burst=10)
    assert bucket.take(20, 0.0) == 10
    assert bucket.wait(1, 9.0) == float("inf")


def test_the_rate_can_change() -> None:
    bucket = TokenBucket(None, 0.0)
    bucket.set_rate(1_000, 5.0, burst=100)
    assert bucket.rate == 1_000
    assert bucket.take(1_000, 5.0) == 100
    bucket.set_rate(None, 6.0)
    assert bucket.take(1_000, 6.0) == 1_000


def test_the_tightest_of_several_limits_counts_and_none_is_overdrawn() -> None:
    everybody, torrent = TokenBucket(1_000, 0.0, burst=300), TokenBucket(1_000, 0.0, burst=200)
    assert take_all((everybody, torrent), 250, 0.0) == 200
    assert everybody.available(0.0) == 100
    assert take_all((everybody, torrent), 250, 0.0) == 0
    assert everybody.available(0.0) == 100
    assert wait_all((everybody, torrent), 150, 0.0) == pytest.approx(0.15)
    assert take_all((), 250, 0.0) == 250
    assert wait_all((), 250, 0.0) == 0.0
