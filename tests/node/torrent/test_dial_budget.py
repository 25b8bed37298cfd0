import pytest

from formats.endpoint import Endpoint
from node.torrent.dial_budget import REMEMBERED, DialBudget, ban_key, is_low_port


def dial(budget: DialBudget, endpoint: Endpoint, now: float, *, hearsay: bool = False) -> bool:
    if not budget.may_dial(endpoint, now, hearsay=hearsay):
        return False
    budget.dialled(endpoint, now, hearsay=hearsay)
    return True


def test_x6_a_victim_named_in_many_swarms_is_dialled_three_times_an_hour() -> None:
    budget = DialBudget()
    dials = [
        now
        for now in range(0, 4 * 3_600, 10)
        if dial(budget, Endpoint("8.8.8.8", 6_000 + now % 50), float(now))
    ]
    for start in range(0, 3 * 3_600, 60):
        assert sum(start <= now < start + 3_600 for now in dials) <= 3
    assert len(dials) == 12


def test_x6_a_handshake_clears_the_address() -> None:
    budget = DialBudget()
    victim = Endpoint("8.8.8.8", 6_881)
    for now in range(100):
        assert dial(budget, victim, float(now))
        budget.succeeded(victim)


def test_x6_peers_on_the_loopback_are_told_apart_by_port() -> None:
    budget = DialBudget()
    for _ in range(3):
        assert dial(budget, Endpoint("127.0.0.1", 1_000), 0.0)
    assert not dial(budget, Endpoint("127.0.0.1", 1_000), 1.0)
    assert dial(budget, Endpoint("127.0.0.1", 1_001), 1.0)


def test_x5_hearsay_gets_two_dials_a_minute_into_one_network() -> None:
    budget = DialBudget()
    addresses = [Endpoint(f"8.8.8.{i}", 6_881) for i in range(1, 200)]
    dials = [
        now
        for now, endpoint in enumerate(addresses)
        if dial(budget, endpoint, float(now), hearsay=True)
    ]
    assert dials == [0, 1, 60, 61, 120, 121, 180, 181]
    assert dial(budget, Endpoint("8.8.9.1", 6_881), 199.0, hearsay=True)
    assert dial(budget, Endpoint("8.8.8.250", 6_881), 199.0)  # a tracker vouches for it


def test_x5_an_ipv6_network_is_a_56() -> None:
    budget = DialBudget()
    for host, granted in (
        ("2a00::1", 1),
        ("2a00:0:0:1::1", 1),
        ("2a00:0:0:2::1", 0),
        ("2a00:0:0:100::", 1),
    ):
        assert dial(budget, Endpoint(host, 6_881), 0.0, hearsay=True) == granted


def test_x4_low_ports_by_hearsay_get_one_dial_in_twenty() -> None:
    budget = DialBudget()
    low = 0
    for i in range(400):
        low += dial(budget, Endpoint(f"9.{i // 250}.{i % 250}.1", 80), 0.0, hearsay=True)
        dial(budget, Endpoint(f"10.{i // 250}.{i % 250}.1", 6_881), 0.0)
    assert low == 20


@pytest.mark.parametrize(
    ("port", "low"), [(25, True), (1_023, True), (8_080, True), (1_024, False), (6_881, False)]
)
def test_x4_low_ports(port: int, low: bool) -> None:
    assert is_low_port(port) is low


def test_memory_is_bounded() -> None:
    budget = DialBudget()
    for i in range(2 * REMEMBERED):
        budget.dialled(Endpoint(f"9.{i >> 8}.{i & 255}.1", 6_881), 0.0, hearsay=True)
    assert len(budget._tries) == len(budget._subnets) == REMEMBERED


def test_ban_keys() -> None:
    assert ban_key(Endpoint("8.8.8.8", 1)) == "8.8.8.8"
    assert ban_key(Endpoint("192.168.0.1", 1)) == "192.168.0.1"
    assert ban_key(Endpoint("::1", 1)) == "[::1]:1"
