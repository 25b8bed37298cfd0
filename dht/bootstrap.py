"""Finding a first node, and the way back when all were lost: sources that are never given up.

The way into the network is its weak point: well-known hosts die or are taken over, saved contacts
grow stale, whoever named a node may lie (D15), or mean a machine of our own network (X3). So every
way to hear of a node is a source with a health of its own; a few are asked at once, more when those
stay silent, each again after a while for ever; a source can give no more than the nodes of one
answer, which are believed only once they answered themselves.
"""

import asyncio
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dht.contact import Family
from dht.family_node import FamilyNode, contacts_of
from dht.join import Joiner
from dht.krpc import FindNode, Response
from dht.node_id import NodeId
from formats.endpoint import Endpoint, EndpointError, normalise

BATCH = 4
"""Sources asked at once."""

PATIENCE_SECONDS = 2.0
"""Before more sources are asked: as long as nobody answered."""

RESOLVE_SECONDS = 5.0
"""For a name to be resolved."""

FIRST_PAUSE = 5.0
"""Seconds before a source is asked again; doubled whenever it does not answer."""

LONGEST_PAUSE = 600.0
LONGEST_PAUSE_ALONE = 20.0
"""Seconds; while nobody answers at all the network may be back any moment."""

LONGEST_ANSWERED_PAUSE = 3_600.0
"""Seconds; a source that answers is asked again, too, for others may have come since. The pause
begins with FIRST_PAUSE and is doubled whenever the table is still poor."""

MAX_SOURCES = 1_000
"""Sources remembered; beyond it the one with the most failures goes."""

_ADDRESSES_OF_A_NAME = 4


class SourceKind(StrEnum):
    """How we heard of a node, the most promising first."""

    CONFIGURED = "configured"
    SAVED = "saved"
    TORRENT = "torrent"
    PEER = "peer"
    """A peer's PORT message (BEP 5)."""
    BUILT_IN = "built in"


_ORDER = {kind: rank for rank, kind in enumerate(SourceKind)}


@dataclass(slots=True)
class BootstrapSource:
    """One host and its health. Times are monotonic seconds."""

    kind: SourceKind
    host: str
    """A name or a numeric address."""
    port: int
    node_id: NodeId | None = None
    asked: int = 0
    """How often."""
    failures: int = 0
    """In a row."""
    answers: int = 0
    """In a row."""
    due: float = 0.0
    """Not to be asked before."""
    last_answer: float | None = None
    endpoint: Endpoint | None = None
    """Where it answered from."""
    error: str | None = None
    """Why it failed the last time."""


def _is_hearsay(source: BootstrapSource) -> bool:
    return source.kind not in (SourceKind.CONFIGURED, SourceKind.BUILT_IN)


