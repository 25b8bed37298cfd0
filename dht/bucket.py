"""A bucket of the routing table and its entries, on the `kademlia` package's.

What the package's bucket does otherwise, and why that is not enough here:

* its range includes both ends, while its table looks a bucket up by `id < end`: a contact at a
  boundary is put into one bucket and sought in the next. Ours is half-open, as BEP 5 has it;
* it promotes the newest replacement whenever a contact is removed, whoever that is. Ours leaves
  the choice to the table, which knows the limits on addresses (D7);
* it reads the clock. Ours is told the time.
"""

from collections import OrderedDict
from enum import StrEnum

from dht.address_limits import Place
from dht.contact import Contact
from dht.kademlia_package import KBucket, Node
from dht.node_id import is_compliant

GOOD_SECONDS = 15 * 60.0
"""A contact not heard of for this long is questionable, a bucket unchanged for it stale (BEP 5)."""

BAD_FAILURES = 2
"""Queries in a row left unanswered that make a contact bad: try once more, then discard (BEP 5)."""

_RTT_WEIGHT = 1 / 8
"""Of a new sample in the smoothed round-trip time (RFC 6298)."""


class Status(StrEnum):
    """How far a contact can be relied on (BEP 5)."""

    GOOD = "good"
    QUESTIONABLE = "questionable"
    BAD = "bad"


class Entry(Node):
    """A contact that answered a query of ours, and what we know of it. Times are monotonic."""

    def __init__(self, contact: Contact, place: Place, now: float, rtt: float | None) -> None:
        super().__init__(contact.id, contact.endpoint.host, contact.endpoint.port)
        self.contact = contact
        self.compact = contact.compact()
        self.place = place
        self.compliant = is_compliant(contact.id, contact.endpoint.host)
        """Its ID fits its address (BEP 42)."""
        self.added = now
        self.last_seen = now
        """When it last answered us or asked us something."""
        self.rtt = rtt
        """Smoothed round-trip time, seconds."""
        self.failures = 0
        """Queries in a row that it left unanswered."""
        self.last_failure = now

    def answered(self, now: float, rtt: float | None) -> None:
        """It answered a query of ours after `rtt` seconds."""
        self.last_seen = now
        self.failures = 0
        if rtt is not None:
            self.rtt = rtt if self.rtt is None else self.rtt + (rtt - self.rtt) * _RTT_WEIGHT

    def failed(self, now: float) -> None:
        """It left a query of ours unanswered."""
        self.failures += 1
        self.last_failure = now

    @property
    def is_bad(self) -> bool:
        """It left several queries in a row unanswered."""
        return self.failures >= BAD_FAILURES

    def status(self, now: float) -> Status:
        """Its status by BEP 5."""
        if self.failures >= BAD_FAILURES:
            return Status.BAD
        if self.failures or now - self.last_seen > GOOD_SECONDS:
            return Status.QUESTIONABLE
        return Status.GOOD


class Bucket(KBucket):
    """Contacts with `low <= id < high`, at most k of them, and as many replacements."""

    nodes: OrderedDict[bytes, Entry]
    replacement_nodes: OrderedDict[bytes, Entry]

    def __init__(self, low: int, high: int, size: int) -> None:
        super().__init__(low, high, size, 1)
        self.last_updated = 0.0
        """When a contact was added, replaced, or answered, or a refresh began."""

    def touch_last_updated(self, now: float = 0.0) -> None:
        """The bucket changed."""
        self.last_updated = now

    def has_in_range(self, node: Node) -> bool:
        """Whether this is the bucket for `node`."""
        return self.range[0] <= node.long_id < self.range[1]

    def split(self) -> "tuple[Bucket, Bucket]":
        """The two halves, with the contacts and the replacements that belong to each."""
        low, high = self.range
        middle = (low + high) // 2
        halves = Bucket(low, middle, self.ksize), Bucket(middle, high, self.ksize)
        for entry in self.nodes.values():
            halves[entry.long_id >= middle].nodes[entry.id] = entry
        for entry in self.replacement_nodes.values():
            halves[entry.long_id >= middle].replacement_nodes[entry.id] = entry
        for half in halves:
            half.last_updated = self.last_updated
        return halves

    def remove_node(self, node: Node) -> None:
        """Forget a contact or a replacement; nobody takes its place."""
        self.nodes.pop(node.id, None)
        self.replacement_nodes.pop(node.id, None)

    def worst(self) -> Entry | None:
        """The bad contact that loses its place first: one whose ID does not fit, the most failures.

        None if no contact is bad: good and questionable ones are not displaced.
        """
        bad = [entry for entry in self.nodes.values() if entry.is_bad]
        return min(bad, key=lambda entry: (entry.compliant, -entry.failures), default=None)

    def to_verify(self, now: float) -> Entry | None:
        """The questionable contact that was heard of the longest ago (BEP 5)."""
        doubtful = [e for e in self.nodes.values() if e.status(now) is Status.QUESTIONABLE]
        return min(doubtful, key=lambda entry: entry.last_seen, default=None)

    def replacements(self) -> list[Entry]:
        """Who may take a free place, the most welcome first: IDs that fit, then the newest."""
        newest_first = reversed(self.replacement_nodes.values())
        return sorted(newest_first, key=lambda entry: not entry.compliant)
