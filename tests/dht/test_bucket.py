import pytest

from dht.address_limits import AddressLimits
from dht.bucket import BAD_FAILURES, GOOD_SECONDS, Bucket, Entry, Status
from dht.contact import Contact
from dht.node_id import NodeId
from formats.endpoint import Endpoint


def entry(number: int, *, host: str = "20.0.0.1", now: float = 0.0) -> Entry:
    endpoint = Endpoint(host, 6881)
    place = AddressLimits(allow_local=True).place(endpoint)
    assert place is not None
    return Entry(Contact(NodeId(number.to_bytes(20, "big")), endpoint), place, now, 0.1)


class TestStatus:
    def test_good_for_15_minutes_then_questionable(self):
        contact = entry(1)
        assert contact.status(GOOD_SECONDS) is Status.GOOD
        assert contact.status(GOOD_SECONDS + 1) is Status.QUESTIONABLE

    def test_bad_after_two_failures_in_a_row(self):
        contact = entry(1)
        contact.failed(1.0)
        assert contact.status(1.0) is Status.QUESTIONABLE
        contact.failed(2.0)
        assert contact.status(2.0) is Status.BAD and contact.is_bad
        contact.answered(3.0, 0.1)
        assert contact.status(3.0) is Status.GOOD

    def test_the_round_trip_time_is_smoothed(self):
        contact = entry(1)
        contact.answered(1.0, 0.9)
        assert contact.rtt == pytest.approx(0.2)
        contact.answered(2.0, None)
        assert contact.rtt == pytest.approx(0.2)


class TestBucket:
    def test_the_range_is_half_open(self):
        bucket = Bucket(8, 16, 8)
        assert bucket.has_in_range(entry(8)) and bucket.has_in_range(entry(15))
        assert not bucket.has_in_range(entry(7)) and not bucket.has_in_range(entry(16))

    def test_halves_take_what_is_theirs(self):
        bucket = Bucket(0, 16, 2)
        for number in (7, 8, 0, 15):
            bucket.add_node(entry(number))
        bucket.touch_last_updated(5.0)
        low, high = bucket.split()
        assert (low.range, high.range) == ((0, 8), (8, 16))
        assert [list(half.nodes) for half in (low, high)] == [[entry(7).id], [entry(8).id]]
        assert [list(half.replacement_nodes) for half in (low, high)] == [
            [entry(0).id],
            [entry(15).id],
        ]
        assert low.last_updated == high.last_updated == 5.0

    def test_as_many_replacements_as_contacts(self):
        bucket = Bucket(0, 100, 2)
        for number in range(10):
            bucket.add_node(entry(number))
        assert [e.long_id for e in bucket.get_nodes()] == [0, 1]
        assert sorted(e.long_id for e in bucket.replacement_nodes.values()) == [8, 9]

    def test_removal_promotes_nobody(self):
        bucket = Bucket(0, 100, 1)
        bucket.add_node(entry(1))
        bucket.add_node(entry(2))
        bucket.remove_node(entry(1))
        assert len(bucket) == 0 and len(bucket.replacement_nodes) == 1

    def test_who_goes_first(self):
        bucket = Bucket(0, 1 << 160, 8)
        fits, strange, worse = entry(1, host="127.0.0.1"), entry(2), entry(3)
        for contact in (fits, strange, worse):
            bucket.add_node(contact)
        assert bucket.worst() is None
        for contact, failures in ((fits, 9), (strange, 2), (worse, 3)):
            for _ in range(failures):
                contact.failed(1.0)
        assert fits.failures > BAD_FAILURES and fits.compliant and not strange.compliant
        assert bucket.worst() is worse

    def test_who_is_verified_first(self):
        bucket = Bucket(0, 1 << 160, 8)
        bucket.add_node(entry(1, now=5.0))
        bucket.add_node(entry(2, now=3.0))
        bucket.add_node(entry(3, now=900.0))
        assert bucket.to_verify(10.0) is None
        doubtful = bucket.to_verify(GOOD_SECONDS + 100)
        assert doubtful is not None and doubtful.long_id == 2

    def test_replacements_whose_id_fits_come_first_then_the_newest(self):
        bucket = Bucket(0, 1 << 160, 1)
        bucket.max_replacement_nodes = 8
        bucket.add_node(entry(1))
        bucket.add_node(entry(2, host="127.0.0.1"))
        bucket.add_node(entry(3))
        bucket.add_node(entry(4))
        assert [e.long_id for e in bucket.replacements()] == [2, 4, 3]
