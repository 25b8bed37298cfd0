"""The store of announced peers: its bounds, what it forgets, and fair samples."""

import random
from collections import Counter

import pytest

from dht.bloom import bloom_filter
from dht.peer_store import (
    MAX_SAMPLES,
    PEER_LIFETIME,
    SAMPLES_INTERVAL,
    PeerLimits,
    PeerStore,
)
from formats.endpoint import Endpoint, pack

HASH = b"h" * 20
SMALL = PeerLimits(swarms=3, peers=4, swarms_of_host=2)


def peer(number: int, port: int = 6881) -> bytes:
    return pack(Endpoint(f"9.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", port))


def swarm(number: int) -> bytes:
    return number.to_bytes(20, "big")


def store(limits: PeerLimits | None = None) -> PeerStore:
    return PeerStore(random.Random(1), limits)


def test_d10_the_bounds_are_those_of_libtorrent() -> None:
    assert PeerLimits() == PeerLimits(swarms=2_000, peers=500, swarms_of_host=20)


def test_a_peer_is_found_for_half_an_hour() -> None:
    peers = store()
    assert peers.announce(HASH, peer(1), seed=False, now=0.0)
    assert peers.announce(HASH, peer(2), seed=False, now=100.0)
    assert peers.peers(HASH, 50, now=PEER_LIFETIME - 1) == (peer(1), peer(2))
    assert peers.peers(HASH, 50, now=PEER_LIFETIME) == (peer(2),)
    assert peers.peers(HASH, 50, now=PEER_LIFETIME + 100) == ()
    assert (len(peers), peers.peer_count) == (0, 0)
    assert peers.peers(b"x" * 20, 50, now=0.0) == ()


def test_an_announce_again_renews_and_the_last_port_counts() -> None:
    peers = store()
    peers.announce(HASH, peer(1, 1000), seed=False, now=0.0)
    peers.announce(HASH, peer(2), seed=False, now=1.0)
    assert peers.peers(HASH, 50, now=1.0) == (peer(1, 1000), peer(2))
    peers.announce(HASH, peer(1, 2000), seed=True, now=1000.0)
    assert set(peers.peers(HASH, 50, now=1000.0)) == {peer(1, 2000), peer(2)}
    assert peers.peer_count == 2
    assert peers.peers(HASH, 50, now=PEER_LIFETIME + 500) == (peer(1, 2000),)


def test_d10_a_full_swarm_gives_up_the_peer_announced_longest_ago() -> None:
    peers = store(SMALL)
    for number in range(4):
        peers.announce(HASH, peer(number), seed=False, now=float(number))
    peers.announce(HASH, peer(0), seed=False, now=4.0)
    peers.announce(HASH, peer(9), seed=False, now=5.0)
    assert set(peers.peers(HASH, 50, now=5.0)) == {peer(0), peer(2), peer(3), peer(9)}
    assert peers.peer_count == 4


def test_d10_a_full_store_gives_up_the_swarm_with_the_fewest_peers() -> None:
    peers = store(SMALL)
    for number, size in ((1, 2), (2, 1), (3, 3)):
        for each in range(size):
            peers.announce(swarm(number), peer(10 * number + each), seed=False, now=0.0)
    assert peers.announce(swarm(4), peer(99), seed=False, now=1.0)
    assert len(peers) == 3
    assert peers.peers(swarm(2), 50, now=1.0) == ()
    assert peers.peers(swarm(4), 50, now=1.0) == (peer(99),)
    assert peers.peer_count == 6
    for each in range(2):  # what an evicted swarm counted against its host is free again
        assert peers.announce(swarm(1 + 2 * each), peer(20), seed=False, now=1.0)


def test_d10_expired_swarms_go_before_living_ones() -> None:
    peers = store(SMALL)
    for number in (1, 2, 3):
        peers.announce(swarm(number), peer(number), seed=False, now=1000.0 * (number > 1))
    peers.announce(swarm(4), peer(4), seed=False, now=PEER_LIFETIME)
    assert [len(peers.peers(swarm(n), 50, now=PEER_LIFETIME)) for n in (1, 2, 3, 4)] == [0, 1, 1, 1]


