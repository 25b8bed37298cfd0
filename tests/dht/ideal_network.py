"""A DHT without datagrams: every node has the table that BEP 5 converges to, answers take one RTT.

The tables, the unit of time and the timeout of two RTTs are those of the idealised simulation that
the lookup is measured against.
"""

import random
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush, nsmallest

from dht.contact import Contact
from dht.lookup import Lookup
from dht.node_id import NodeId
from formats.endpoint import Endpoint

K = 8
RTT = 1.0
TIMEOUT = 2 * RTT
Answer = Callable[[int, int], list[Contact]]


def node_id(number: int) -> NodeId:
    return NodeId(number.to_bytes(20, "big"))


def number_of(contact: Contact) -> int:
    return int.from_bytes(contact.id, "big")


def host(number: int, first: int = 20) -> Endpoint:
    """A global address in a /24 of its own."""
    return Endpoint(f"{first + number // 65536}.{number // 256 % 256}.{number % 256}.1", 6881)


def span(numbers: list[int], low: int, bits: int) -> list[int]:
    """Those of the sorted numbers that share a prefix with `low`, `bits` bits of it free."""
    return numbers[bisect_left(numbers, low) : bisect_left(numbers, low + (1 << bits))]


@dataclass
class IdealNetwork:
    size: int
    dead_share: float
    rng: random.Random
    crowd: list[int] = field(default_factory=list)
    """Sybils: they took the places in tables that were free, and name only one another."""

    def __post_init__(self) -> None:
        self.honest = sorted(self.rng.getrandbits(160) for _ in range(self.size))
        places = self.rng.sample(range(self.size), self.size)
        self.contacts = {
            number: Contact(node_id(number), host(place))
            for number, place in zip(self.honest, places, strict=True)
        }
        self.dead = set(self.rng.sample(self.honest, int(self.size * self.dead_share)))
        self.live = [number for number in self.honest if number not in self.dead]
        self.tables: dict[int, list[int]] = {}

    def gather(self, target: int, count: int, reach: float) -> None:
        """`count` Sybils come to where `reach` honest nodes are expected."""
        width = int((1 << 160) * reach / self.size)
        self.crowd = sorted({target ^ self.rng.randrange(1, width) for _ in range(count)})
        for place, number in enumerate(self.crowd):
            self.contacts[number] = Contact(node_id(number), host(place, first=100))
        self.tables.clear()

    def table(self, own: int) -> list[int]:
        table = self.tables.get(own)
        if table is None:
            table = self.tables[own] = []
            for bit in range(159, -1, -1):
                other = (own ^ 1 << bit) >> bit << bit
                honest, crowd = span(self.honest, other, bit), span(self.crowd, other, bit)
                table += honest if len(honest) <= K else self.rng.sample(honest, K)
                room = max(0, K - len(honest))
                table += self.rng.sample(crowd, min(room, len(crowd)))
                mine = own >> bit << bit
                if len(span(self.honest, mine, bit)) + len(span(self.crowd, mine, bit)) <= 1:
                    break
        return table

    def answer(self, own: int, target: int) -> list[Contact]:
        """The nodes that one node names."""
        if own in self.contacts and own in set(self.crowd):
            named = self.rng.sample(self.crowd, min(K, len(self.crowd)))
        else:
            named = nsmallest(K, self.table(own), key=lambda number: number ^ target)
        return [self.contacts[number] for number in named]

    def closest(self, target: int, but: int) -> list[int]:
        """The k live honest nodes closest to the target, the asking one apart."""
        nearest = nsmallest(K + 1, self.live, key=lambda number: number ^ target)
        return [number for number in nearest if number != but][:K]

    def drive(self, lookup: Lookup, now: float = 0.0) -> float:
        """Run a lookup to its end. Returns when that is; every contact is asked at most once."""
        target = int.from_bytes(lookup.target, "big")
        answers: list[tuple[float, int, Contact]] = []
        asked = {step.contact for step in lookup.explain()}
        while True:
            for contact in lookup.next_queries(now):
                assert contact not in asked
                asked.add(contact)
                if number_of(contact) not in self.dead:
                    heappush(answers, (now + RTT, len(asked), contact))
            if lookup.is_done:
                return now
            wake_at = lookup.wake_at
            assert wake_at is not None and wake_at > now
            if answers and answers[0][0] <= wake_at:
                now, _, contact = heappop(answers)
                lookup.responded(contact, self.answer(number_of(contact), target), now)
            else:
                now = wake_at

    def look_up(
        self, target: int, start: int, *, alpha: int = 4, network_size: float | None = None
    ) -> tuple[Lookup, float]:
        """One lookup by the node `start`, and how long it took in RTTs."""
        lookup = Lookup(
            node_id(target),
            self.answer(start, target),
            0.0,
            alpha=alpha,
            timeout=lambda contact: TIMEOUT,
            network_size=network_size,
            own_id=node_id(start),
        )
        return lookup, self.drive(lookup)
