"""The nodes that one lookup knows, the nearest first, on the `kademlia` package's heap of nodes.

What the package's heap does otherwise, and why that is not enough here:

* its `maxsize` limits what it shows, not what it holds: it grows as long as strangers name nodes
  (D11). Ours forgets the farthest that was not asked;
* a node is known by its ID alone: who names an ID first, with an address of its choice, hides the
  node that has it. Ours knows a node by its host, and an ID may be named at a few hosts;
* looking for a node walks the heap, and so every push walks it many times.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from operator import itemgetter

from dht.address_limits import Place
from dht.contact import Contact
from dht.kademlia_package import Node, NodeHeap

MAXIMUM_CANDIDATES = 256
"""Nodes that a lookup remembers (D11)."""

HOSTS_PER_ID = 3
"""Hosts at which one ID may be named: one is right, and liars should not have the only place."""

MAXIMUM_UNANSWERED = 3
"""Dead contacts that a node may have named, beyond one for each that lived (D11)."""

_MAXIMUM_REFERRERS = 8


class State(StrEnum):
    """What became of a candidate."""

    HEARD = "heard"
    ASKED = "asked"
    SLOW = "slow"
    ANSWERED = "answered"
    FAILED = "failed"


class Candidate(Node):
    """A node that may be among the closest."""

    def __init__(self, contact: Contact, place: Place, referrer: "Candidate | None") -> None:
        super().__init__(contact.id, contact.endpoint.host, contact.endpoint.port)
        self.contact = contact
        self.place = place
        self.referrers = [referrer]
        """Who named it; None is our own table."""
        self.state = State.HEARD
        self.asked = 0.0
        """When it was asked, monotonic seconds."""
        self.slow_at = 0.0
        """When it stops counting against the parallelism."""
        self.lost_at = 0.0
        """When it is not waited for any more."""
        self.latency: float | None = None
        """Seconds between question and answer."""
        self.claimed: Contact | None = None
        """The contact as it was named, if it answered under another ID."""
        self.unanswered = 0
        """Contacts that it alone or others named too and that did not answer in time."""
        self.answered = 0
        """Contacts it named that did."""

    @property
    def is_discredited(self) -> bool:
        """It named so many dead contacts that its others are not worth asking (D11)."""
        return self.unanswered >= MAXIMUM_UNANSWERED + self.answered

    @property
    def is_worth_asking(self) -> bool:
        """Not asked yet, and somebody credible named it."""
        return self.state is State.HEARD and not all(
            referrer is not None and referrer.is_discredited for referrer in self.referrers
        )

    def named_by(self, referrer: "Candidate | None") -> None:
        """Another node names it."""
        if len(self.referrers) < _MAXIMUM_REFERRERS and referrer not in self.referrers:
            self.referrers.append(referrer)


class Candidates(NodeHeap):
    """Candidates in the order of their distance to the target: a sorted list is a heap."""

    heap: list[tuple[int, Candidate]]

    def __init__(self, target: Node, maximum: int = MAXIMUM_CANDIDATES) -> None:
        super().__init__(target, maximum)
        self._hosts: dict[str, Candidate] = {}
        self._ids: Counter[bytes] = Counter()

    def at(self, host: str) -> Candidate | None:
        """The candidate at this host, as `Place` names it."""
        return self._hosts.get(host)

    def push(self, nodes: Candidate | list[Candidate]) -> None:
        """Add candidates at new hosts, or in the stead of ones that failed."""
        for candidate in nodes if isinstance(nodes, list) else [nodes]:
            known = self._hosts.get(candidate.place.host)
            if known is not None:
                if known.state is not State.FAILED or known.contact == candidate.contact:
                    continue
                self.discard(known)
            if self._ids[candidate.id] < HOSTS_PER_ID:
                self._add(candidate)
        if len(self.heap) > self.maxsize:
            self._shrink()

    def discard(self, candidate: Candidate) -> None:
        """Forget one."""
        self.heap = [item for item in self.heap if item[1] is not candidate]
        del self._hosts[candidate.place.host]
        self._ids[candidate.id] -= 1

    def __contains__(self, node: Node) -> bool:
        return isinstance(node, Candidate) and self._hosts.get(node.place.host) is node

    def __iter__(self) -> Iterator[Candidate]:
        return map(itemgetter(1), self.heap)

    def _add(self, candidate: Candidate) -> None:
        insort(self.heap, (self.node.distance_to(candidate), candidate), key=itemgetter(0))
        self._hosts[candidate.place.host] = candidate
        self._ids[candidate.id] += 1

    def _shrink(self) -> None:
        """Forget the farthest that were not asked; what was asked is part of the account.

        Those that strangers named go before those that we brought.
        """
        waiting = [item[1] for item in reversed(self.heap) if item[1].state is State.HEARD]
        waiting.sort(key=lambda candidate: None in candidate.referrers)
        for candidate in waiting[: len(self.heap) - self.maxsize]:
            self.discard(candidate)