def test_d10_one_address_is_in_twenty_swarms() -> None:
    peers = store()
    for number in range(20):
        assert peers.announce(swarm(number), peer(1), seed=False, now=0.0)
    assert not peers.announce(swarm(20), peer(1), seed=False, now=0.0)
    assert not peers.announce(swarm(20), peer(1, 7000), seed=False, now=0.0)
    assert len(peers) == 20
    assert peers.announce(swarm(0), peer(1), seed=False, now=1.0)
    assert peers.announce(swarm(20), peer(2), seed=False, now=1.0)
    peers.expire(PEER_LIFETIME)
    assert peers.announce(swarm(21), peer(1), seed=False, now=PEER_LIFETIME)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_d10_on_the_loopback_ports_tell_peers_apart(host: str) -> None:
    peers = store()
    for number in range(30):
        compact = pack(Endpoint(host, 1000 + number % 3))
        assert peers.announce(swarm(number % 25), compact, seed=False, now=0.0)
    assert peers.announce(HASH, pack(Endpoint(host, 1)), seed=False, now=0.0)
    assert peers.announce(HASH, pack(Endpoint(host, 2)), seed=False, now=0.0)
    assert len(peers.peers(HASH, 50, now=0.0)) == 2


@pytest.mark.parametrize(("size", "count"), [(500, 50), (99, 50), (51, 50), (7, 3)])
def test_d8_samples_are_of_the_size_asked_for_without_doubles_and_fair(
    size: int, count: int
) -> None:
    peers = store()
    for number in range(size):
        peers.announce(HASH, peer(number), seed=False, now=0.0)
    seen: Counter[bytes] = Counter()
    rounds = 40 * size
    for _ in range(rounds):
        sample = peers.peers(HASH, count, now=0.0)
        assert len(set(sample)) == len(sample) == count
        seen.update(sample)
    expected = rounds * count / size
    assert len(seen) == size
    assert all(abs(times - expected) < 0.45 * expected for times in seen.values())


def test_noseed_leaves_seeds_out() -> None:
    peers = store()
    for number in range(6):
        peers.announce(HASH, peer(number), seed=number % 2 == 0, now=0.0)
    assert set(peers.peers(HASH, 50, now=0.0, noseed=True)) == {peer(1), peer(3), peer(5)}
    peers.announce(HASH, peer(1), seed=True, now=1.0)
    assert set(peers.peers(HASH, 50, now=1.0, noseed=True)) == {peer(3), peer(5)}
    assert len(peers.peers(HASH, 50, now=1.0)) == 6


def test_the_filters_of_bep_33_tell_seeds_from_peers() -> None:
    peers = store()
    assert peers.blooms(HASH, 0.0) is None
    peers.announce(HASH, peer(1), seed=True, now=0.0)
    peers.announce(HASH, peer(2), seed=False, now=10.0)
    assert peers.blooms(HASH, 10.0) == (bloom_filter([peer(1)[:4]]), bloom_filter([peer(2)[:4]]))
    peers.announce(HASH, peer(2), seed=True, now=20.0)
    both = bloom_filter([peer(1)[:4], peer(2)[:4]])
    assert peers.blooms(HASH, 20.0) == (both, bloom_filter([]))
    assert peers.blooms(HASH, PEER_LIFETIME) == (bloom_filter([peer(2)[:4]]), bloom_filter([]))


def test_samples_of_a_small_store_are_everything() -> None:
    peers = store()
    assert peers.samples(50, 0.0) == b""
    for number in range(3):
        peers.announce(swarm(number), peer(number), seed=False, now=0.0)
    assert peers.samples(50, 0.0) == swarm(0) + swarm(1) + swarm(2)
    assert peers.samples(1, 0.0) == swarm(0)
    assert peers.samples(-1, 0.0) == b""


def test_samples_of_a_large_store_stay_for_their_interval() -> None:
    peers = store()
    for number in range(10 * MAX_SAMPLES):
        peers.announce(swarm(number), peer(number), seed=False, now=0.0)
    first = peers.samples(MAX_SAMPLES, 0.0)
    found = {first[at : at + 20] for at in range(0, len(first), 20)}
    assert len(found) == MAX_SAMPLES
    assert found <= {swarm(number) for number in range(10 * MAX_SAMPLES)}
    assert peers.samples(MAX_SAMPLES, SAMPLES_INTERVAL - 1.0) == first
    assert peers.samples(2, 1.0) == first[:40]
    assert peers.samples(MAX_SAMPLES, float(SAMPLES_INTERVAL)) != first
