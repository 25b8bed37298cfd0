"""Settling in: a node looks itself up, then the far parts of its table (Kademlia paper, 2.3).

The nodes on the way get to know us and we them. What they name is bounded by `lookup`.
"""

import asyncio
import random
from collections.abc import Iterable

from dht.contact import Contact
from dht.family_node import FamilyNode
from dht.krpc import FindNode
from dht.node_id import NODE_ID_BITS, NODE_ID_SIZE, NodeId
from dht.routing_table import K
from dht.search import Search

MAX_HINTS = 64
"""Contacts remembered between two lookups of ourselves."""

FAR_LOOKUPS = 4
"""Parts of the ID space that are looked up after ourselves; the rest comes with use."""


class Joiner:
    """Runs one join after the other for each node. Keep `run` running in a task."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._hints: dict[FamilyNode, dict[Contact, None]] = {}
        self._wake = asyncio.Event()
        self.joins = 0
        """Joins completed."""

    def join(self, node: FamilyNode, contacts: Iterable[Contact] = ()) -> None:
        """Look this node's ID up soon, from its table and from these contacts."""
        hints = self._hints.setdefault(node, {})
        for contact in contacts:
            if len(hints) < MAX_HINTS and node.holds(contact):
                hints[contact] = None
        self._wake.set()

    async def run(self) -> None:
        """Join when asked to, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._hints = self._hints, {}
            await asyncio.gather(*(self._join(node, hints) for node, hints in waiting.items()))
            self.joins += len(waiting)

    async def _join(self, node: FamilyNode, hints: Iterable[Contact]) -> None:
        own_id = node.table.own_id
        contacts = [*hints, *node.start_contacts(own_id)]
        if not contacts:
            return
        await Search(node, own_id, FindNode(own_id, node.want), contacts=contacts).run()
        for target in self._far_targets(node):
            await Search(node, target, FindNode(target, node.want)).run()

    def _far_targets(self, node: FamilyNode) -> list[NodeId]:
        """An ID in each of the largest parts of the space without us, if too few are known there.

        The first is the half in which our first bit is wrong, the next the quarter in which the
        second is, and so on.
        """
        own = int.from_bytes(node.table.own_id, "big")
        known = [entry.long_id ^ own for entry in node.table.entries()]
        targets = []
        for bit in range(NODE_ID_BITS - 1, NODE_ID_BITS - 1 - FAR_LOOKUPS, -1):
            if sum(away.bit_length() == bit + 1 for away in known) < K:
                away = self._rng.randrange(1 << bit, 2 << bit)
                targets.append(NodeId((own ^ away).to_bytes(NODE_ID_SIZE, "big")))
        return targets
