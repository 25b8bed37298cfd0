from dht.address_limits import AddressLimits
from dht.bucket import Bucket, Entry
from dht.contact import Contact
from dht.entry_index import EntryIndex
from dht.node_id import NodeId
from formats.endpoint import Endpoint

LIMITS = AddressLimits(per_subnet=2, per_network=3)


def entry(number: int, host: str, *, seen: float = 0.0) -> Entry:
    endpoint = Endpoint(host, 6881)
    place = LIMITS.place(endpoint)
    assert place is not None
    return Entry(Contact(NodeId(number.to_bytes(20, "big")), endpoint), place, seen, None)


def index_of(*entries: Entry) -> tuple[EntryIndex, Bucket]:
    index, bucket = EntryIndex(LIMITS), Bucket(0, 1 << 160, 8)
    for known in entries:
        index.add(known)
        bucket.add_node(known)
    return index, bucket


def test_entries_are_found_by_id_and_by_host_until_they_are_removed():
    known = entry(1, "20.0.0.1")
    index, _ = index_of(known)
    assert index.get(known.contact.id) is known is index.at("20.0.0.1") and len(index) == 1
    index.remove(known)
    assert index.get(known.contact.id) is None is index.at("20.0.0.1") and len(index) == 0


def test_rivals_are_the_holders_of_the_id_and_of_the_host():
    same_id, same_host = entry(1, "20.0.0.1"), entry(2, "30.0.0.1")
    index, bucket = index_of(same_id, same_host)
    assert index.rivals(entry(1, "30.0.0.1"), bucket) == [same_id, same_host]
    assert index.rivals(entry(1, "20.0.0.1"), bucket) == [same_id]
    assert index.rivals(entry(3, "40.0.0.1"), bucket) == []


def test_d7_a_full_subnet_names_its_least_reliable():
    first, second = entry(1, "20.0.0.1", seen=5.0), entry(2, "20.0.0.2", seen=3.0)
    index, bucket = index_of(first, second)
    assert index.rivals(entry(3, "20.0.0.3"), bucket) == [second], "heard of the longest ago"
    first.failed(6.0)
    assert index.rivals(entry(3, "20.0.0.3"), bucket) == [first]
    assert index.rivals(entry(3, "20.0.0.3"), Bucket(0, 8, 8)) == [], "in that bucket"


def test_d7_a_full_network_counts_in_the_whole_table():
    index, _ = index_of(*(entry(number, f"20.0.{number}.1") for number in range(3)))
    assert len(index.rivals(entry(9, "20.0.9.1"), Bucket(0, 8, 8))) == 1
    assert index.rivals(entry(9, "20.1.9.1"), Bucket(0, 8, 8)) == []
