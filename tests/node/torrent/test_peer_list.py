import random
from collections import Counter

from formats.endpoint import Endpoint
from node.torrent.dial_budget import DialBudget
from node.torrent.known_peer import Source, SourceKind
from node.torrent.peer_list import MAXIMUM_BANS, PeerList

TRACKER = Source(SourceKind.TRACKER, "http://t/announce")
DHT = Source(SourceKind.DHT)
USER = Source(SourceKind.USER)


def pex(i: int = 0) -> Source:
    return Source(SourceKind.PEX, f"7.7.7.{i}:6881")


def host(i: int) -> str:
    """Addresses in as many networks."""
    return f"9.{i // 200}.{i % 200}.1"


def at(i: int, port: int = 6_881) -> Endpoint:
    return Endpoint(host(i), port)


def list_of(**options: object) -> PeerList:
    return PeerList(DialBudget(), **options)


def pick(peers: PeerList, now: float, count: int, *, seeding: bool = False) -> list[Endpoint]:
    return peers.candidates(now, count, random.Random(1), seeding=seeding)


def test_every_source_of_an_address_is_remembered_with_its_time() -> None:
    peers = list_of()
    assert peers.add(at(1), TRACKER, 5.0)
    assert not peers.add(at(1), DHT, 6.0)
    assert not peers.add(at(1), TRACKER, 7.0)
    known = peers.get(at(1))
    assert known is not None
    assert known.sources == {TRACKER: 7.0, DHT: 6.0}
    assert len(peers) == 1


def test_x3_what_may_not_be_named_is_not_kept() -> None:
    peers = list_of()
    assert not peers.add(at(1, 0), USER, 0.0)
    assert not peers.add(Endpoint("127.0.0.1", 6_881), TRACKER, 0.0)
    assert peers.add(Endpoint("127.0.0.1", 6_881), USER, 0.0)
    assert not list_of(allow=lambda endpoint, source: False).add(at(1), USER, 0.0)


def test_p16_our_own_address_is_never_dialled() -> None:
    peers = list_of()
    peers.add(at(1), TRACKER, 0.0)
    peers.add_own(at(1))
    assert not peers.add(at(1), TRACKER, 1.0)
    assert pick(peers, 1.0, 9) == []


def test_an_address_is_dialled_once_at_a_time_and_not_again_within_a_minute() -> None:
    peers = list_of()
    peers.add(at(1), TRACKER, 0.0)
    assert pick(peers, 0.0, 9) == [at(1)]
    assert pick(peers, 0.0, 9) == []
    peers.connected(at(1), 1.0)
    assert pick(peers, 100.0, 9) == []
    peers.closed(at(1), 100.0)
    assert pick(peers, 159.0, 9) == []
    assert pick(peers, 160.0, 9) == [at(1)]


def test_x7_where_a_peer_says_it_listens_is_not_dialled_but_proves_nothing() -> None:
    peers = list_of()
    incoming = Source(SourceKind.INCOMING)
    peers.add(at(1), incoming, 0.0)
    peers.connected(at(1), 0.0, claimed=True)
    assert pick(peers, 0.0, 9) == []
    assert peers.proved(9) == []
    peers.closed(at(1), 10.0)
    assert peers.proved(9) == []
    assert pick(peers, 70.0, 9) == [at(1)]
    peers.connected(at(1), 71.0)
    assert peers.proved(9) == [at(1)]


def test_the_wait_doubles_with_each_failure_and_three_are_enough() -> None:
    peers = list_of()
    peers.add(at(1), TRACKER, 0.0)
    now, waits = 0.0, []
    for _ in range(3):
        start = now
        while not pick(peers, now, 9):
            now += 10.0
        waits.append(now - start)
        peers.dial_failed(at(1), now)
    assert waits == [0.0, 60.0, 120.0]
    assert pick(peers, now + 10_000.0, 9) == []
    peers.add(at(1), TRACKER, now + 10_000.0)
    assert pick(peers, now + 10_000.0, 9) == [at(1)]


def test_f10_failures_while_we_were_offline_are_forgiven() -> None:
    peers = list_of()
    for i in range(5):
        peers.add(at(i), TRACKER, 0.0)
    for endpoint in pick(peers, 0.0, 9):
        peers.dial_failed(endpoint, 1.0)
    assert pick(peers, 2.0, 9) == []
    peers.network_returned(2.0)
    assert len(pick(peers, 2.0, 9)) == 5


