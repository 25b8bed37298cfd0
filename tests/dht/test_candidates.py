import random

from kademlia.node import Node as PackageNode
from kademlia.node import NodeHeap

from dht.address_limits import AddressLimits
from dht.candidates import HOSTS_PER_ID, MAXIMUM_UNANSWERED, Candidate, Candidates, State
from dht.contact import Contact
from dht.kademlia_package import Node
from dht.node_id import NodeId
from formats.endpoint import Endpoint


def candidate(number: int, host: str, referrer: Candidate | None = None) -> Candidate:
    contact = Contact(NodeId(number.to_bytes(20, "big")), Endpoint(host, 6881))
    place = AddressLimits().place(contact.endpoint)
    assert place is not None
    return Candidate(contact, place, referrer)


def several(count: int) -> list[Candidate]:
    rng = random.Random(1)
    return [
        candidate(rng.getrandbits(160), f"20.{number // 256}.{number % 256}.1")
        for number in range(count)
    ]


def candidates(maximum: int = 256) -> Candidates:
    return Candidates(Node(bytes(20)), maximum)


class TestFaultsOfThePackage:
    def test_its_maximum_is_none(self):
        heap = NodeHeap(PackageNode(bytes(20)), 8)
        heap.push([PackageNode(number.to_bytes(20, "big")) for number in range(1_000)])
        assert len(heap) == 8 and len(heap.heap) == 1_000

    def test_d11_ours_is_one(self):
        ours = candidates(8)
        ours.push(several(1_000))
        assert len(ours) == len(ours.heap) == 8

    def test_who_names_an_id_first_hides_the_node_that_has_it(self):
        heap = NodeHeap(PackageNode(bytes(20)), 8)
        heap.push(PackageNode(b"\x01" * 20, "6.6.6.6", 1))
        heap.push(PackageNode(b"\x01" * 20, "20.0.0.1", 1))
        assert [node.ip for node in heap] == ["6.6.6.6"]

    def test_ours_keeps_both_and_few_more(self):
        ours = candidates()
        ours.push([candidate(1, f"{20 + number}.0.0.1") for number in range(10)])
        assert [found.ip for found in ours] == ["20.0.0.1", "21.0.0.1", "22.0.0.1"]
        assert len(ours) == HOSTS_PER_ID


class TestOrder:
    def test_nearest_first(self):
        ours, all_of_them = candidates(), several(100)
        ours.push(all_of_them)
        assert list(ours) == sorted(all_of_them, key=lambda c: c.long_id)

    def test_the_farthest_that_were_not_asked_go_first(self):
        ours, all_of_them = candidates(4), several(4)
        all_of_them.sort(key=lambda c: c.long_id)
        all_of_them[3].state = State.ASKED
        ours.push(all_of_them)
        ours.push(candidate(0, "30.0.0.1"))
        assert [c.long_id for c in ours] == [0, *(all_of_them[n].long_id for n in (0, 1, 3))]

    def test_those_that_strangers_named_go_before_those_that_we_brought(self):
        ours, (liar, mine) = candidates(2), sorted(several(2), key=lambda c: c.long_id)
        liar.state = State.ASKED
        ours.push([liar, mine])
        ours.push([candidate(number, f"30.0.{number}.1", liar) for number in range(50)])
        assert list(ours) == [liar, mine]

    def test_one_candidate_per_host_until_it_fails(self):
        ours = candidates()
        first, second = candidate(1, "20.0.0.1"), candidate(2, "20.0.0.1")
        ours.push(first)
        ours.push(second)
        assert list(ours) == [first] and first in ours and second not in ours
        first.state = State.FAILED
        ours.push(second)
        assert list(ours) == [second] and ours.at("20.0.0.1") is second

    def test_a_failed_candidate_does_not_come_back_under_the_same_name(self):
        ours = candidates()
        first = candidate(1, "20.0.0.1")
        ours.push(first)
        first.state = State.FAILED
        ours.push(candidate(1, "20.0.0.1"))
        assert list(ours) == [first]


class TestCredit:
    def test_d11_who_named_too_many_dead_is_not_believed(self):
        liar, other = several(2)
        named = candidate(7, "40.0.0.1", liar)
        liar.unanswered = MAXIMUM_UNANSWERED
        assert liar.is_discredited and not named.is_worth_asking
        named.named_by(other)
        assert named.is_worth_asking, "somebody else named it too"

    def test_one_that_lived_makes_up_for_one_that_did_not(self):
        honest = several(1)[0]
        honest.unanswered, honest.answered = MAXIMUM_UNANSWERED, 1
        assert not honest.is_discredited

    def test_our_own_table_is_always_believed(self):
        assert candidate(1, "20.0.0.1", None).is_worth_asking
