from tracker.source_budget import BudgetLimits, SourceBudget

HERE, THERE = b"\1\2\3\4", b"\1\2\3\5"
LIMITS = BudgetLimits(rate=10.0, burst=3, networks=2)


def admitted(budget: SourceBudget, ip: bytes, now: float, count: int = 10) -> int:
    return sum(budget.admits(ip, now) for _ in range(count))


def test_k9_a_burst_and_then_the_rate() -> None:
    budget = SourceBudget(LIMITS)
    assert admitted(budget, HERE, 5.0) == 3
    assert admitted(budget, THERE, 5.0) == 3
    assert admitted(budget, HERE, 5.1) == 1
    assert admitted(budget, HERE, 5.3) == 2
    assert admitted(budget, HERE, 50.0) == 3


def test_k9_an_ipv6_subscriber_has_one_budget() -> None:
    budget = SourceBudget(LIMITS)
    network = bytes.fromhex("26000000000001")
    assert admitted(budget, network + bytes(9), 0.0) == 3
    assert admitted(budget, network + b"\xff" + bytes(8), 0.0) == 0
    assert admitted(budget, bytes.fromhex("26000000000002") + bytes(9), 0.0) == 3


def test_k9_loopback_is_not_counted() -> None:
    budget = SourceBudget(LIMITS)
    assert admitted(budget, b"\x7f\0\0\1", 0.0, 100) == 100
    assert admitted(budget, bytes(15) + b"\1", 0.0, 100) == 100


def test_g6_the_table_has_an_end() -> None:
    budget = SourceBudget(LIMITS)
    for number in range(100):
        budget.admits(bytes((1, 1, 1, number)), 0.0)
    assert len(budget._spent_until) == 2
    assert admitted(budget, bytes((1, 1, 1, 99)), 0.0) == 2
    assert admitted(budget, bytes((1, 1, 1, 0)), 0.0) == 3
