"""Budgets per source, network and for all replies; what a source of unproved address gets."""

import pytest

from dht.source_budget import (
    MAX_REPLY,
    MAX_SOURCES,
    UNBOUNDED,
    VERIFIED_SECONDS,
    Allowance,
    BudgetLimits,
    Drop,
    SourceBudget,
)
from formats.endpoint import Endpoint

SOURCE = Endpoint("1.2.3.4", 6881)


def host(number: int, port: int = 6881) -> Endpoint:
    return Endpoint(f"9.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", port)


def test_d9_the_bounds() -> None:
    limits = BudgetLimits()
    assert (limits.host_rate, limits.host_burst, limits.mute_seconds) == (5, 50, 300)
    assert (limits.subnet_rate, limits.reply_bytes, MAX_SOURCES) == (50, 64_000, 4096)


@pytest.mark.parametrize("start", [0.0, 1e6])
def test_d9_fifty_at_once_then_five_minutes_of_silence(start: float) -> None:
    budget = SourceBudget(start)
    verdicts = [budget.admit(SOURCE, start) for _ in range(60)]
    assert verdicts == 50 * [None] + [Drop.HOST] + 9 * [Drop.MUTED]
    assert budget.admit(SOURCE, start + 299.0) is Drop.MUTED
    assert budget.admit(SOURCE._replace(port=1), start + 299.0) is Drop.MUTED
    assert budget.admit(SOURCE, start + 300.0) is None
    assert budget.drops == {Drop.HOST: 1, Drop.MUTED: 11}


def test_d9_five_a_second_is_no_flood() -> None:
    budget = SourceBudget(0.0)
    assert {budget.admit(SOURCE, 0.2001 * turn) for turn in range(1000)} == {None}
    budget = SourceBudget(0.0)
    assert Drop.HOST in {budget.admit(SOURCE, 0.19 * turn) for turn in range(2000)}


def test_d9_a_network_of_256_addresses_shares_one_budget() -> None:
    budget = SourceBudget(0.0)
    verdicts = [budget.admit(host(number % 256), 0.0) for number in range(600)]
    assert verdicts == 500 * [None] + 100 * [Drop.SUBNET]
    assert budget.admit(host(256), 0.0) is None  # another /24
    assert [budget.admit(host(number), 1.0) for number in range(60)].count(None) == 50
    assert budget.admit(Endpoint("2a00:0:0:1::1", 1), 1.0) is None


def test_d9_a_muted_host_does_not_use_up_its_networks_budget() -> None:
    budget = SourceBudget(0.0)
    for _ in range(5000):
        budget.admit(host(1), 0.0)
    assert [budget.admit(host(2), 0.0) for _ in range(50)] == 50 * [None]


def test_d9_when_all_reply_bytes_are_used_up_nothing_is_decoded_until_there_are_more() -> None:
    budget = SourceBudget(0.0, BudgetLimits(reply_bytes=1000))
    assert budget.admit(host(1), 0.0) is None
    budget.spend(900)
    assert budget.admit(host(2), 0.0) is None
    budget.spend(400)  # the last may overdraw
    assert budget.admit(host(3), 0.0) is Drop.REPLIES
    assert budget.admit(host(3), 0.25) is Drop.REPLIES
    assert budget.admit(host(3), 0.35) is None
    assert budget.drops[Drop.REPLIES] == 2


def test_d8_in_the_long_run_replies_stay_within_their_rate() -> None:
    budget = SourceBudget(0.0)
    sent = 0
    for turn in range(20_000):
        if budget.admit(host(turn * 300), turn * 0.001) is None:
            budget.spend(700)
            sent += 700
    assert 64_000 * 20 <= sent <= 64_000 * 21 + 1280


def test_d9_sources_remembered_are_bounded_and_the_one_heard_longest_ago_goes() -> None:
    budget = SourceBudget(0.0)
    for _ in range(51):
        budget.admit(SOURCE, 0.0)
    assert budget.admit(SOURCE, 0.0) is Drop.MUTED
    for number in range(MAX_SOURCES - 1):
        budget.admit(host(number * 256), 0.0)
    assert budget.admit(SOURCE, 0.0) is Drop.MUTED  # heard of again: remembered
    for number in range(MAX_SOURCES):
        budget.admit(host(number * 256 + 1), 0.0)
    assert budget.admit(SOURCE, 0.0) is None


def test_d1_port_0_is_dropped() -> None:
    budget = SourceBudget(0.0)
    assert budget.admit(Endpoint("1.2.3.4", 0), 0.0) is Drop.PORT_ZERO
    assert budget.drops == {Drop.PORT_ZERO: 1}


@pytest.mark.parametrize("local", ["127.0.0.1", "::1"])
def test_d9_on_the_loopback_each_port_is_a_source(local: str) -> None:
    budget = SourceBudget(0.0)
    for port in range(1, 101):
        assert [budget.admit(Endpoint(local, port), 0.0) for _ in range(50)] == 50 * [None]
    assert budget.admit(Endpoint(local, 1), 0.0) is Drop.HOST


def test_d8_a_stranger_gets_three_times_its_bytes_and_no_values() -> None:
    budget = SourceBudget(0.0)
    assert budget.allowance(SOURCE, 95, 0.0) == Allowance(285, values=False)
    assert budget.allowance(SOURCE, 1400, 0.0) == Allowance(MAX_REPLY, values=False)
    generous = SourceBudget(0.0, BudgetLimits(values_for_strangers=True))
    assert generous.allowance(SOURCE, 95, 0.0) == Allowance(285, values=True)


def test_d8_who_answered_us_within_ten_minutes_gets_whole_replies() -> None:
    budget = SourceBudget(0.0)
    budget.verified(SOURCE, 100.0)
    assert budget.allowance(SOURCE, 95, 100.0 + VERIFIED_SECONDS) == UNBOUNDED
    assert not budget.allowance(SOURCE, 95, 101.0 + VERIFIED_SECONDS).values
    assert not budget.allowance(SOURCE._replace(port=53), 95, 100.0).values  # another program


def test_d8_only_those_who_answer_make_room_among_those_who_answered() -> None:
    budget = SourceBudget(0.0)
    budget.verified(SOURCE, 0.0)
    for number in range(2 * MAX_SOURCES):
        budget.admit(host(number), 0.0)
    assert budget.is_verified(SOURCE, 0.0)
    for number in range(MAX_SOURCES):
        budget.verified(host(number), 0.0)
    assert not budget.is_verified(SOURCE, 0.0)
