"""Our node in the network of one address family: a socket, a table, and who is believed (BEP 32).

Everything that comes in passes here: queries to be answered, answers that say who lives. What each
may do to us is said where it is decided: `rpc`, `query_handler`, `routing_table`, `verify_queue`,
`external_address`.
"""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from dht.address_limits import AddressLimits
from dht.contact import Contact, Family, unpack_contacts4, unpack_contacts6
from dht.counters import Counters
from dht.external_address import ExternalAddress
from dht.item_store import ItemStore
from dht.krpc import ErrorReply, Ping, Query, Response, encode_error, encode_response
from dht.latency import LatencyTable
from dht.node_id import NodeId, compliant_id, is_compliant
from dht.peer_store import PeerLimits, PeerStore
from dht.query_handler import ClosestNodes, QueryHandler
from dht.reachability import Reachability
from dht.routing_table import K, RoutingTable
from dht.rpc import TIMER_ERROR, Outcome, RpcSocket
from dht.size_estimate import SizeEstimate
from dht.source_budget import BudgetLimits, SourceBudget
from dht.tokens import Tokens
from dht.verify_queue import VerifyQueue
from formats.endpoint import Endpoint

SILENCE_SECONDS = 60.0
"""Without any answer while we ask: it is our network that is gone, not all the others."""

OUTAGE_SECONDS = 15.0
"""Without any answer: a lost query is not held against the contact any more."""

POOR = 2 * K
"""With fewer contacts a table is helped by the other family's."""

PING_SIZE = 67
"""Bytes of our ping. Who asks and is pinged for it may be forged: the reply is so much smaller."""

START_CONTACTS = 2 * K
"""Contacts of our own table that a lookup starts from."""


