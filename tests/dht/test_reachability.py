"""Serving or read-only, by what comes in by itself (BEP 43)."""

from dht.reachability import (
    _MAX_HOSTS,
    MAPPING_SECONDS,
    PAUSE_SECONDS,
    PROOF_SECONDS,
    TRIAL_CONTACTS,
    TRIAL_SECONDS,
    Reachability,
)

MANY = TRIAL_CONTACTS


def test_a_query_from_a_host_we_did_not_ask_is_the_proof():
    reachability = Reachability(0.0)
    assert reachability.judge(0.0, contacts=MANY) is None
    reachability.queried_by("1.1.1.1", 5.0)
    assert reachability.judge(5.0, contacts=MANY) is True
    assert reachability.judge(5.0 + PROOF_SECONDS, contacts=MANY) is True
    assert reachability.judge(6.0 + PROOF_SECONDS, contacts=MANY) is None, "another trial"


def test_a_query_from_a_host_we_asked_is_none_until_the_mapping_is_gone():
    reachability = Reachability(0.0)
    reachability.sent_to("1.1.1.1", 10.0)
    reachability.queried_by("1.1.1.1", 10.0 + MAPPING_SECONDS)
    assert reachability.judge(310.0, contacts=MANY) is None
    reachability.queried_by("1.1.1.1", 11.0 + MAPPING_SECONDS)
    assert reachability.judge(311.0, contacts=MANY) is True


def test_without_a_proof_the_trial_ends_and_comes_back():
    reachability = Reachability(100.0)
    end = 100.0 + TRIAL_SECONDS
    assert reachability.judge(end, contacts=MANY) is None
    assert reachability.judge(end + 1, contacts=MANY) is False
    assert reachability.judge(end + 1 + PAUSE_SECONDS, contacts=MANY) is False
    assert reachability.judge(end + 2 + PAUSE_SECONDS, contacts=MANY) is None
    reachability.queried_by("1.1.1.1", end + 2 + PAUSE_SECONDS)
    assert reachability.judge(end + 3 + PAUSE_SECONDS, contacts=MANY) is True


def test_in_a_small_network_silence_proves_nothing():
    reachability = Reachability(0.0)
    assert reachability.judge(1e6, contacts=MANY - 1) is None


def test_a_new_network_is_a_new_trial_and_memory_is_bounded():
    reachability = Reachability(0.0)
    assert reachability.judge(TRIAL_SECONDS + 1, contacts=MANY) is False
    reachability.restart(2_000.0)
    assert reachability.judge(2_000.0 + TRIAL_SECONDS, contacts=MANY) is None
    for number in range(_MAX_HOSTS + 10):
        reachability.sent_to(str(number), 0.0)
    assert len(reachability._sent) == _MAX_HOSTS
