import random
from collections import Counter

from node.torrent.choker import Choker, PeerState

SEED = {"seeding": True, "capacity": 0.0}
LEECH = {"seeding": False, "capacity": 0.0}


def state(
    peer: str,
    *,
    rate: float = 0.0,
    interested: bool = True,
    uploaded: int = 0,
    snubbed: bool = False,
    joined: float = -1e3,
    source: str | None = None,
) -> PeerState[str]:
    return PeerState(peer, source or peer, interested, rate, uploaded, snubbed, joined)


def choker_of(slots: int | None, seed: int = 1) -> Choker[str]:
    return Choker(random.Random(seed), slots)


def unchoked(choker: Choker[str], peers: list[PeerState[str]]) -> set[str]:
    return {peer.peer for peer in peers if choker.is_unchoked(peer.peer)}


def test_the_first_to_ask_is_unchoked_at_once_while_slots_are_free() -> None:
    choker = choker_of(2)
    assert choker.peer_interested(state("a"), 0.0)
    assert not choker.peer_interested(state("a"), 0.1)  # it is unchoked already
    assert choker.peer_interested(state("b"), 0.2)
    assert not choker.peer_interested(state("c"), 0.3)
    choker.peer_not_interested("a")
    assert choker.peer_interested(state("c"), 0.4)
    choker.peer_left("b", 0.5)
    choker.peer_left("c", 0.5)
    assert choker.peer_interested(state("d"), 0.6)


def test_with_slots_for_all_everybody_who_asks_is_unchoked() -> None:
    choker = choker_of(4)
    peers = [state("a"), state("b", interested=False), state("c", snubbed=True)]
    for mode in (LEECH, SEED):
        choker.rechoke(peers, 0.0, **mode)
        assert unchoked(choker, peers) == {"a", "c"}


def test_tit_for_tat_rewards_the_best_givers_and_tries_one_other() -> None:
    choker = choker_of(4)
    peers = [state(f"p{i}", rate=i * 1_000) for i in range(10)]
    decision = choker.rechoke(peers, 0.0, **LEECH)
    assert decision.choke == ()
    assert set(decision.unchoke) >= {"p9", "p8", "p7"}
    assert len(decision.unchoke) == 4


def test_givers_that_are_overtaken_are_choked_when_their_time_is_over() -> None:
    choker = choker_of(3)
    choker.rechoke(
        [state(p, rate=r) for p, r in (("a", 9), ("b", 8), ("c", 0), ("d", 0))], 0.0, **LEECH
    )
    peers = [state(p, rate=r) for p, r in (("a", 1), ("b", 2), ("c", 50), ("d", 60))]
    choker.rechoke(peers, 10.0, **LEECH)
    assert {"c", "d"} <= unchoked(choker, peers)
    choker.rechoke(peers, 40.0, **LEECH)
    assert {"c", "d"} <= unchoked(choker, peers)
    assert len(unchoked(choker, peers)) == 3


def test_a_challenger_must_be_clearly_faster() -> None:
    choker = choker_of(1)
    choker.rechoke([state("a", rate=100), state("z")], 0.0, **LEECH)
    choker.rechoke([state("a", rate=100), state("z", rate=109)], 50.0, **LEECH)
    assert choker.is_unchoked("a")
    decision = choker.rechoke([state("a", rate=100), state("z", rate=111)], 60.0, **LEECH)
    assert decision == (("z",), ("a",))


def test_snubbing_costs_the_slot() -> None:
    choker = choker_of(2)
    peers = [state("a", rate=100), state("b", rate=90), state("c", rate=80)]
    choker.rechoke(peers, 0.0, **LEECH)
    assert choker.is_unchoked("a")
    peers[0] = state("a", rate=100, snubbed=True)
    choker.rechoke(peers, 31.0, **LEECH)
    assert choker.is_unchoked("b")
    assert not choker.is_unchoked("a")


def test_no_fibrillation_whoever_was_unchoked_just_now_stays_for_its_time() -> None:
    choker = choker_of(2)
    assert choker.peer_interested(state("late"), 9.9)
    peers = [state("late"), state("a", rate=9), state("b", rate=8), state("c", rate=7)]
    choker.rechoke(peers, 10.0, **LEECH)
    choker.rechoke(peers, 20.0, **LEECH)
    assert unchoked(choker, peers) == {"late", "a"}
    choker.rechoke(peers, 40.0, **LEECH)
    assert "late" not in unchoked(choker, peers)


def test_the_optimistic_slot_goes_round_and_new_peers_are_three_times_as_likely() -> None:
    choker = choker_of(2)
    giver = state("giver", rate=1e6)
    old = [state(f"old{i}", joined=-1e6) for i in range(6)]
    chosen: Counter[bool] = Counter()
    for turn in range(900):
        now = turn * 31.0
        new = [state(f"new{turn % 2}{i}", joined=now - 1) for i in range(2)]
        choker.rechoke([giver, *old, *new], now, **LEECH)
        assert choker.is_unchoked("giver")
        [lucky] = unchoked(choker, old + new)
        chosen[lucky.startswith("new")] += 1
        for peer in new:
            choker.peer_left(peer.peer, now)
    # Two new of weight 3 against six old, one of which may just have had its turn: about half.
    assert 0.45 < chosen[True] / 900 < 0.62


