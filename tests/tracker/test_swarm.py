import random
import tracemalloc

import pytest

from formats.endpoint import unpack4, unpack6
from formats.identifiers import InfoHash, PeerId
from tracker.announce import AnnounceRequest, Event, SwarmCounts
from tracker.errors import NEVER, TrackerFailure
from tracker.swarm import Answer, SwarmLimits, Swarms

HASH = InfoHash(b"h" * 20)


def request(
    *,
    port: int = 6881,
    peer: str = "a",
    left: int = 1,
    event: Event = Event.NONE,
    numwant: int = 50,
    info_hash: bytes = HASH,
) -> AnnounceRequest:
    peer_id = PeerId(peer.encode().rjust(20, b"-"))
    return AnnounceRequest(
        InfoHash(info_hash), peer_id, port, left=left, event=event, numwant=numwant
    )


def ip(number: int) -> bytes:
    return b"\x0a" + number.to_bytes(3, "big")


def swarms(**limits: int) -> Swarms:
    return Swarms(rng=random.Random(5), limits=SwarmLimits(**limits))


def fill(tracker: Swarms, count: int, *, left: int = 1, first: int = 0) -> None:
    for number in range(first, first + count):
        tracker.announce(request(peer=str(number), left=left), ip(number), now=0)


def test_peers_find_one_another_and_never_themselves() -> None:
    tracker = swarms()
    assert tracker.announce(request(peer="a"), ip(1), now=0).peers4 == b""
    answer = tracker.announce(request(peer="b", port=51413), ip(2), now=1)
    assert unpack4(answer.peers4) == [("10.0.0.1", 6881)]
    assert answer.counts == SwarmCounts(complete=0, incomplete=2, downloaded=0)
    assert unpack4(tracker.announce(request(peer="a"), ip(1), now=2).peers4) == [
        ("10.0.0.2", 51413)
    ]


def test_seeds_are_not_given_to_seeds() -> None:
    tracker = swarms()
    fill(tracker, 3, left=0)
    fill(tracker, 2, left=5, first=3)
    seed = tracker.announce(request(peer="s", left=0), ip(9), now=1)
    assert {host for host, _ in unpack4(seed.peers4)} == {"10.0.0.3", "10.0.0.4"}
    leech = tracker.announce(request(peer="l", left=7), ip(10), now=1)
    assert len(unpack4(leech.peers4)) == 6


@pytest.mark.parametrize(("wanted", "given"), [(0, 0), (1, 1), (50, 50), (100, 100), (10**6, 100)])
def test_k6_numwant_is_clamped(wanted: int, given: int) -> None:
    tracker = swarms()
    fill(tracker, 150)
    answer = tracker.announce(request(peer="x", numwant=wanted), ip(999), now=1)
    assert len(unpack4(answer.peers4)) == given


def test_both_families_meet_and_a_peer_is_not_its_own_other_address() -> None:
    tracker = swarms()
    v6 = bytes.fromhex("20010db8000000000000000000000001")
    tracker.announce(request(peer="both"), ip(1), now=0)
    alone = tracker.announce(request(peer="both"), v6, now=0)
    assert (alone.peers4, alone.peers6) == (b"", b"")
    answer = tracker.announce(request(peer="other"), ip(2), now=0)
    assert unpack4(answer.peers4) == [("10.0.0.1", 6881)]
    assert unpack6(answer.peers6) == [("2001:db8::1", 6881)]
    six = tracker.announce(request(peer="six"), v6[:15] + b"\2", now=0)
    assert len(unpack4(six.peers4)) == 2
    assert unpack6(six.peers6) == [("2001:db8::1", 6881)]


def test_both_families_together_stay_within_numwant() -> None:
    tracker = swarms()
    fill(tracker, 60)
    for number in range(60):
        v6 = b"\x20\x01" + bytes(12) + number.to_bytes(2, "big")
        tracker.announce(request(peer=f"six{number}"), v6, now=0)
    answer = tracker.announce(request(peer="x", numwant=80), ip(999), now=0)
    assert (len(unpack4(answer.peers4)), len(unpack6(answer.peers6))) == (60, 20)


def test_k5_one_address_holds_at_most_eight_ports_of_a_swarm() -> None:
    tracker = swarms()
    for port in range(1000, 1020):
        tracker.announce(request(port=port, peer=str(port)), ip(1), now=0)
    assert tracker.peers == 8
    assert tracker.rejected["ports per address"] == 12
    tracker.announce(request(port=1000, peer="again"), ip(1), now=0)
    assert tracker.peers == 8


def test_k5_loopback_is_not_limited() -> None:
    tracker = swarms()
    for port in range(1000, 1050):
        tracker.announce(request(port=port, peer=str(port)), b"\x7f\0\0\1", now=0)
    assert tracker.peers == 50


def test_k7_new_torrents_of_one_address_are_limited_by_the_minute() -> None:
    tracker = swarms()
    for number in range(100):
        tracker.announce(request(info_hash=number.to_bytes(20, "big")), ip(1), now=0)
    with pytest.raises(TrackerFailure, match="too many new torrents") as refusal:
        tracker.announce(request(info_hash=b"n" * 20), ip(1), now=30)
    assert refusal.value.retry_in == 2
    tracker.announce(request(info_hash=b"o" * 20), ip(2), now=30)
    tracker.tick(60.0)
    tracker.announce(request(info_hash=b"n" * 20), ip(1), now=61)
    assert len(tracker) == 102


