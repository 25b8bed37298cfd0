import asyncio
import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from kademlia.node import Node
from kademlia.routing import KBucket
from kademlia.routing import RoutingTable as PackageTable

from dht.address_limits import AddressLimits
from dht.bucket import GOOD_SECONDS, Bucket, Entry
from dht.bucket_list import MAXIMUM_BUCKETS, BucketList
from dht.contact import Contact
from dht.node_id import NodeId
from formats.endpoint import Endpoint

SPACE = 1 << 160
MIDDLE = 1 << 159
PLACE = AddressLimits().place(Endpoint("20.0.0.1", 1))
assert PLACE is not None


def named(number: int) -> Node:
    return Node(number.to_bytes(20, "big"), "20.0.0.1", 1)


def entry(number: int) -> Entry:
    contact = Contact(NodeId(number.to_bytes(20, "big")), Endpoint("20.0.0.1", 1))
    return Entry(contact, PLACE, 0.0, None)


class Recorder:
    """Stands for the RPC of the package's table."""

    def __init__(self) -> None:
        self.pinged: list[Node] = []

    async def call_ping(self, node: Node) -> None:
        self.pinged.append(node)


class TestFaultsOfThePackage:
    """Each in the original, and gone in ours."""

    BOUNDARY = (MIDDLE, *range(1, 5), *range(MIDDLE + 1, MIDDLE + 5))

    def test_a_contact_at_a_boundary_is_lost_after_the_split(self):
        table = PackageTable(None, 8, named(0))
        for number in self.BOUNDARY:
            table.add_contact(named(number))
        assert len(table.buckets) == 2
        assert named(MIDDLE).id in table.buckets[0].nodes, "it is in the table"
        assert table.is_new_node(named(MIDDLE)), "and not found there"

    def test_ours_finds_it(self):
        table = BucketList(NodeId(bytes(20)), 8)
        for number in self.BOUNDARY:
            assert table.add_contact(entry(number))
        assert [bucket.range for bucket in table.buckets] == [(0, MIDDLE), (MIDDLE, SPACE)]
        assert not any(table.is_new_node(named(number)) for number in self.BOUNDARY)
        table.remove_contact(named(MIDDLE))
        assert table.is_new_node(named(MIDDLE))

    def test_find_neighbors_is_near_but_not_nearest(self):
        rng = random.Random(1)
        numbers = [rng.randrange(SPACE) for _ in range(64)]
        package, ours = PackageTable(Recorder(), 64, named(0)), BucketList(NodeId(bytes(20)), 64)
        for number in numbers:
            package.add_contact(named(number))
            ours.add_contact(entry(number))
        for table in (package, ours):  # the shape of a grown table: narrow near the own ID
            for _ in range(4):
                table.split_bucket(0)
        wrong = 0
        for _ in range(100):
            target = rng.randrange(SPACE)
            nearest = sorted(numbers, key=lambda number, target=target: number ^ target)[:8]
            wrong += [node.long_id for node in package.find_neighbors(named(target), 8)] != nearest
            assert [node.long_id for node in ours.find_neighbors(named(target), 8)] == nearest
        assert wrong > 50

    def test_find_neighbors_withholds_the_very_node_sought(self):
        package, ours = PackageTable(None, 8, named(0)), BucketList(NodeId(bytes(20)), 8)
        package.add_contact(named(5))
        ours.add_contact(entry(5))
        assert package.find_neighbors(named(5)) == []
        assert [node.long_id for node in ours.find_neighbors(named(5))] == [5]

    async def test_the_table_pings_by_itself_in_a_task_that_nobody_owns(self):
        rng, recorder = random.Random(1), Recorder()
        before = asyncio.all_tasks()
        table = PackageTable(recorder, 8, named(0))
        for _ in range(2_000):
            table.add_contact(named(rng.randrange(SPACE)))
        unowned = asyncio.all_tasks() - before
        assert unowned
        await asyncio.gather(*unowned)
        assert recorder.pinged

    async def test_ours_says_that_there_is_no_place(self):
        rng = random.Random(1)
        before = asyncio.all_tasks()
        table = BucketList(NodeId(bytes(20)), 8)
        taken = [table.add_contact(entry(rng.randrange(SPACE))) for _ in range(2_000)]
        assert asyncio.all_tasks() == before
        assert taken.count(False) > 1_000
        assert sum(map(len, table.buckets)) == taken.count(True)

    async def test_the_package_splits_buckets_that_bep_5_does_not(self):
        rng, before = random.Random(1), asyncio.all_tasks()
        near = [rng.randrange(1 << 100) for _ in range(8)]
        far = [MIDDLE + rng.randrange(MIDDLE) for _ in range(100)]
        package, ours = PackageTable(Recorder(), 8, named(0)), BucketList(NodeId(bytes(20)), 8)
        for number in near + far:
            package.add_contact(named(number))
            ours.add_contact(entry(number))
        await asyncio.gather(*(asyncio.all_tasks() - before))
        assert len(ours.buckets) == 2
        assert len(package.buckets) > 4

    def test_the_package_reads_the_clock(self):
        assert KBucket(0, SPACE, 8).last_updated > 0
        assert Bucket(0, SPACE, 8).last_updated == 0