@dataclass(slots=True, kw_only=True)
class Shared:
    """What the nodes of both families have in common."""

    rng: random.Random
    tokens: Tokens
    items: ItemStore = field(default_factory=ItemStore)
    counters: Counters = field(default_factory=Counters)
    address_limits: AddressLimits = field(default_factory=AddressLimits)
    budget_limits: BudgetLimits = field(default_factory=BudgetLimits)
    peer_limits: PeerLimits = field(default_factory=PeerLimits)
    nodes: dict[Family, "FamilyNode"] = field(default_factory=dict)
    closest: dict[Family, ClosestNodes] = field(default_factory=dict)
    peers: dict[Family, PeerStore] = field(default_factory=dict)
    read_only: bool | None = None
    """We ask and do not answer (BEP 43); None lets measured reachability decide."""
    keep_id: bool = False
    """The ID was chosen by the user."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """A table has its first contact."""

    def remove(self, family: Family) -> None:
        """There is no node of this family after all."""
        del self.nodes[family], self.closest[family], self.peers[family]


class FamilyNode:
    """Made inside a running loop. `open` it, keep `run` running in a task, `close` it."""

    def __init__(self, family: Family, node_id: NodeId, shared: Shared) -> None:
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self.family = family
        self.shared = shared
        self.table = RoutingTable(node_id, family, limits=shared.address_limits)
        self.latency = LatencyTable()
        self.size_estimate = SizeEstimate()
        self.peers = PeerStore(shared.rng, shared.peer_limits)
        self.external = ExternalAddress()
        self.reachability = Reachability(now)
        self.verify_queue = VerifyQueue()
        self.last_answer: float | None = None
        """When a node last answered a query of ours."""
        self.unanswered_since: float | None = None
        """When the first query was given up for lost since then."""
        self.read_only = bool(shared.read_only)
        """We ask and do not answer (BEP 43)."""
        self.is_reachable: bool | None = None
        """Whether strangers' queries reach us, as far as we know."""
        self.id_changed = asyncio.Event()
        """We have taken another ID, around which the table knows too little."""
        shared.nodes[family] = self
        shared.closest[family] = self.table.closest_compact
        shared.peers[family] = self.peers
        self._budget = SourceBudget(now, shared.budget_limits)
        self.rpc = RpcSocket(
            self,
            budget=self._budget,
            latency=self.latency,
            counters=shared.counters,
            rng=shared.rng,
        )
        self._handler = QueryHandler(
            lambda: self.table.own_id,
            shared.closest,
            peers=shared.peers,
            items=shared.items,
            tokens=shared.tokens,
        )
        self._doubts = asyncio.Event()

    async def open(self, host: str, port: int) -> None:
        """Bind a numeric address. Raises OSError."""
        await self.rpc.open(host, port)

    async def run(self) -> None:
        """Receive, and ping whom the table wants verified, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.rpc.run())
            group.create_task(self._verify())

    async def close(self) -> None:
        """Close the socket; nothing is sent any more."""
        await self.rpc.close()

    @property
    def other(self) -> "FamilyNode | None":
        """Our node in the other family's network."""
        return self.shared.nodes.get(Family.V6 if self.family is Family.V4 else Family.V4)

    @property
    def is_poor(self) -> bool:
        """Whether the table needs help to find its network."""
        return len(self.table) < POOR

    @property
    def want(self) -> tuple[Family, ...]:
        """The `want` of our find_node: both families while the other table is poor (BEP 32)."""
        other = self.other
        return (Family.V4, Family.V6) if other is not None and other.is_poor else ()

    def start_contacts(self, target: bytes) -> list[Contact]:
        """Contacts that a lookup starts from: some of them will be dead."""
        return self.table.closest(target, START_CONTACTS)

    def holds(self, contact: Contact) -> bool:
        """Whether this network may have such a contact, and it is not ourselves."""
        return (
            Family.of(contact.endpoint) is self.family
            and contact.id != self.table.own_id
            and self.shared.address_limits.place(contact.endpoint) is not None
        )

    def would_take(self, contact: Contact, now: float) -> bool:
        """Whether the table does not have this contact and has a place for it."""
        if contact in self.table or not self.holds(contact):
            return False
        return self.table.seen(contact, now, verified=False) is not None

    @property
    def network_size(self) -> float | None:
        """The estimated number of nodes, or None while too little is known."""
        estimate = self.size_estimate.nodes
        return None if estimate is None else max(estimate, len(self.table) + 1.0)

    def is_silent(self, now: float) -> bool:
        """Whether nobody has answered for a while though we asked."""
        since = self.unanswered_since
        return since is not None and now - since >= SILENCE_SECONDS

    def heard(self, contacts: Iterable[Contact], now: float) -> None:
        """Somebody named these contacts: a poor table with a place for them has them pinged."""
        for contact in contacts:
            if self.is_poor and self.would_take(contact, now):
                self.doubt(contact, now)

    def doubt(self, contact: Contact | None, now: float) -> bool:
        """Ping this contact when its turn comes; whether that is to be."""
        if contact is None:
            return False
        place = self.shared.address_limits.place(contact.endpoint)
        if place is None or not self.verify_queue.add(contact, place.host, now):
            return False
        self._doubts.set()
        return True

    def judge_reachability(self, now: float) -> None:
        """Serve, or be read-only, as strangers reach us or not; to be called every few seconds."""
        self.is_reachable = self.reachability.judge(now, contacts=len(self.table))
        if self.shared.read_only is None:
            self.read_only = self.is_reachable is False

    async def ping(self, contact: Contact) -> None:
        """Ask a contact whether it lives; the table learns of it."""
        await self.rpc.ask(contact.endpoint, Ping(), _ignore, node_id=contact.id)

    # What `rpc` tells us and asks us

    @property
    def identity(self) -> tuple[NodeId, bool]:
        """Our ID here, and whether we are read-only."""
        return self.table.own_id, self.read_only

    def answer(self, query: Query, source: Endpoint, size: int, now: float) -> bytes | None:
        """The datagram that answers a query; the sender may be a new contact."""
        place = self.shared.address_limits.place(source)
        if place is not None:
            self.reachability.queried_by(place.host, now)
        if self.read_only:
            self.shared.counters.drops["read-only"] += 1
            return None
        newcomer = Contact(query.sender, source)
        doubtful = self.table.seen(newcomer, now, verified=False, read_only=query.read_only)
        is_pinged = self.doubt(doubtful, now) and doubtful == newcomer
        allowance = self._budget.allowance(source, size, now, besides=PING_SIZE * is_pinged)
        reply = self._handler.answer(query, source, now, allowance=allowance)
        if reply is None:
            return None
        if isinstance(reply, ErrorReply):
            return encode_error(reply, size)
        return encode_response(reply)

    def answered(
        self, contact: Contact, expected: NodeId | None, response: Response, rtt: float, now: float
    ) -> None:
        """A node lives. One that has another ID than we were told is no contact of ours (D3)."""
        self.last_answer = now
        self.unanswered_since = None
        asked = contact if expected is None else Contact(expected, contact.endpoint)
        if asked == contact or asked in self.table:
            self.doubt(self.table.seen(contact, now, verified=True, rtt=rtt), now)
            if len(self.table):
                self.shared.ready.set()
        self._count_vote(contact.endpoint, response.external)
        for node in self.shared.nodes.values():
            if node.is_poor:
                node.heard(contacts_of(node.family, response), now)

    def unanswered(self, endpoint: Endpoint, node_id: NodeId | None, now: float) -> None:
        """A query is lost. While nobody at all answers, that says nothing about the contact."""
        if self.unanswered_since is None:
            self.unanswered_since = now
        is_ours = self.last_answer is None or now - self.last_answer > OUTAGE_SECONDS
        if node_id is not None and not is_ours:
            self.table.failed(Contact(node_id, endpoint), now)

    def sent_to(self, endpoint: Endpoint, now: float) -> None:
        """A query goes out."""
        place = self.shared.address_limits.place(endpoint)
        if place is not None:
            self.reachability.sent_to(place.host, now)

    def _count_vote(self, voter: Endpoint, claimed: Endpoint | None) -> None:
        if claimed is None or Family.of(claimed) is not self.family:
            return
        if not self.external.vote(voter.host, claimed.host) or self.shared.keep_id:
            return
        if not is_compliant(self.table.own_id, claimed.host):
            self.table.change_own_id(compliant_id(claimed.host, self.shared.rng))
            self.id_changed.set()

    async def _verify(self) -> None:
        while True:
            await self._doubts.wait()
            now = self._loop.time()
            due_at = self.verify_queue.due_at
            if due_at is None:
                self._doubts.clear()
                continue
            await asyncio.sleep(due_at - now + TIMER_ERROR)
            contact = self.verify_queue.pop(max(due_at, self._loop.time()))
            if contact is not None:
                await self.ping(contact)


def contacts_of(family: Family, response: Response) -> list[Contact]:
    """The contacts of one family that a response names."""
    if family is Family.V4:
        return unpack_contacts4(response.nodes)
    return unpack_contacts6(response.nodes6)


def _ignore(outcome: Outcome) -> None:
    """The table has learnt of it."""
