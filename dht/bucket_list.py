"""The buckets of a table in the order of their ranges, on the `kademlia` package's routing table.

What the package's table does otherwise, and why that is not enough here:

* `find_neighbors` gathers k contacts from the buckets left and right of the target's and sorts
  those: near ones, not the nearest, and never the target itself. XOR distance does not follow the
  order of the buckets; `nearest_first` does;
* a full bucket is split whenever the prefix that its contacts happen to share is not a multiple of
  five bits long; ours is split by BEP 5, or not;
* when a bucket stays full it pings a contact, good or not, in a task that nobody owns. Ours tells
  its caller that there was no place.
"""

from bisect import bisect_right
from collections.abc import Iterator

from dht.bucket import GOOD_SECONDS, Bucket, Entry
from dht.kademlia_package import Node, RoutingTable
from dht.node_id import NODE_ID_BITS, NodeId

MAXIMUM_BUCKETS = 512
"""A table of honest nodes needs about as many as log2 of the network's size; IDs made up to share
long prefixes with ours could ask for thousands."""


class BucketList(RoutingTable):
    """Buckets that partition the ID space."""

    buckets: list[Bucket]

    def __init__(self, own_id: NodeId, size: int) -> None:
        self._lows = [0]
        super().__init__(None, size, Node(own_id))

    def flush(self) -> None:
        """Start over with one empty bucket."""
        self.buckets = [Bucket(0, 1 << NODE_ID_BITS, self.ksize)]
        self._lows = [0]

    def split_bucket(self, index: int) -> None:
        """Replace a bucket by its halves."""
        super().split_bucket(index)
        self._lows.insert(index + 1, self.buckets[index + 1].range[0])

    def get_bucket_for(self, node: Node) -> int:
        """The index of the bucket whose range holds `node`."""
        return bisect_right(self._lows, node.long_id) - 1

    def bucket_of(self, node: Node) -> Bucket:
        """The bucket whose range holds `node`."""
        return self.buckets[bisect_right(self._lows, node.long_id) - 1]

    def add_contact(self, node: Node) -> bool:
        """Put a contact into its bucket, which is split if need be and BEP 5 allows.

        False if there is no place: then it is remembered as a replacement.
        """
        bucket = self.bucket_of(node)
        while not bucket.add_node(node):
            if not self.may_split(bucket, node):
                return False
            bucket.remove_node(node)
            self.split_bucket(self.get_bucket_for(node))
            bucket = self.bucket_of(node)
        return True

    def may_split(self, bucket: Bucket, node: Node) -> bool:
        """Whether a full bucket gives way to `node`.

        Our own bucket does (BEP 5); so does one near ours, if otherwise we did not know the k
        nodes closest to us (the Kademlia paper, 2.4).
        """
        if len(self.buckets) >= MAXIMUM_BUCKETS:
            return False
        if bucket.has_in_range(self.node):
            return True
        known = self.find_neighbors(self.node)
        return len(known) < self.ksize or self.node.distance_to(node) < self.node.distance_to(
            known[-1]
        )

    def nearest_first(self, target: int) -> Iterator[Bucket]:
        """All buckets; every contact of one is nearer to `target` than any contact of the next.

        The distances to one bucket's IDs are an interval as long as its range, and the intervals of
        all buckets follow one another: where one ends, the next begins.
        """
        lows, buckets, distance = self._lows, self.buckets, 0
        while not distance >> NODE_ID_BITS:
            bucket = buckets[bisect_right(lows, target ^ distance) - 1]
            yield bucket
            low, high = bucket.range
            distance += high - low

    def find_neighbors(
        self, node: Node, k: int | None = None, exclude: Node | None = None
    ) -> list[Entry]:
        """The k contacts nearest to `node`, the nearest first."""
        count, target = k or self.ksize, node.long_id
        found: list[Entry] = []
        for bucket in self.nearest_first(target):
            entries = [
                e for e in bucket.nodes.values() if not (exclude and e.same_home_as(exclude))
            ]
            found += sorted(entries, key=lambda entry: entry.long_id ^ target)
            if len(found) >= count:
                break
        return found[:count]

    def lonely_buckets(self, now: float = 0.0) -> list[Bucket]:
        """Buckets in which nothing changed for 15 minutes (BEP 5)."""
        return [bucket for bucket in self.buckets if now - bucket.last_updated > GOOD_SECONDS]
