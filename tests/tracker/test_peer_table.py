import random
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tracker.peer_table import ABSENT, PeerTable


def owner(number: int) -> bytes:
    return number.to_bytes(8, "big")


def filled(leeches: int, seeds: int = 0) -> PeerTable:
    """Peers 10.0.x.y:1000; the first `leeches` are leeches."""
    table = PeerTable(4)
    for number in range(leeches + seeds):
        ip = b"\x0a\x00" + number.to_bytes(2, "big")
        table.add(ip, 1000, seed=number >= leeches, seen=number, draw=0, owner=owner(number))
    return table


def endpoints(compact: bytes, width: int = 6) -> list[bytes]:
    return [compact[at : at + width] for at in range(0, len(compact), width)]


class PeerTableMachine(RuleBasedStateMachine):
    """The packed table against a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.table = PeerTable(4)
        self.model: dict[tuple[bytes, int], tuple[bool, int]] = {}

    ips = st.sampled_from([bytes([1, 2, 3, n]) for n in range(4)])
    ports = st.integers(1, 5)

    @rule(ip=ips, port=ports, seed=st.booleans(), seen=st.integers(0, 100))
    def announce(self, ip: bytes, port: int, seed: bool, seen: int) -> None:
        slot = self.table.find(ip, port)
        assert (slot == ABSENT) == ((ip, port) not in self.model)
        if slot == ABSENT:
            slot = self.table.add(ip, port, seed=seed, seen=seen, draw=7, owner=owner(seen))
        else:
            if seed != (slot < self.table.seeds):
                slot = self.table.regroup(slot, seed=seed)
            self.table.refresh(slot, seen=seen, draw=7, owner=owner(seen))
        self.model[ip, port] = (seed, seen)
        assert self.table.find(ip, port) == slot

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        ip, port = data.draw(st.sampled_from(sorted(self.model)))
        self.table.remove(self.table.find(ip, port))
        del self.model[ip, port]

    @rule(oldest=st.integers(0, 100))
    def sweep(self, oldest: int) -> None:
        stale = [key for key, (_, seen) in self.model.items() if seen < oldest]
        size = self.table.size
        assert self.table.sweep(oldest, budget=100) == (True, size, len(stale))
        for key in stale:
            del self.model[key]

    @invariant()
    def agree(self) -> None:
        assert self.table.size == len(self.model)
        assert self.table.seeds == sum(seed for seed, _ in self.model.values())
        for (ip, port), (seed, seen) in self.model.items():
            slot = self.table.find(ip, port)
            assert (slot < self.table.seeds) == seed
            assert self.table.details(slot) == (seen, 7, owner(seen))
        for ip in {ip for ip, _ in self.model}:
            assert self.table.ports_of(ip) == sum(other == ip for other, _ in self.model)
        everyone = endpoints(self.table.sample(100, draw=0, first=0))
        assert sorted(everyone) == sorted(ip + bytes([0, port]) for ip, port in self.model)


PeerTableMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None
)
TestPeerTable = PeerTableMachine.TestCase


@pytest.mark.parametrize("size", [1, 2, 3, 50, 51, 52, 60, 64, 100, 1024])
def test_a_sample_has_no_duplicates_and_never_the_asker(size: int) -> None:
    table = filled(size)
    rng = random.Random(size)
    for _ in range(50):
        skip = rng.randrange(size)
        picked = endpoints(table.sample(50, draw=rng.getrandbits(32), first=0, skip=skip))
        assert len(picked) == len(set(picked)) == min(50, size - 1)
        assert b"\x0a\x00" + skip.to_bytes(2, "big") + b"\x03\xe8" not in picked


def test_every_peer_is_as_likely_as_any_other() -> None:
    table = filled(200)
    rng = random.Random(3)
    seen: Counter[bytes] = Counter()
    for _ in range(4000):
        seen.update(endpoints(table.sample(20, draw=rng.getrandbits(32), first=0, skip=17)))
    assert len(seen) == 199
    expected = 4000 * 20 / 199
    chi_square = sum((count - expected) ** 2 / expected for count in seen.values())
    assert chi_square < 260  # 198 degrees of freedom: 0.1 % is 264, and picks repel each other


def test_k10_the_same_draw_gives_the_same_peers() -> None:
    table = filled(500)
    assert table.sample(50, draw=12345, first=0) == table.sample(50, draw=12345, first=0)
    assert table.sample(50, draw=12345, first=0) != table.sample(50, draw=54321, first=0)


def test_a_sample_from_the_leeches_holds_no_seed() -> None:
    table = filled(leeches=70, seeds=30)
    picked = endpoints(table.sample(50, draw=99, first=table.seeds))
    assert len(picked) == 50
    assert all(int.from_bytes(endpoint[2:4], "big") < 70 for endpoint in picked)
    assert table.sample(0, draw=99, first=0) == b""


def test_a_sample_for_another_family_leaves_out_the_same_owner() -> None:
    table = filled(10)
    picked = endpoints(table.sample_of_others(50, draw=1, first=0, owner=owner(4)))
    assert len(picked) == 9
    assert b"\x0a\x00\x00\x04\x03\xe8" not in picked


def test_a_sweep_goes_on_where_its_budget_ended() -> None:
    table = filled(100)
    assert table.sweep(50, budget=30) == (False, 30, 0)
    assert table.sweep(50, budget=30) == (False, 30, 10)
    finished, examined, removed = table.sweep(50, budget=40)
    assert (finished, examined, removed) == (True, 40, 40)
    assert table.size == 50
