"""The iterative lookup: from the contacts we have to the nodes closest to a target (BEP 5).

Whoever owns a `Lookup` asks whom it names, tells it what came back, and when `wake_at` is reached
asks for more. No rounds: whenever a query ends, the next begins.

Threats, and the answer:

* answers that always name closer nodes, or thousands: limits on queries, time and candidates (D11);
* answers that name the dead: who names too many is not believed (D11);
* nodes that gathered at the target to be the closest k (D6): one per host and two per /24 count,
  and where nodes lie closer together than the network's size explains, k more beyond them are asked
  and belong to the result, and `detours` leads to nodes that all who see the crowd agree on;
* a host named under a false ID, to hide it: it counts under the ID it answers with.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from dht.address_limits import AddressLimits
from dht.candidates import MAXIMUM_CANDIDATES, Candidate, Candidates, State
from dht.contact import Contact
from dht.crowd import crowd_reach, detours_around
from dht.kademlia_package import Node
from dht.latency import INITIAL_SECONDS
from dht.node_id import NODE_ID_BITS, NodeId, distance
from dht.routing_table import K

ALPHA = 4
"""Queries in flight."""

SPARE = 2
"""Nodes asked beyond the k nearest while fewer than `alpha` queries are in flight: they stand ready
for those of the k that turn out dead, which saves a timeout each."""

MAXIMUM_QUERIES = 128
"""Queries of one lookup (D11); an honest one needs 10 to 40."""

MAXIMUM_SECONDS = 30.0
"""Duration of one lookup (D11)."""

PATIENCE = 2.0
"""A slow contact is given up for lost after this many of its timeouts. Until then a lookup that
has found fewer than k nodes waits for it."""

NAMED_PER_ANSWER = 16
"""Contacts taken from one answer, the nearest: two full `nodes`."""


class Step(NamedTuple):
    """One query of a lookup, for `explain`."""

    contact: Contact
    distance: int
    """Bits of the distance to the target: 160 is the far half of the space, 0 the target itself."""
    asked: float
    """Seconds after the lookup began."""
    latency: float | None
    """Seconds until the answer, if there was one."""
    result: str
    """A `State`: asked, slow, answered, failed."""
    referrer: Contact | None
    """Who named the contact first; None is our own table."""


class Lookup:
    """Finds the k closest live nodes to a target of 20 bytes.

    `timeout` gives the seconds after which a contact is slow; `network_size` is the estimated
    number of nodes, without which crowds (D6) are not recognised. Times are monotonic seconds.
    """

    def __init__(
        self,
        target: bytes,
        contacts: Iterable[Contact],
        now: float,
        *,
        k: int = K,
        alpha: int = ALPHA,
        timeout: Callable[[Contact], float] | None = None,
        network_size: float | None = None,
        own_id: NodeId | None = None,
        limits: AddressLimits | None = None,
    ) -> None:
        self.target = target
        self.queries = 0
        """Queries so far."""
        self._k = k
        self._alpha = alpha
        self._timeout = timeout or (lambda contact: INITIAL_SECONDS)
        self._network_size = network_size
        self._own_id = own_id
        self._limits = limits or AddressLimits()
        self._started = now
        self._is_done = False
        self._expected = int(k / network_size * (1 << NODE_ID_BITS)) if network_size else -1
        """How far the k-th closest node is to be expected."""
        self._crowd = -1
        """How far a suspicious crowd around the target reaches; -1 if there is none."""
        self._candidates = Candidates(Node(target), MAXIMUM_CANDIDATES)
        self._asked: list[Candidate] = []
        self._detoured: list[Candidate] | None = None
        """Candidates found by detours; None before any were made."""
        self._name(contacts, None)

    @property
    def is_done(self) -> bool:
        """Nobody is left to ask or worth waiting for. Answers may still be reported."""
        return self._is_done

    @property
    def closest(self) -> list[Contact]:
        """The k closest that answered, the nearest first, and what the threat of a crowd adds.

        Behind a suspicious crowd the k closest beyond it, and what detours found. These are the
        nodes to announce to.
        """
        return [c.contact for c in self._wanted(self._k) if c.state is State.ANSWERED]

    @property
    def detours(self) -> tuple[bytes, ...]:
        """Targets to look up with find_node, once this lookup is done and a crowd is suspected.

        They lie around the crowd, at points that only the target and the network's size decide:
        who announces and who asks meet there, whatever the crowd answers. Give what the lookups
        found to `resume`.
        """
        if not self._is_done or self._crowd < 0 or self._detoured is not None:
            return ()
        return detours_around(self.target, self._network_size or 1.0)

    def resume(self, contacts: Iterable[Contact]) -> None:
        """Go on with the contacts that detours found: they are asked, and part of the result."""
        contacts = list(contacts)
        self._name(contacts, None)
        self._detoured = []
        for contact in contacts:
            place = self._limits.place(contact.endpoint)
            candidate = self._candidates.at(place.host) if place else None
            if candidate is not None and candidate not in self._detoured:
                self._detoured.append(candidate)
        self._is_done = False

    @property
    def wake_at(self) -> float | None:
        """When `next_queries` may have more to say though nothing was reported; None when done."""
        if self._is_done:
            return None
        times = [c.slow_at for c in self._asked if c.state is State.ASKED]
        times += [c.lost_at for c in self._asked if c.state is State.SLOW]
        return min([*times, self._started + MAXIMUM_SECONDS])

    def next_queries(self, now: float) -> list[Contact]:
        """Whom to ask now: they count as asked. Nobody is named twice."""
        if self._is_done:
            return []
        in_flight = self._expire(now)
        wanted = self._wanted(self._k)
        if not any(candidate.state is State.HEARD for candidate in wanted):
            if self._network_size is not None:
                near = (away for away, _ in self._eligible())
                self._crowd = crowd_reach(near, self._network_size)
            wanted = self._wanted(self._k)
        self._is_done = now - self._started >= MAXIMUM_SECONDS or self._has_ended(wanted)
        if self._is_done:
            return []
        room = min(self._alpha - in_flight, MAXIMUM_QUERIES - self.queries)
        ready = [c for c in self._wanted(self._k + SPARE) if c.state is State.HEARD]
        queries = ready[: max(0, room)]
        for candidate in queries:
            self._ask(candidate, now)
        return [candidate.contact for candidate in queries]

    def responded(
        self,
        contact: Contact,
        nodes: Iterable[Contact],
        now: float,
        *,
        node_id: NodeId | None = None,
    ) -> None:
        """A contact answered, in time or late, and named these nodes.

        `node_id` is the ID it answered with, if that is not the contact's.
        """
        candidate = self._find(contact)
        if candidate is None or candidate.state is State.ANSWERED:
            return
        if node_id is not None and node_id == self._own_id:
            self.failed(contact, now)  # a mirror
            return
        for referrer in candidate.referrers:
            if referrer is not None:
                referrer.answered += 1
                if candidate.state in (State.SLOW, State.FAILED):
                    referrer.unanswered -= 1
        candidate.state = State.ANSWERED
        candidate.latency = now - candidate.asked
        if node_id is not None and node_id != contact.id:
            self._rename(candidate, node_id)
        self._name(nodes, candidate)

    def failed(self, contact: Contact, now: float) -> None:
        """A contact will not answer any more: the query was given up, or refused."""
        candidate = self._find(contact)
        if candidate is None or candidate.state not in (State.ASKED, State.SLOW):
            return
        if candidate.state is State.ASKED:
            self._unanswered(candidate, State.FAILED)
        candidate.state = State.FAILED

    def explain(self) -> list[Step]:
        """Every query in the order of asking."""
        return [
            Step(
                contact=candidate.contact,
                distance=distance(self.target, candidate.id).bit_length(),
                asked=candidate.asked - self._started,
                latency=candidate.latency,
                result=candidate.state.value,
                referrer=candidate.referrers[0].contact if candidate.referrers[0] else None,
            )
            for candidate in self._asked
        ]

    def _name(self, nodes: Iterable[Contact], referrer: Candidate | None) -> None:
        """Somebody named these contacts."""
        if referrer is not None:
            nearest = sorted(nodes, key=lambda contact: distance(self.target, contact.id))
            nodes = nearest[:NAMED_PER_ANSWER]
        fresh = []
        for contact in nodes:
            place = self._limits.place(contact.endpoint)
            if place is None or contact.id == self._own_id:
                continue
            known = self._candidates.at(place.host)
            if known is not None and known.contact == contact:
                known.named_by(referrer)
            else:
                fresh.append(Candidate(contact, place, referrer))
        self._candidates.push(fresh)

    def _find(self, contact: Contact) -> Candidate | None:
        """The candidate that was asked as `contact`."""
        for candidate in self._asked:
            if (candidate.claimed or candidate.contact) == contact:
                return candidate
        return None

    def _ask(self, candidate: Candidate, now: float) -> None:
        candidate.state = State.ASKED
        candidate.asked = now
        timeout = self._timeout(candidate.contact)
        candidate.slow_at = now + timeout
        candidate.lost_at = now + timeout * PATIENCE
        self._asked.append(candidate)
        self.queries += 1

    def _expire(self, now: float) -> int:
        """Mark who is slow, and who is lost. Returns how many answers are still on time."""
        on_time = 0
        for candidate in self._asked:
            if candidate.state is State.ASKED:
                if now < candidate.slow_at:
                    on_time += 1
                else:
                    self._unanswered(candidate, State.SLOW)
            if candidate.state is State.SLOW and now >= candidate.lost_at:
                candidate.state = State.FAILED
        return on_time

    def _unanswered(self, candidate: Candidate, state: State) -> None:
        candidate.state = state
        for referrer in candidate.referrers:
            if referrer is not None:
                referrer.unanswered += 1

    def _rename(self, candidate: Candidate, node_id: NodeId) -> None:
        """The host has another ID than it was named with."""
        if candidate in self._candidates:
            self._candidates.discard(candidate)
        candidate.claimed = candidate.contact
        candidate.contact = Contact(node_id, candidate.contact.endpoint)
        candidate.id, candidate.long_id = node_id, int.from_bytes(node_id, "big")
        self._candidates.push(candidate)

    def _eligible(self) -> Iterator[tuple[int, Candidate]]:
        """Candidates that may be in the result, with their distance, the nearest first."""
        subnets: Counter[str | bytes] = Counter()
        for away, candidate in self._candidates.heap:
            if candidate.state in (State.SLOW, State.FAILED):
                continue
            if candidate.state is State.HEARD and not candidate.is_worth_asking:
                continue
            subnet = candidate.place.subnet
            if subnet is not None:
                subnets[subnet] += 1
                if subnets[subnet] > self._limits.per_subnet:
                    continue
            yield away, candidate

    def _wanted(self, k: int) -> list[Candidate]:
        """The candidates that make up the result once all of them answered.

        The k nearest, up to k more within the distance expected of the k-th, the k nearest beyond
        the crowd, and what detours found.
        """
        wanted: list[Candidate] = []
        missing = k if self._crowd >= 0 else 0
        for away, candidate in self._eligible():
            if len(wanted) >= k and not missing and away > self._expected:
                break
            room = 2 * k if away <= self._expected else k
            if missing and away > self._crowd:
                missing -= 1
                wanted.append(candidate)
            elif len(wanted) < room:
                wanted.append(candidate)
        lost = (State.SLOW, State.FAILED)
        more = [c for c in self._detoured or () if c not in wanted and c.state not in lost]
        return wanted + more

    def _has_ended(self, wanted: list[Candidate]) -> bool:
        """Whether all that is wanted is there, or nothing more can come."""
        if len(wanted) >= self._k and all(c.state is State.ANSWERED for c in wanted):
            return True
        states = Counter(candidate.state for candidate in self._asked)
        if states[State.ASKED]:
            return False
        if self.queries >= MAXIMUM_QUERIES:
            return True
        if any(candidate.state is State.HEARD for candidate in wanted):
            return False
        return not states[State.SLOW] or len(wanted) >= self._k
