"""Keeping one family's table alive, and knowing when it is not the table that is dead.

Every few seconds: contacts that were silent for long are asked whether they live, buckets in which
nothing changed are looked up (BEP 5), what was stored for others is forgotten in time. When nobody
at all answers, or our own address is another, the socket is opened anew, contacts are asked round
and round, and when the first one answers everything that rests on our address starts over (R15).
"""

import asyncio
import random
from collections.abc import Callable

from dht.bootstrap import Bootstrap
from dht.datagram_stream import local_address
from dht.family_node import SILENCE_SECONDS, FamilyNode
from dht.join import Joiner
from dht.krpc import FindNode
from dht.node_id import NodeId
from dht.search import Search
from formats.endpoint import Endpoint

TICK_SECONDS = 5.0

PINGS_PER_TICK = 8
"""Of contacts that were silent for long; a full table of 200 takes less than 15 minutes."""

SUSPICION_PINGS = 2
"""In a tick, while the last query was lost: any answer shows that it is not our network."""

LOOKUPS_PER_TICK = 1
"""Of buckets in which nothing changed."""

EXPIRY_SECONDS = 60.0
"""Between two looks at what is stored for others."""

ADDRESS_SECONDS = 15.0
"""Between two looks at the address that we send from."""

LONGEST_REBIND_SECONDS = 900.0
"""Between two new sockets while the silence lasts; first SILENCE_SECONDS, then doubled."""


class Maintenance:
    """Keeps one node. Keep `run` running in a task."""

    def __init__(
        self,
        node: FamilyNode,
        *,
        bootstrap: Bootstrap,
        joiner: Joiner,
        rng: random.Random,
        on_recovery: Callable[[], None],
    ) -> None:
        """`on_recovery` is called when the network is back, or our address is another."""
        self._loop = asyncio.get_running_loop()
        self._node = node
        self._bootstrap = bootstrap
        self._joiner = joiner
        self._rng = rng
        self._on_recovery = on_recovery
        now = self._loop.time()
        self._stale: list[NodeId] = []
        self._expire_at = now + EXPIRY_SECONDS
        self._check_address_at = now
        self._probe: Endpoint | None = None
        """The way to one node, always the same, for others may lead through other interfaces."""
        self._address: str | None = None
        self._lost_since: float | None = None
        self._rebind_at = 0.0
        self._next_ping = 0
        self.recoveries = 0
        """How often the network came back."""
        self.rebinds = 0

    async def run(self) -> None:
        """Tick until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(TICK_SECONDS)
                now = self._loop.time()
                await self._watch_address(now)
                if self._node.is_silent(now) or self._lost_since is not None:
                    await self._recover(now)
                else:
                    await self._maintain(now, group)

    async def _maintain(self, now: float, group: asyncio.TaskGroup) -> None:
        node = self._node
        node.judge_reachability(now)
        if node.id_changed.is_set():
            node.id_changed.clear()
            self._joiner.join(node)
        for contact in node.table.questionable(now)[:PINGS_PER_TICK]:
            await node.ping(contact)
        if node.unanswered_since is not None:
            await self._ping_next(SUSPICION_PINGS)
        self._stale = self._stale or node.table.refresh_targets(now, self._rng)
        for target in self._stale[:LOOKUPS_PER_TICK]:
            search = Search(node, target, FindNode(target, node.want))
            group.create_task(search.run())
        del self._stale[:LOOKUPS_PER_TICK]
        if now >= self._expire_at:
            self._expire_at = now + EXPIRY_SECONDS
            node.peers.expire(now)
            node.shared.items.expire(now)

    async def _watch_address(self, now: float) -> None:
        """Notice that we send from another address: cable to wireless, a new lease, a tunnel."""
        if now < self._check_address_at:
            return
        self._check_address_at = now + ADDRESS_SECONDS
        if self._probe is None:
            contacts = self._node.table.contacts()
            if not contacts:
                return
            self._probe = contacts[0].endpoint
        address = await local_address(self._probe)
        if address is None:
            return
        known, self._address = self._address, address
        if known is not None and known != address:
            await self._rebind(now)
            self._lost_since = self._lost_since or now

    async def _recover(self, now: float) -> None:
        """Ask contact after contact, the dead ones too, until one answers."""
        node = self._node
        if self._lost_since is None:
            self._lost_since = now
            self._rebind_at = now
            self._bootstrap.hurry()
        if (node.last_answer or 0.0) > self._lost_since:
            self._recovered(now)
            return
        if now >= self._rebind_at:
            await self._rebind(now)
        await self._ping_next(PINGS_PER_TICK)

    async def _ping_next(self, count: int) -> None:
        """Ask contacts whether they live, in turn."""
        contacts = self._node.table.contacts()
        for _ in range(min(count, len(contacts))):
            self._next_ping = (self._next_ping + 1) % len(contacts)
            await self._node.ping(contacts[self._next_ping])

    def _recovered(self, now: float) -> None:
        node = self._node
        self._lost_since = None
        self.recoveries += 1
        node.external.forget()
        node.reachability.restart(now)
        node.verify_queue.forgive()
        self._joiner.join(node)
        self._bootstrap.hurry()
        self._on_recovery()

    async def _rebind(self, now: float) -> None:
        lost_since = self._lost_since or now
        pause = min(LONGEST_REBIND_SECONDS, max(SILENCE_SECONDS, now - lost_since))
        try:
            await self._node.rpc.rebind()
            self.rebinds += 1
        except OSError:  # the address is not there, or not yet
            pause = TICK_SECONDS
        self._rebind_at = now + pause