def test_with_no_givers_all_slots_are_tried_on_somebody() -> None:
    choker = choker_of(4)
    peers = [state(f"p{i}") for i in range(10)]
    seen: set[str] = set()
    for turn in range(40):
        choker.rechoke(peers, turn * 31.0, **LEECH)
        assert len(unchoked(choker, peers)) == 4
        seen |= unchoked(choker, peers)
    assert len(seen) == 10


def test_a_peer_that_wants_nothing_keeps_a_spare_slot_but_no_more() -> None:
    choker = choker_of(2)
    choker.peer_interested(state("a"), 0.0)
    idle = state("a", interested=False)
    choker.rechoke([idle, state("b")], 10.0, **LEECH)
    assert choker.is_unchoked("a")
    decision = choker.rechoke([idle, state("b"), state("c")], 20.0, **LEECH)
    assert decision.choke == ("a",)


def test_slots_grow_with_the_upload_rate() -> None:
    choker = choker_of(None)
    assert choker.slots == 8
    for capacity, slots in ((1_000, 4), (100_000, 7), (1_000_000, 24), (1e9, 64)):
        choker.rechoke([], 0.0, seeding=False, capacity=capacity)
        assert choker.slots == slots
    choker.rechoke([], 0.0, seeding=False, capacity=0.0)
    assert choker.slots == 64  # a quiet moment is not a slow line
    assert choker_of(0).slots == 1


def test_one_slot_is_a_slot_for_the_best_giver() -> None:
    choker = choker_of(1)
    peers = [state("a", rate=5), state("b", rate=6), state("c")]
    choker.rechoke(peers, 0.0, **LEECH)
    assert unchoked(choker, peers) == {"b"}


def serve(
    choker: Choker[str], rounds: int, peers_at: "object", rate: int = 1_000_000
) -> Counter[str]:
    """Ten-second rounds of a seed that gives each unchoked peer the same; bytes by source."""
    served: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    for turn in range(rounds):
        now = turn * 10.0
        assert callable(peers_at)
        peers = [p._replace(uploaded=totals[p.peer]) for p in peers_at(turn)]
        choker.rechoke(peers, now, **SEED)
        assert len(unchoked(choker, peers)) == min(choker.slots, len(peers))
        for peer in peers:
            if choker.is_unchoked(peer.peer):
                totals[peer.peer] += rate * 10
                served[peer.source] += rate * 10
    return served


def test_p17_a_seed_serves_everybody_alike() -> None:
    peers = [state(f"p{i}", rate=float(i)) for i in range(12)]
    served = serve(choker_of(4), 360, lambda turn: peers)
    two_turns = 2 * 60 * 1_000_000
    assert max(served.values()) - min(served.values()) <= two_turns
    assert len(served) == 12


def test_p17_three_peers_that_come_again_under_new_names_gain_nothing() -> None:
    honest = [state(f"p{i}") for i in range(12)]
    choker = choker_of(4)

    def peers(turn: int) -> list[PeerState[str]]:
        for i in range(3):
            choker.peer_left(f"evil{i}-{turn - 1}", turn * 10.0)
        evil = [state(f"evil{i}-{turn}", source=f"e{i}", rate=1e9) for i in range(3)]
        return honest + evil

    served = serve(choker, 600, peers)
    alone = serve(choker_of(4), 600, lambda turn: honest)
    worst = min(served[f"p{i}"] / alone[f"p{i}"] for i in range(12))
    assert worst > 0.75  # the share of 12 in 15 is 0.8


def test_p17_newcomers_from_ever_new_addresses_get_a_quarter_at_most() -> None:
    honest = [state(f"p{i}") for i in range(12)]
    choker = choker_of(4)

    def peers(turn: int) -> list[PeerState[str]]:
        for i in range(30):
            choker.peer_left(f"evil{turn - 1}-{i}", turn * 10.0)
        return honest + [state(f"evil{turn}-{i}", joined=turn * 10.0) for i in range(30)]

    choker.rechoke(honest, 0.0, **SEED)
    served = serve(choker, 600, peers)
    share = sum(served[f"p{i}"] for i in range(12)) / sum(served.values())
    assert share > 0.6
    assert len(choker._turns) <= 4_096


def test_a_seed_remembers_the_latest_turns() -> None:
    choker = choker_of(1)
    for turn in range(6_000):
        source = "regular" if turn % 100 == 0 else str(turn)
        choker.peer_interested(state(source), float(turn))
        choker.peer_left(source, float(turn))
    assert len(choker._turns) == 4_096
    assert choker._turns["regular"] == 5_900.0
    assert list(choker._turns.values()) == sorted(choker._turns.values())


def test_a_seed_ends_a_turn_by_time_or_bytes_but_not_at_once() -> None:
    for rate, seconds in ((1_000, 60.0), (10_000_000, 20.0), (3_200_000, 30.0)):
        choker = choker_of(1)
        turns: Counter[str] = Counter()
        first = None
        for second in range(0, 70, 10):
            peers = [state("a", uploaded=second * rate), state("b")]
            choker.rechoke(peers, float(second), **SEED)
            [now_served] = unchoked(choker, peers)
            first = first or now_served
            if now_served == first == "a":
                turns["a"] += 10
            else:
                break
        assert turns["a"] == seconds