def test_k7_one_ipv6_network_counts_as_one_address() -> None:
    tracker = swarms(new_torrents_per_minute=2)
    network = bytes.fromhex("20010db8000000")
    for number in range(2):
        address = network + number.to_bytes(9, "big")
        tracker.announce(request(info_hash=bytes([number]) * 20), address, now=0)
    with pytest.raises(TrackerFailure):
        tracker.announce(request(info_hash=b"x" * 20), network + b"\xff" * 9, now=0)


def test_k7_a_full_tracker_forgets_empty_then_idle_torrents_then_refuses() -> None:
    tracker = swarms(torrents=2)
    one, two, three, four = (bytes([number]) * 20 for number in range(4))
    tracker.announce(request(info_hash=one), ip(1), now=0)
    tracker.announce(request(info_hash=two), ip(1), now=10)
    with pytest.raises(TrackerFailure, match="full") as refusal:
        tracker.announce(request(info_hash=three), ip(1), now=20)
    assert refusal.value.retry_in == 30
    tracker.announce(request(info_hash=two, event=Event.STOPPED), ip(1), now=30)
    tracker.announce(request(info_hash=three), ip(1), now=40)  # instead of the empty one
    assert (len(tracker), tracker.peers) == (2, 2)
    tracker.announce(request(info_hash=four), ip(1), now=2000)  # instead of the idle one
    assert (len(tracker), tracker.peers) == (2, 2)
    assert tracker.scrape([InfoHash(one)])[InfoHash(one)] == (0, 0, 0)


def test_k7_beyond_the_peer_cap_peers_are_answered_but_not_stored() -> None:
    tracker = swarms(peers=10)
    fill(tracker, 12)
    assert tracker.peers == 10
    assert tracker.rejected["peers full"] == 2
    assert len(unpack4(tracker.announce(request(peer="x"), ip(99), now=1).peers4)) == 10


def test_k7_an_allow_list_refuses_for_ever() -> None:
    tracker = Swarms(rng=random.Random(1), allowed={HASH})
    tracker.announce(request(), ip(1), now=0)
    with pytest.raises(TrackerFailure, match="does not serve") as refusal:
        tracker.announce(request(info_hash=b"x" * 20), ip(1), now=0)
    assert refusal.value.retry_in == NEVER


def test_k10_within_min_interval_the_same_peers_come_again() -> None:
    tracker = swarms()
    fill(tracker, 500)

    def ask(now: float) -> Answer:
        return tracker.announce(request(peer="greedy"), ip(999), now=now)

    first = ask(10)
    assert all(ask(10 + second) == first for second in range(0, 300, 30))
    later = ask(310)
    assert set(unpack4(later.peers4)) != set(unpack4(first.peers4))


def test_k11_only_the_announced_peer_id_takes_a_peer_out() -> None:
    tracker = swarms()
    tracker.announce(request(peer="victim"), ip(1), now=0)
    for address, port, peer in [
        (ip(1), 6881, "thief"),
        (ip(1), 1, "victim"),
        (ip(2), 6881, "victim"),
    ]:
        tracker.announce(request(port=port, peer=peer, event=Event.STOPPED), address, now=1)
        assert tracker.peers == 1
    assert tracker.rejected["stop for another"] == 1
    gone = tracker.announce(request(peer="victim", event=Event.STOPPED), ip(1), now=1)
    assert (tracker.peers, gone.peers4) == (0, b"")


def test_completed_counts_once_and_moves_the_peer_to_the_seeds() -> None:
    tracker = swarms()
    tracker.announce(request(left=9, event=Event.STARTED), ip(1), now=0)
    for _ in range(3):
        answer = tracker.announce(request(left=0, event=Event.COMPLETED), ip(1), now=1)
    assert answer.counts == SwarmCounts(complete=1, incomplete=0, downloaded=1)
    assert tracker.seeds == 1
    back = tracker.announce(request(left=9), ip(1), now=2)
    assert back.counts == SwarmCounts(complete=0, incomplete=1, downloaded=1)
    assert tracker.seeds == 0


def test_a_silent_peer_is_dropped_between_one_and_a_half_and_two_intervals() -> None:
    tracker = swarms(interval=1800)
    fill(tracker, 3)
    dropped_at = []
    for now in range(0, 4000, 50):
        before = tracker.peers
        if now <= 2000:
            tracker.announce(request(peer="alive"), ip(77), now=now)
        tracker.tick(now)
        if tracker.peers < before:
            dropped_at.append((now, before - tracker.peers))
    assert [count for _, count in dropped_at] == [3]
    assert 1.5 * 1800 <= dropped_at[0][0] <= 2 * 1800
    for now in range(4000, 7000, 50):
        tracker.tick(now)
    assert (tracker.peers, tracker.seeds, len(tracker)) == (0, 0, 0)


def test_a_tick_examines_no_more_than_its_budget() -> None:
    tracker = swarms(sweep_budget=100)
    fill(tracker, 450, left=0)
    for tick in range(1, 6):
        tracker.tick(10_000)
        assert tracker.peers == max(450 - 100 * tick, 0)
    assert tracker.seeds == 0


def test_the_interval_is_spread_over_a_tenth() -> None:
    tracker = swarms(interval=1000)
    intervals = {tracker.announce(request(peer=str(n)), ip(n), now=0).interval for n in range(300)}
    assert min(intervals) >= 1000
    assert max(intervals) <= 1100
    assert len(intervals) > 60


def test_b11_a_hundred_thousand_peers_take_less_than_25_mb() -> None:
    tracker = swarms(new_torrents_per_minute=10**6)
    hashes = [number.to_bytes(20, "big") for number in range(20)]
    tracemalloc.start()
    for number in range(10_000):
        answer = tracker.announce(
            request(peer=str(number), info_hash=hashes[number % 20], numwant=0), ip(number), now=0
        )
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.counts.incomplete == 500
    assert size < 2_500_000