def test_sources_take_turns() -> None:
    peers = list_of()
    for i in range(90):
        peers.add(at(i), TRACKER, 0.0)
    other = Source(SourceKind.TRACKER, "udp://other")
    for i in range(90, 100):
        peers.add(at(i), other, 0.0)
    dialled = pick(peers, 0.0, 10)
    assert sum(int(e.host.split(".")[2]) >= 90 for e in dialled) == 5


def test_equals_are_dialled_by_lot() -> None:
    firsts = set()
    for seed in range(40):
        peers = list_of()
        for i in range(5):
            peers.add(at(i), TRACKER, 0.0)
        firsts.update(peers.candidates(0.0, 1, random.Random(seed)))
    assert len(firsts) == 5


def test_seeds_are_not_dialled_by_a_seed() -> None:
    peers = list_of()
    peers.add(at(1), TRACKER, 0.0, seed=True)
    peers.add(at(2), TRACKER, 0.0)
    peers.mark_seed(at(2))
    peers.add(at(3), TRACKER, 0.0)
    assert pick(peers, 0.0, 9, seeding=True) == [at(3)]
    assert len(pick(peers, 0.0, 9)) == 2


def test_x5_one_source_keeps_fifty_addresses_that_never_worked() -> None:
    peers = list_of()
    assert sum(peers.add(at(i), pex(), 0.0) for i in range(1_000)) == 50
    assert sum(peers.add(at(i + 1_000), pex(1), 0.0) for i in range(100)) == 50
    peers.connected(at(3), 1.0)
    assert peers.add(at(5_000), pex(), 2.0)
    assert not peers.add(at(5_001), pex(), 2.0)


def test_x5_one_port_for_each_address_by_hearsay() -> None:
    peers = list_of()
    assert sum(peers.add(at(1, port), pex(), 0.0) for port in range(2_000, 2_100)) == 1
    assert peers.add(at(1, 5_000), TRACKER, 0.0)


def test_x5_unproved_hearsay_gets_a_quarter_of_the_dials_until_one_works() -> None:
    peers = list_of()
    for i in range(50):
        peers.add(at(i), pex(), 0.0)
        peers.add(at(i + 100), TRACKER, 0.0)
    dialled = pick(peers, 0.0, 20)
    assert sum(int(e.host.split(".")[2]) < 100 for e in dialled) == 5
    assert len(dialled) == 20
    peers.connected(next(e for e in dialled if int(e.host.split(".")[2]) < 100), 1.0)
    dialled = pick(peers, 2.0, 20)
    assert sum(int(e.host.split(".")[2]) < 100 for e in dialled) == 10


def test_x5_a_source_without_one_success_in_eight_is_distrusted() -> None:
    peers = list_of()
    for i in range(40):
        peers.add(at(i), pex(), 0.0)
    dials = 0
    for now in range(100):
        for endpoint in pick(peers, float(now), 4):
            dials += 1
            peers.dial_failed(endpoint, float(now))
    assert dials == 8
    assert not peers.add(at(500), pex(), 200.0)
    assert peers.add(at(500), pex(1), 200.0)


def test_x4_low_ports_come_last_and_never_on_the_word_of_one_gossip() -> None:
    peers = list_of()
    peers.add(at(1, 80), TRACKER, 0.0)
    peers.add(at(2), TRACKER, 0.0)
    peers.add(at(3, 25), pex(), 0.0)
    assert pick(peers, 0.0, 1) == [at(2)]
    assert pick(peers, 0.0, 9) == [at(1, 80)]
    peers.add(at(3, 25), pex(1), 0.0)
    for i in range(10, 30):
        peers.add(at(i), TRACKER, 1.0)
    pick(peers, 1.0, 20)
    assert pick(peers, 2.0, 9) == [at(3, 25)]


def test_x6_the_budget_is_shared_by_all_torrents() -> None:
    budget = DialBudget()
    dials = 0
    for swarm in range(50):
        peers = PeerList(budget)
        peers.add(at(1, 6_000 + swarm), TRACKER, 0.0)
        dials += len(pick(peers, float(swarm), 9))
    assert dials == 3