class Bootstrap:
    """Asks its sources while a node knows too few others. Keep `run` running in a task."""

    def __init__(
        self, nodes: Mapping[Family, FamilyNode], joiner: Joiner, rng: random.Random
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._nodes = nodes
        self._joiner = joiner
        self._rng = rng
        self._sources: dict[tuple[str, int], BootstrapSource] = {}
        self._wake = asyncio.Event()
        self._rounds = 0
        """Since all was well."""

    @property
    def sources(self) -> list[BootstrapSource]:
        """All sources, in the order they were added."""
        return list(self._sources.values())

    def add(self, kind: SourceKind, host: str, port: int, *, node_id: NodeId | None = None) -> None:
        """Remember a host. One that is known keeps its health."""
        if not 0 < port <= 65_535 or (host, port) in self._sources:
            return
        if len(self._sources) >= MAX_SOURCES:
            worst = max(self._sources.values(), key=lambda each: (_is_hearsay(each), each.failures))
            del self._sources[worst.host, worst.port]
        self._sources[host, port] = BootstrapSource(kind, host, port, node_id)
        self._wake.set()

    def hurry(self) -> None:
        """Our network has changed: what failed may work now."""
        now = self._loop.time()
        for source in self._sources.values():
            source.due = min(source.due, now)
            source.failures = source.answers = 0
        self._rounds = 0
        self._wake.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                now = self._loop.time()
                pause = LONGEST_PAUSE_ALONE
                if self._needs_help(now):
                    for source in self._next(now):
                        self._reserve(source, now)
                        group.create_task(self._ask(source))
                    self._rounds += 1
                    pause = self._pause(now)
                else:
                    self._rounds = 0
                timer = self._loop.call_later(pause, self._wake.set)
                try:
                    await self._wake.wait()
                finally:
                    timer.cancel()

    def _needs_help(self, now: float) -> bool:
        return any(node.is_poor or node.is_silent(now) for node in self._nodes.values())

    def _is_alone(self, now: float) -> bool:
        return all(not len(node.table) or node.is_silent(now) for node in self._nodes.values())

    def _pause(self, now: float) -> float:
        due = min((source.due for source in self._sources.values()), default=now + 3_600)
        return max(PATIENCE_SECONDS, min(due - now, LONGEST_PAUSE_ALONE))

    def _next(self, now: float) -> list[BootstrapSource]:
        """Whom to ask: of each kind the one asked least often, then more of them.

        Built-in hosts serve everybody: they wait for the second round, unless there is nobody else.
        """
        due = [source for source in self._sources.values() if source.due <= now]
        own = [source for source in due if source.kind is not SourceKind.BUILT_IN]
        if own and not self._rounds:
            due = own
        ranks: dict[SourceKind, int] = {}
        order: list[tuple[int, int, int, BootstrapSource]] = []
        for source in sorted(due, key=lambda source: (source.asked, source.failures)):
            rank = ranks[source.kind] = ranks.get(source.kind, 0) + 1
            order.append((rank, _ORDER[source.kind], len(order), source))
        return [source for *_, source in sorted(order)[:BATCH]]

    def _reserve(self, source: BootstrapSource, now: float) -> None:
        longest = LONGEST_PAUSE_ALONE if self._is_alone(now) else LONGEST_PAUSE
        pause = min(longest, FIRST_PAUSE * (1 << min(source.failures, 10)))
        source.due = now + pause * self._rng.uniform(0.8, 1.2)
        source.asked += 1
        source.failures += 1

    async def _ask(self, source: BootstrapSource) -> None:
        endpoints = await self._resolve(source)
        nodes = self._nodes
        asked = [(nodes[family], at) for at in endpoints if (family := Family.of(at)) in nodes]
        if _is_hearsay(source):
            asked = [
                (node, at) for node, at in asked if node.shared.address_limits.place(at) is not None
            ]
        if not asked:
            source.error = source.error or "it has no address that we could or should ask"
            return
        answers = await asyncio.gather(*(self._find(node, at, source) for node, at in asked))
        answered = [at for (_, at), answer in zip(asked, answers) if answer]
        if not answered:
            source.error = "no answer"
            source.answers = 0
            return
        source.endpoint = answered[0]
        source.error = None
        source.failures = 0
        source.last_answer = now = self._loop.time()
        pause = min(LONGEST_ANSWERED_PAUSE, FIRST_PAUSE * (1 << min(source.answers, 10)))
        source.due = now + pause * self._rng.uniform(0.8, 1.2)
        source.answers += 1

    async def _find(self, node: FamilyNode, endpoint: Endpoint, source: BootstrapSource) -> bool:
        own_id = node.table.own_id
        both = tuple(self._nodes)
        body = FindNode(own_id, both if len(both) > 1 else ())
        (outcome,) = await node.rpc.query_all([(endpoint, source.node_id, body)])
        if not isinstance(outcome, Response):
            return False
        for family, each in self._nodes.items():
            named = contacts_of(family, outcome)
            news = [contact for contact in named if each.would_take(contact, self._loop.time())]
            if news:
                self._joiner.join(each, news)
        return True

    async def _resolve(self, source: BootstrapSource) -> list[Endpoint]:
        try:
            return [Endpoint(normalise(source.host), source.port)]
        except EndpointError:
            pass
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                found = await self._loop.getaddrinfo(
                    source.host, source.port, type=socket.SOCK_DGRAM
                )
        except TimeoutError:
            source.error = f"the name was not resolved within {RESOLVE_SECONDS:.0f} seconds"
            return []
        except (OSError, UnicodeError) as error:
            source.error = f"the name was not resolved: {error}"
            return []
        hosts = dict.fromkeys(str(info[4][0]) for info in found)
        return [
            Endpoint(normalise(host), source.port) for host in list(hosts)[:_ADDRESSES_OF_A_NAME]
        ]
