"""Items of BEP 44 sought and stored in the networks of both families, and ours kept alive.

Nodes may answer with anything: an item counts if its hash or its signature is what the target
names. An old version of a mutable item is genuine, too; so all of the closest are asked, and the
highest sequence number wins.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dht.contact import Contact, Family
from dht.family_node import FamilyNode
from dht.item import (
    MAX_SALT_SIZE,
    MAX_SEQUENCE,
    MAX_VALUE_SIZE,
    ImmutableItem,
    Item,
    MutableItem,
    mutable_target,
    sign,
    verified,
)
from dht.krpc import ErrorReply, Get, Put, Response
from dht.node_id import NodeId
from dht.search import Search
from formats.bencode import Value, encode
from formats.endpoint import Endpoint
from formats.errors import ConfigError

REPUBLISH_SECONDS = 3_600.0
"""Between two puts of an item of ours; nodes forget after two hours (BEP 44)."""

RETRY_SECONDS = 60.0
"""After a put that nobody stored."""


@dataclass(frozen=True, slots=True)
class ItemFound:
    """What a search for an item brought."""

    item: Item | None
    """Its `value` is bencoded. Of a mutable item the newest version."""
    nodes_asked: int
    nodes_answered: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ItemStored:
    """What became of a put."""

    item: Item
    """Its `target` is what to get it by."""
    nodes: tuple[Endpoint, ...]
    """Those that stored it."""
    refusals: dict[int, int]
    """How many nodes refused, by error code (BEP 44): 301 means a race lost, 302 too old."""


class _ItemSearch:
    """Get queries to the nodes closest to a target."""

    def __init__(
        self,
        nodes: Mapping[Family, FamilyNode],
        target: NodeId,
        salt: bytes,
        *,
        for_put: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._target = target
        self._salt = salt
        self._for_put = for_put
        self.item: Item | None = None
        for node in nodes.values():
            self._judge(node.shared.items.get(target, self._started))
        self.searches = [
            (node, Search(node, target, Get(target), on_response=self._response))
            for node in nodes.values()
        ]

    async def run(self) -> ItemFound:
        if not self._is_final:
            await asyncio.gather(*(search.run() for _, search in self.searches))
        return ItemFound(
            self.item,
            sum(search.queries for _, search in self.searches),
            sum(search.answers for _, search in self.searches),
            self._loop.time() - self._started,
        )

    async def put(self, item: Item, cas: int | None) -> ItemStored:
        stored: list[Endpoint] = []
        refusals: Counter[int] = Counter()
        for node, search in self.searches:
            holders = [c for c in search.closest if c.endpoint in search.tokens]
            outcomes = await node.rpc.query_all(
                [(c.endpoint, c.id, Put(item, search.tokens[c.endpoint], cas)) for c in holders]
            )
            for contact, outcome in zip(holders, outcomes):
                if isinstance(outcome, Response):
                    stored.append(contact.endpoint)
                elif isinstance(outcome, ErrorReply):
                    refusals[outcome.code] += 1
        return ItemStored(item, tuple(stored), dict(refusals))

    @property
    def _is_final(self) -> bool:
        """Whether what was found cannot be bettered."""
        return isinstance(self.item, ImmutableItem) and not self._for_put

    def _response(self, contact: Contact, response: Response) -> None:
        self._judge(response.item(self._salt))
        if self._is_final:
            for _, search in self.searches:
                search.stop()

    def _judge(self, item: Item | None) -> None:
        if item is None or item == self.item:
            return
        known = self.item
        if isinstance(known, ImmutableItem):
            return
        if isinstance(known, MutableItem) and (
            not isinstance(item, MutableItem) or item.sequence <= known.sequence
        ):
            return
        if verified(item, self._target):
            self.item = item


class ItemExchange:
    """Gets and puts. Keep `run` running in a task: it puts our items again every hour."""

    def __init__(self, nodes: Mapping[Family, FamilyNode]) -> None:
        self._loop = asyncio.get_running_loop()
        self._nodes = nodes
        self._published: dict[NodeId, Item] = {}
        self._due: dict[NodeId, float] = {}
        self._wake = asyncio.Event()

    @property
    def published(self) -> list[Item]:
        """Our items that are kept alive."""
        return list(self._published.values())

    async def get(self, target: NodeId, *, salt: bytes = b"") -> ItemFound:
        """Seek an item by its target; a mutable one needs its salt as well."""
        return await _ItemSearch(self._nodes, target, salt).run()

    async def put(
        self,
        value: Value,
        *,
        key: Ed25519PrivateKey | None = None,
        salt: bytes = b"",
        sequence: int | None = None,
        cas: int | None = None,
        keep: bool = True,
    ) -> ItemStored:
        """Store a value: under its hash, or with a key as a version of a mutable item.

        `sequence` is by default one more than the highest found. With `keep` the item is put again
        every hour. Raises ConfigError for what no node would store.
        """
        data = encode(value)
        if len(data) > MAX_VALUE_SIZE:
            raise ConfigError(
                f"the value is {len(data)} bytes long when bencoded; nodes store at most"
                f" {MAX_VALUE_SIZE}"
            )
        if key is None:
            item: Item = ImmutableItem(data)
            search = _ItemSearch(self._nodes, item.target, b"", for_put=True)
            await search.run()
        else:
            if len(salt) > MAX_SALT_SIZE:
                raise ConfigError(f"a salt has at most {MAX_SALT_SIZE} bytes, not {len(salt)}")
            target = mutable_target(key.public_key().public_bytes_raw(), salt)
            search = _ItemSearch(self._nodes, target, salt, for_put=True)
            await search.run()
            if sequence is None:
                sequence = search.item.sequence + 1 if isinstance(search.item, MutableItem) else 1
            if not 0 <= sequence <= MAX_SEQUENCE:
                raise ConfigError(f"a sequence number lies between 0 and 2^63 - 1, not {sequence}")
            item = sign(data, key, sequence=sequence, salt=salt)
        stored = await search.put(item, cas)
        if keep:
            self._keep(item, bool(stored.nodes))
        return stored

    def forget(self, target: NodeId) -> None:
        """Put this item of ours no more; nodes forget it within two hours."""
        self._published.pop(target, None)
        self._due.pop(target, None)

    def hasten(self) -> None:
        """Our network has changed: put everything again."""
        self._due = dict.fromkeys(self._due, self._loop.time())
        self._wake.set()

    async def run(self) -> None:
        """Republish until cancelled."""
        while True:
            self._wake.clear()
            now = self._loop.time()
            for target in [target for target, due in self._due.items() if due <= now]:
                await self._republish(target)
            if self._due:
                wait = max(1.0, min(self._due.values()) - self._loop.time())
                timer = self._loop.call_later(wait, self._wake.set)
                try:
                    await self._wake.wait()
                finally:
                    timer.cancel()
            else:
                await self._wake.wait()

    async def _republish(self, target: NodeId) -> None:
        item = self._published.get(target)
        if item is None:
            return
        salt = item.salt if isinstance(item, MutableItem) else b""
        search = _ItemSearch(self._nodes, target, salt, for_put=True)
        await search.run()
        newest = search.item
        if isinstance(newest, MutableItem) and isinstance(item, MutableItem):
            item = max(item, newest, key=lambda each: each.sequence)
        stored = await search.put(item, None)
        if target in self._published:
            self._keep(item, bool(stored.nodes))

    def _keep(self, item: Item, was_stored: bool) -> None:
        wait = REPUBLISH_SECONDS if was_stored else RETRY_SECONDS
        self._published[item.target] = item
        self._due[item.target] = self._loop.time() + wait
        self._wake.set()
