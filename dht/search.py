"""Driving one lookup: whom it names is asked, what comes back is reported (BEP 5).

What the answers may do is bounded by `lookup`; what is in them is for the caller to judge.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeAlias

from dht.contact import Contact
from dht.family_node import FamilyNode, contacts_of
from dht.krpc import Body, FindNode, Response
from dht.lookup import Lookup, Step
from dht.routing_table import K
from dht.rpc import Outcome
from formats.endpoint import Endpoint

CLOCK_SECONDS = 0.002
"""By which a timer may come early: loops round to their clock's resolution, uvloop's is 1 ms."""

OnResponse: TypeAlias = Callable[[Contact, Response], None]


class Search:
    """One lookup in one family's network, each query with the same body.

    `contacts` to start from are by default the table's closest. `on_response` is called for each
    answer, while the lookup runs.
    """

    def __init__(
        self,
        node: FamilyNode,
        target: bytes,
        body: Body,
        *,
        on_response: OnResponse | None = None,
        contacts: Iterable[Contact] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._node = node
        self._body = body
        self._on_response = on_response
        self._wake = asyncio.Event()
        self._is_stopped = False
        self.target = target
        self.answers = 0
        self.tokens: dict[Endpoint, bytes] = {}
        """The right to announce or put, by the node that gave it."""
        self._lookup = Lookup(
            target,
            node.start_contacts(target) if contacts is None else contacts,
            self._loop.time(),
            timeout=node.latency.timeout,
            network_size=node.network_size,
            own_id=node.table.own_id,
            limits=node.shared.address_limits,
        )

    @property
    def queries(self) -> int:
        """Nodes asked."""
        return self._lookup.queries

    @property
    def closest(self) -> list[Contact]:
        """The closest nodes that answered: those to announce to."""
        return self._lookup.closest

    @property
    def steps(self) -> list[Step]:
        """Every query in the order of asking."""
        return self._lookup.explain()

    def stop(self) -> None:
        """What was sought is found: `run` returns."""
        self._is_stopped = True
        self._wake.set()

    async def run(self) -> None:
        """Return when the closest nodes have answered."""
        await self._advance()
        detours = self._lookup.detours
        if detours and not self._is_stopped:
            around = [
                Search(self._node, detour, FindNode(detour, self._node.want)) for detour in detours
            ]
            await asyncio.gather(*(search._advance() for search in around))
            self._lookup.resume(contact for search in around for contact in search.closest)
            await self._advance()
        elif not self._is_stopped:
            closest = [contact.id for contact in self.closest]
            if len(closest) == K:
                self._node.size_estimate.observed(self.target, closest)

    async def _advance(self) -> None:
        lookup = self._lookup
        now = self._loop.time()
        while not self._is_stopped:
            self._wake.clear()
            for contact in lookup.next_queries(now):
                ended = partial(self._ended, contact)
                await self._node.rpc.ask(contact.endpoint, self._body, ended, node_id=contact.id)
            wake_at = lookup.wake_at
            if wake_at is None:
                return
            timer = self._loop.call_at(wake_at, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()
            now = self._loop.time()
            if wake_at - now < CLOCK_SECONDS:
                now = max(now, wake_at)

    def _ended(self, contact: Contact, outcome: Outcome) -> None:
        now = self._loop.time()
        self._wake.set()
        if not isinstance(outcome, Response):
            self._lookup.failed(contact, now)
            return
        named = contacts_of(self._node.family, outcome)
        self._lookup.responded(contact, named, now, node_id=outcome.sender)
        self.answers += 1
        if outcome.token is not None:
            self.tokens[contact.endpoint] = outcome.token
        if self._on_response is not None and not self._is_stopped:
            self._on_response(Contact(outcome.sender, contact.endpoint), outcome)
