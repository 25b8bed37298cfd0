from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from node.torrent.availability import Availability

COUNT = 12
EVERYTHING = (1 << COUNT) - 1
changes = st.lists(
    st.tuples(st.integers(0, 9), st.one_of(st.integers(0, EVERYTHING), st.just(EVERYTHING)))
)


@given(changes, st.integers(0, EVERYTHING))
def test_counts_are_those_of_a_plain_count(history: list[tuple[int, int]], candidates: int) -> None:
    availability = Availability(EVERYTHING)
    peers: dict[int, int] = {}
    for peer, bits in history:
        availability.changed(peers.get(peer, 0), bits)
        peers[peer] = bits
    plain = Counter(i for bits in peers.values() for i in range(COUNT) if bits >> i & 1)
    assert [availability.count(i) for i in range(COUNT)] == [plain[i] for i in range(COUNT)]
    assert availability.seeds == sum(bits == EVERYTHING for bits in peers.values())
    wanted = [i for i in range(COUNT) if candidates >> i & 1]
    least = min((plain[i] for i in wanted), default=0)
    assert availability.rarest(candidates) == sum(1 << i for i in wanted if plain[i] == least)
    partial = [bits for bits in peers.values() if bits != EVERYTHING]
    union = 0
    for bits in partial:
        union |= bits
    assert availability.at_least_one() == union
    for bits in peers.values():
        availability.changed(bits, 0)
    assert availability.seeds == availability.at_least_one() == 0


def test_a_seed_costs_no_plane_operation() -> None:
    availability = Availability(EVERYTHING)
    for _ in range(200):
        availability.changed(0, EVERYTHING)
    assert availability.count(3) == 200
    assert availability.at_least_one() == 0