def test_r11_a_list_of_bogus_addresses_does_not_keep_a_good_one_waiting() -> None:
    peers = list_of()
    for i in range(2_000):
        peers.add(at(i), pex(i // 50), 0.0)
    good = at(15_000)
    peers.add(good, TRACKER, 0.0)
    assert good in pick(peers, 0.0, 50)


def test_p11_bans_go_by_ip_end_and_are_bounded() -> None:
    peers = list_of()
    peers.add(at(1), TRACKER, 0.0)
    peers.add(at(1, 7_000), TRACKER, 0.0)
    peers.ban(host(1), 0.0, seconds=100.0)
    assert len(peers) == 0
    assert peers.is_banned(host(1), 99.0)
    assert not peers.add(at(1), USER, 99.0)
    assert not peers.is_banned(host(1), 100.0)
    assert peers.add(at(1), TRACKER, 100.0)
    for i in range(2 * MAXIMUM_BANS):
        peers.ban(str(i), 0.0)
    assert len(peers._bans) == MAXIMUM_BANS
    assert peers.is_banned(str(2 * MAXIMUM_BANS - 1), 1.0)


def test_the_list_is_bounded_and_the_worst_go_first() -> None:
    peers = list_of(capacity=100)
    for i in range(10):
        peers.add(at(i), TRACKER, 0.0)
    for endpoint in pick(peers, 0.0, 10):
        peers.dial_failed(endpoint, 0.0)
    for i in range(10, 60):
        peers.add(at(i), TRACKER, float(i))
    for i in range(60, 100):
        peers.add(at(i), pex(), float(i))
    peers.connected(at(50), 100.0)
    assert len(peers) == 100
    for i in range(100, 150):
        assert peers.add(at(i), TRACKER, float(i))
        assert len(peers) <= 100
    assert all(peers.get(at(i)) is None for i in range(10))  # failed
    assert all(peers.get(at(i)) is None for i in range(60, 99))  # hearsay
    assert all(peers.get(at(i)) is not None for i in range(12, 60))


def test_gossip_cannot_push_out_what_a_tracker_said() -> None:
    peers = list_of(capacity=50)
    for i in range(50):
        peers.add(at(i), TRACKER, 0.0)
    assert not any(peers.add(at(i), pex(i), 1.0) for i in range(50, 150))
    assert len(peers) == 50


def test_proved_addresses_are_kept_for_a_restart_the_latest_first() -> None:
    peers = list_of()
    for i in range(4):
        peers.add(at(i), TRACKER, 0.0)
    for i, now in ((2, 5.0), (0, 9.0), (3, 7.0)):
        peers.connected(at(i), now)
    assert peers.proved(2) == [at(0), at(3)]


def test_books_balance_whatever_happens() -> None:
    rng = random.Random(3)
    peers = list_of(capacity=80)
    busy: list[Endpoint] = []
    for step in range(3_000):
        now = step * 2.0
        source = rng.choice((TRACKER, DHT, pex(rng.randrange(4)), USER))
        peers.add(at(rng.randrange(300), rng.choice((80, 6_881))), source, now)
        busy += peers.candidates(now, 2, rng)
        if busy and rng.random() < 0.8:
            endpoint = busy.pop(rng.randrange(len(busy)))
            match rng.randrange(4):
                case 0:
                    peers.connected(endpoint, now)
                    peers.closed(endpoint, now)
                case 1 | 2:
                    peers.dial_failed(endpoint, now)
                case _:
                    peers.ban(endpoint.host, now, seconds=300.0)
                    busy = [other for other in busy if other.host != endpoint.host]
        assert len(peers) <= 80
        assert peers._ports == Counter(endpoint.host for endpoint in peers._peers)
    unproved = Counter(
        next(iter(known.sources)) for known in peers._peers.values() if not known.worked
    )
    for source, record in peers._records.items():
        assert record.unproved == unproved[source]


def test_a_release_lets_what_worked_be_dialled_at_once() -> None:
    rng = random.Random(1)
    peers = list_of()
    for n in range(3):
        peers.add(at(n), TRACKER, 0.0)
    assert len(peers.candidates(0.0, 3, rng)) == 3
    peers.connected(at(0), 1.0)
    peers.connected(at(1), 1.0)
    peers.closed(at(1), 2.0)
    peers.dial_failed(at(2), 2.0)
    assert peers.candidates(3.0, 3, rng) == []
    peers.release(3.0)
    assert sorted(peers.candidates(3.0, 3, rng)) == [at(0), at(1)]


def test_x6_who_was_named_by_the_user_is_tried_again_and_again() -> None:
    def dials(source: Source) -> int:
        peers = list_of()
        peers.add(at(1), source, 0.0)
        count = 0
        for now in range(0, 3_600, 10):
            for endpoint in pick(peers, float(now), 5):
                peers.dial_failed(endpoint, float(now))
                peers.add(at(1), source, float(now))
                count += 1
        return count

    assert dials(TRACKER) == 3
    assert dials(USER) > 3
