"""The routing table of one address family: whom to ask, whom to name, whom to forget (BEP 5).

Threats, and the answer:

* made-up contacts: nobody is inserted before it answered a query of ours (D7);
* one machine or network that poses as many nodes: one contact per address, two per /24 in a
  bucket, eight per /16 in the table (D7), IDs that fit their address first (D5);
* contacts pushed out by a flood of new ones: a good contact is never displaced (D7);
* a node that changes its ID to be everywhere: out, and its bucket is verified anew (D7);
* nodes that will not answer: read-only ones are not inserted (D14), nor are we ourselves.
"""

import random
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from dht.address_limits import AddressLimits, Place
from dht.bucket import GOOD_SECONDS, Bucket, Entry, Status
from dht.bucket_list import BucketList
from dht.contact import Contact, Family
from dht.entry_index import EntryIndex
from dht.kademlia_package import Node
from dht.node_id import NodeId, id_in_range

K = 8
"""Contacts in a bucket, and nodes that store one item (BEP 5)."""

RETRY_SECONDS = 30.0
"""Before a contact that failed once is tried again; doubled with every further failure."""


class TableStats(NamedTuple):
    """What an operator sees of one table."""

    good: int
    questionable: int
    bad: int
    replacements: int
    buckets: int
    refused: dict[str, int]
    """Contacts not inserted, by reason, since the start."""

    @property
    def contacts(self) -> int:
        """All contacts in the table, replacements apart."""
        return self.good + self.questionable + self.bad