identifiers = st.one_of(
    st.integers(0, SPACE - 1),
    st.integers(0, 159).map(lambda bit: 1 << bit),
    st.integers(1, 160).map(lambda bit: (1 << bit) - 1),
    st.integers(0, 1 << 20),
)


class TestPartition:
    @settings(max_examples=60, deadline=None)
    @given(
        own=identifiers,
        numbers=st.lists(identifiers, unique=True, max_size=120),
        targets=st.lists(identifiers, min_size=1, max_size=5),
        size=st.integers(1, 9),
    )
    def test_ranges_partition_the_space_and_closest_equals_brute_force(
        self, own, numbers, targets, size
    ):
        table = BucketList(NodeId(own.to_bytes(20, "big")), size)
        inside = [number for number in numbers if table.add_contact(entry(number))]
        edges = [bucket.range for bucket in table.buckets]
        assert edges[0][0] == 0 and edges[-1][1] == SPACE
        assert all(left[1] == right[0] for left, right in pairwise(edges))
        assert all(len(bucket) <= size for bucket in table.buckets)
        for number in inside:
            bucket = table.bucket_of(named(number))
            assert bucket.has_in_range(named(number))
            assert bucket[number.to_bytes(20, "big")] is not None
        assert sum(map(len, table.buckets)) == len(inside)
        for target in [*targets, own]:
            nearest = sorted(inside, key=lambda number: number ^ target)
            found = table.find_neighbors(named(target), 8)
            assert [node.long_id for node in found] == nearest[:8]
            walked = [bucket.range for bucket in table.nearest_first(target)]
            assert sorted(walked) == edges

    def test_the_nodes_closest_to_us_are_all_known(self):
        rng = random.Random(3)
        own = rng.randrange(SPACE)
        numbers = [rng.randrange(SPACE) for _ in range(3_000)]
        table = BucketList(NodeId(own.to_bytes(20, "big")), 8)
        for number in numbers:
            table.add_contact(entry(number))
        nearest = sorted(numbers, key=lambda number: number ^ own)[:8]
        assert [node.long_id for node in table.find_neighbors(named(own))] == nearest

    def test_the_number_of_buckets_is_bounded(self):
        rng = random.Random(4)
        table = BucketList(NodeId(bytes(20)), 1)
        for bit in range(160):
            for _ in range(8):
                table.add_contact(entry(1 << bit | rng.getrandbits(bit) if bit else 1))
        assert len(table.buckets) <= MAXIMUM_BUCKETS

    def test_lonely_buckets_are_those_unchanged_for_15_minutes(self):
        table = BucketList(NodeId(bytes(20)), 8)
        table.split_bucket(0)
        table.buckets[1].touch_last_updated(100.0)
        assert table.lonely_buckets(GOOD_SECONDS + 1) == [table.buckets[0]]