class RoutingTable:
    """Contacts that answered us, more of them the nearer to our own ID.

    `k` is the size of a bucket. Times are seconds of one monotonic clock.
    """

    def __init__(
        self, own_id: NodeId, family: Family, *, k: int = K, limits: AddressLimits | None = None
    ) -> None:
        self.family = family
        self._own_id = own_id
        self._limits = limits or AddressLimits()
        self._buckets = BucketList(own_id, k)
        self._index = EntryIndex(self._limits)
        self._refused: Counter[str] = Counter()

    @property
    def own_id(self) -> NodeId:
        """Our node ID."""
        return self._own_id

    def change_own_id(self, own_id: NodeId) -> None:
        """Rebuild the table around another ID of ours (BEP 42), with the contacts it has."""
        entries = [*self.entries(), *self._all_replacements()]
        size = self._buckets.ksize
        self._own_id = own_id
        self._buckets = BucketList(own_id, size)
        self._index = EntryIndex(self._limits)
        for entry in sorted(entries, key=lambda entry: (entry.failures, -entry.last_seen)):
            if entry.contact.id != own_id and not self._rivals(entry):
                self._insert(entry, entry.last_seen)

    def seen(
        self,
        contact: Contact,
        now: float,
        *,
        verified: bool,
        rtt: float | None = None,
        read_only: bool = False,
    ) -> Contact | None:
        """A node answered our query (`verified`, after `rtt` seconds), or asked us something.

        Returns whom to ping so that the table can decide, if anybody: a node that only asked us and
        for which there would be a place; or the questionable contact in whose place the node would
        be welcome. Report the outcome with `seen` or `failed`.
        """
        place = self._place(contact, read_only)
        if place is None:
            return None
        known = self._index.at(place.host)
        if known is not None and known.contact == contact:
            if verified:
                known.answered(now, rtt)
                bucket = self._buckets.bucket_of(known)
                bucket.add_node(known)
                bucket.touch_last_updated(now)
            else:
                known.last_seen = now
            return None
        if known is not None and known.contact.endpoint == contact.endpoint:
            return self._id_changed(known, now, verified)
        entry = Entry(contact, place, now, rtt)
        if not verified:
            return self._worth_a_ping(entry, now)
        return self._newcomer(entry, now)

    def failed(self, contact: Contact, now: float) -> None:
        """A query of ours to this contact was not answered. Unknown contacts are ignored.

        A bad contact leaves as soon as there is a replacement. Without one it stays: after an
        outage, when all are bad, they are the way back.
        """
        entry = self._index.get(contact.id)
        if entry is not None and entry.contact == contact:
            entry.failed(now)
            self._promote(self._buckets.bucket_of(entry), now)
            return
        bucket = self._buckets.bucket_of(Node(contact.id))
        waiting = bucket.replacement_nodes.get(contact.id)
        if waiting is not None and waiting.contact == contact:
            del bucket.replacement_nodes[contact.id]

    def closest(self, target: bytes, k: int = K) -> list[Contact]:
        """The k contacts nearest to `target` (20 bytes), the nearest first.

        Contacts that left our last query unanswered are named only if there are not k others.
        """
        return [entry.contact for entry in self._closest(target, k)]

    def closest_compact(self, target: bytes, k: int = K) -> bytes:
        """The same as a compact list, 26 bytes a contact (BEP 5) or 38 (BEP 32)."""
        return b"".join([entry.compact for entry in self._closest(target, k)])

    def find(self, node_id: bytes) -> Entry | None:
        """The entry with this ID."""
        return self._index.get(NodeId(node_id))

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, contact: Contact) -> bool:
        entry = self._index.get(contact.id)
        return entry is not None and entry.contact == contact

    def entries(self) -> Iterator[Entry]:
        """All contacts with their history, in the order of their IDs' buckets."""
        for bucket in self._buckets.buckets:
            yield from bucket.nodes.values()

    def contacts(self) -> list[Contact]:
        """All contacts, the most reliable first: worth saving in this order."""
        order = sorted(self.entries(), key=lambda e: (e.failures, not e.compliant, -e.last_seen))
        return [entry.contact for entry in order]

    def questionable(self, now: float) -> list[Contact]:
        """Contacts due for a ping: silent for 15 minutes, or failing and to be tried again.

        Those heard of the longest ago come first. The pauses before a failing one grow.
        """
        due = [entry for entry in self.entries() if _is_due(entry, now)]
        return [entry.contact for entry in sorted(due, key=lambda entry: entry.last_seen)]

    def refresh_targets(self, now: float, rng: random.Random) -> list[NodeId]:
        """A random ID in every bucket that did not change for 15 minutes (BEP 5): look them up.

        A bucket counts as refreshed once it was named here.
        """
        stale = self._buckets.lonely_buckets(now)
        for bucket in stale:
            bucket.touch_last_updated(now)
        return [id_in_range(*bucket.range, rng) for bucket in stale]

    def ranges(self) -> list[tuple[int, int, int]]:
        """Every bucket as (low, high, contacts): it holds `low <= id < high`."""
        return [(*bucket.range, len(bucket)) for bucket in self._buckets.buckets]

    def stats(self, now: float) -> TableStats:
        """Counts for an operator."""
        status = Counter(entry.status(now) for entry in self.entries())
        return TableStats(
            good=status[Status.GOOD],
            questionable=status[Status.QUESTIONABLE],
            bad=status[Status.BAD],
            replacements=sum(1 for _ in self._all_replacements()),
            buckets=len(self._buckets.buckets),
            refused=dict(self._refused),
        )

    def _closest(self, target: bytes, k: int) -> list[Entry]:
        key = int.from_bytes(target, "big")
        found: list[Entry] = []
        for bucket in self._buckets.nearest_first(key):
            alive = [entry for entry in bucket.nodes.values() if not entry.failures]
            alive.sort(key=lambda entry: entry.long_id ^ key)
            found += alive
            if len(found) >= k:
                break
        else:
            failing = [entry for entry in self.entries() if entry.failures]
            found += sorted(failing, key=lambda entry: entry.long_id ^ key)
        return found[:k]

    def _place(self, contact: Contact, read_only: bool) -> Place | None:
        """Where the contact counts, or None if it may not be in this table at all."""
        place = None
        if contact.id == self._own_id:
            reason = "own id"
        elif read_only:
            reason = "read-only"
        elif Family.of(contact.endpoint) is not self.family:
            reason = "family"
        elif (place := self._limits.place(contact.endpoint)) is None:
            reason = "address"
        else:
            return place
        self._refused[reason] += 1
        return None

    def _id_changed(self, known: Entry, now: float, verified: bool) -> Contact | None:
        """Another ID at an endpoint we know. A query may be forged, an answer to us is the truth.

        The endpoint may come back under its new ID the next time it answers.
        """
        if not verified:
            return known.contact
        self._refused["id changed"] += 1
        bucket = self._buckets.bucket_of(known)
        self._remove(known)
        bucket.touch_last_updated(-GOOD_SECONDS)
        self._promote(bucket, now)
        return None

    def _worth_a_ping(self, entry: Entry, now: float) -> Contact | None:
        """The contact itself if it could get a place by answering."""
        if any(not rival.is_bad for rival in self._rivals(entry)):
            return None
        bucket = self._buckets.bucket_of(entry)
        welcome = (
            len(bucket) < bucket.ksize
            or bucket.worst() is not None
            or bucket.to_verify(now) is not None
            or self._buckets.may_split(bucket, entry)
        )
        return entry.contact if welcome else None

    def _newcomer(self, entry: Entry, now: float) -> Contact | None:
        """Insert a node that answered, if there is a place; else say who is to be verified."""
        rival = self._clear_the_way(entry)
        if rival is not None:
            self._refused["address limit"] += 1
            return rival.contact if rival.status(now) is Status.QUESTIONABLE else None
        if self._insert(entry, now):
            return None
        bucket = self._buckets.bucket_of(entry)
        if bucket.worst() is not None:
            self._promote(bucket, now)
            return None
        self._refused["bucket full"] += 1
        doubtful = bucket.to_verify(now)
        return doubtful.contact if doubtful else None

    def _rivals(self, entry: Entry) -> list[Entry]:
        return self._index.rivals(entry, self._buckets.bucket_of(entry))

    def _clear_the_way(self, entry: Entry) -> Entry | None:
        """Remove bad contacts that `entry` may displace, or name one that stays."""
        rivals = self._rivals(entry)
        for rival in rivals:
            if not rival.is_bad:
                return rival
        for rival in rivals:
            self._remove(rival)
        return None

    def _insert(self, entry: Entry, now: float) -> bool:
        """Put a contact into its bucket; a replacement if that is full."""
        if not self._buckets.add_contact(entry):
            return False
        self._index.add(entry)
        self._buckets.bucket_of(entry).touch_last_updated(now)
        return True

    def _remove(self, entry: Entry) -> None:
        self._buckets.remove_contact(entry)
        self._index.remove(entry)

    def _promote(self, bucket: Bucket, now: float) -> None:
        """Let replacements take the free places, and those of bad contacts."""
        for entry in bucket.replacements():
            worst = bucket.worst()
            if len(bucket) >= bucket.ksize and worst is None:
                return
            del bucket.replacement_nodes[entry.id]
            if self._clear_the_way(entry) is not None:
                continue
            if len(bucket) >= bucket.ksize and worst is not None:
                self._remove(worst)
            self._insert(entry, now)

    def _all_replacements(self) -> Iterator[Entry]:
        for bucket in self._buckets.buckets:
            yield from bucket.replacement_nodes.values()


def _is_due(entry: Entry, now: float) -> bool:
    if not entry.failures:
        return now - entry.last_seen > GOOD_SECONDS
    pause = RETRY_SECONDS * (1 << min(entry.failures - 1, 7))
    return now - entry.last_failure >= pause
