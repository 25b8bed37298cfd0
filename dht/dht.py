"""The facade: a node of the mainline DHT (BEP 5, 32, 33, 42, 43, 44, 45, 51).

What strangers may do to it is said where they are met: `rpc`, `query_handler`, `lookup`,
`routing_table`, `peer_store`, `item_store`, `bootstrap`, `saved_state`.
"""

import asyncio
import random
import time
from collections.abc import Callable
from types import TracebackType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dht.announce_schedule import AnnounceReport
from dht.announcer import Announcer
from dht.bootstrap import Bootstrap, SourceKind
from dht.config import DhtConfig
from dht.contact import Contact, Family
from dht.family_node import FamilyNode, Shared
from dht.findability import Findability, prove
from dht.item_exchange import ItemExchange, ItemFound, ItemStored
from dht.join import Joiner
from dht.krpc import FindNode, Ping
from dht.listening import open_nodes
from dht.lookup import Step
from dht.maintenance import Maintenance
from dht.node_id import NodeId
from dht.overview import announce_status, family_status, problem, source_status
from dht.peer_search import Announcement, OnPeers, PeerSearch, PeersFound, Scrape
from dht.routing_table import K
from dht.rpc import NoAnswerError
from dht.sampling import Samples, sample
from dht.saved_state import SavedContact, SavedState, SavedStateError, encode_state, parse_state
from dht.search import Search
from dht.status import DhtStatus
from dht.tokens import Tokens
from formats.bencode import Value
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash

READY_SECONDS = 20.0
"""A search that begins before we know anybody waits so long for a first contact."""

MAX_ENTRIES = 8
"""Well-known nodes through which `findable` enters."""


class Dht:
    """A node of the DHT, on one socket for each address family.

        async with Dht() as dht:
            found = await dht.get_peers(info_hash)
            print(found.peers, found.seconds)
            await dht.announce(info_hash, 6881)
            print(dht.status())

    `rng` is the source of all chance (default: the system's), `clock` tells Unix seconds.
    A private torrent is nothing for the DHT: do not name its info hash here (D16).
    """

    def __init__(
        self,
        config: DhtConfig | None = None,
        *,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.time,  # noqa: TID251 - this is the injected clock
    ) -> None:
        self.config = config or DhtConfig()
        self._rng = rng or random.SystemRandom()
        self._clock = clock
        self._saved_problem: str | None = None

    async def __aenter__(self) -> "Dht":
        """Open the sockets and start to look for others. Raises ConfigError."""
        self._loop = asyncio.get_running_loop()
        config = self.config
        saved = self._saved_state()
        self._shared = shared = Shared(
            rng=self._rng,
            tokens=Tokens(self._rng, self._loop.time()),
            address_limits=config.limits,
            budget_limits=config.budget_limits,
            peer_limits=config.peer_limits,
            read_only=config.read_only,
            keep_id=config.node_id is not None,
        )
        ids = dict.fromkeys(Family, config.node_id) if config.node_id else saved.node_ids
        await open_nodes(config.listen, shared, ids)
        nodes = self.nodes = shared.nodes
        """Our node in each family's network, with its table, its stores and its socket."""
        self._joiner = Joiner(self._rng)
        self._bootstrap = Bootstrap(nodes, self._joiner, self._rng)
        self._add_sources(saved)
        self._announcer = Announcer(
            nodes, packet_rate=config.packet_rate, is_ready=shared.ready.is_set
        )
        self._items = ItemExchange(nodes)
        self._maintenance = {family: self._maintain(node) for family, node in nodes.items()}
        await self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything, close the sockets; searches still running end with what they have."""
        for task in self._running:
            task.cancel()
        try:
            await self._tasks.__aexit__(None, None, None)
        finally:
            for node in self.nodes.values():
                await node.close()

    # Asking

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The addresses we listen on, IPv4 first if it was named first."""
        return tuple(node.rpc.endpoint for node in self.nodes.values())

    @property
    def node_ids(self) -> dict[Family, NodeId]:
        """Our ID in the network of each family."""
        return {family: node.table.own_id for family, node in self.nodes.items()}

    @property
    def is_ready(self) -> bool:
        """Whether any node has answered us since the start."""
        return self._shared.ready.is_set()

    async def wait_ready(self, timeout: float = READY_SECONDS) -> bool:
        """Wait until a node has answered us, at most `timeout` seconds; whether one has."""
        try:
            async with asyncio.timeout(timeout):
                await self._shared.ready.wait()
        except TimeoutError:
            return False
        return True

    async def ping(self, endpoint: Endpoint) -> tuple[NodeId, float]:
        """The ID of the node there and its round-trip time in seconds.

        Raises NoAnswerError, and RefusedError for an error it sends.
        """
        node = self.nodes.get(Family.of(endpoint))
        if node is None:
            raise NoAnswerError(f"we have no address from which {endpoint} could be reached")
        started = self._loop.time()
        response = await node.rpc.query(endpoint, Ping())
        return response.sender, self._loop.time() - started

    async def find_node(self, target: bytes) -> tuple[Contact, ...]:
        """The nodes closest to 20 bytes, of each family the nearest first."""
        await self.wait_ready()
        searches = [
            Search(node, target, FindNode(target, node.want)) for node in self.nodes.values()
        ]
        await asyncio.gather(*(search.run() for search in searches))
        return tuple(contact for search in searches for contact in search.closest[:K])

    async def get_peers(
        self, info_hash: InfoHash, on_peers: OnPeers | None = None, *, noseed: bool = False
    ) -> PeersFound:
        """The peers of a swarm; `on_peers` is handed new ones while the search runs.

        `noseed` asks for those that still download (BEP 33).
        """
        await self.wait_ready()
        nodes = self.nodes.values()
        return await PeerSearch(nodes, info_hash, on_peers=on_peers, noseed=noseed).run()

    async def explain(self, info_hash: InfoHash) -> tuple[Step, ...]:
        """A search for peers, step by step: who was asked when, how near it is, what it did."""
        return (await self.get_peers(info_hash)).steps

    async def scrape(self, info_hash: InfoHash) -> Scrape:
        """How many seeds and downloaders a swarm has, about (BEP 33)."""
        await self.wait_ready()
        search = PeerSearch(self.nodes.values(), info_hash, scrape=True)
        await search.run()
        return search.scraped

    async def sample_infohashes(self, target: bytes) -> Samples:
        """Info hashes that nodes near 20 bytes know peers of (BEP 51)."""
        await self.wait_ready()
        return await sample(self.nodes.values(), target)

    # Announcing

    async def announce(
        self, info_hash: InfoHash, port: int, *, implied_port: bool = False, seed: bool = False
    ) -> int:
        """Announce once; how many nodes stored it. They forget it within half an hour."""
        await self.wait_ready()
        search = PeerSearch(self.nodes.values(), info_hash)
        await search.run()
        return len(await search.announce(Announcement(port, implied_port, seed)))

    def add_torrent(
        self,
        info_hash: InfoHash,
        port: int,
        *,
        implied_port: bool = False,
        seed: bool = False,
        on_peers: OnPeers | None = None,
    ) -> None:
        """Announce this torrent from now on, as often as it takes to stay findable.

        `on_peers` is handed the peers that each announce comes across. Adding it again changes
        what is said of it.
        """
        announcement = Announcement(port, implied_port, seed)
        self._announcer.add(info_hash, announcement, on_peers=on_peers)

    def remove_torrent(self, info_hash: InfoHash) -> None:
        """Announce it no more."""
        self._announcer.remove(info_hash)

    def announced(self, info_hash: InfoHash) -> AnnounceReport | None:
        """When, where and by how many nodes a torrent of ours was stored. Times: `loop.time()`."""
        return self._announcer.report(info_hash)

    async def findable(self, info_hash: InfoHash, port: int | None = None) -> Findability:
        """Whether a newcomer finds us in this swarm: a search from a throw-away ID.

        `port` is the one we announced; None accepts any peer. Raises OSError without a free port.
        """
        await self.wait_ready()
        hosts = {node.external.address or node.rpc.endpoint.host for node in self.nodes.values()}
        known = all(host not in ("0.0.0.0", "::") for host in hosts)  # noqa: S104

        def is_ours(peer: Endpoint) -> bool:
            if port is None:
                return True
            return peer.port == port and (not known or peer.host in hosts)

        entries = self._entries(info_hash)
        return await prove(info_hash, nodes=self.nodes, entries=entries, is_ours=is_ours)

    # Items

    async def get(self, target: NodeId, *, salt: bytes = b"") -> ItemFound:
        """The item stored under a target; a mutable one needs its salt as well (BEP 44)."""
        await self.wait_ready()
        return await self._items.get(target, salt=salt)

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
        """Store a value under its hash, or, with a key, a version of a mutable item (BEP 44).

        `sequence` is by default one more than the highest found; `cas` is what it must replace.
        With `keep` it is put again every hour while this node runs. Raises ConfigError for what no
        node would store.
        """
        await self.wait_ready()
        return await self._items.put(
            value, key=key, salt=salt, sequence=sequence, cas=cas, keep=keep
        )

    def forget_item(self, target: NodeId) -> None:
        """Put this item of ours no more."""
        self._items.forget(target)

    # Nodes to start from, and to keep

    def add_node(self, host: str, port: int, *, from_peer: bool = False) -> None:
        """A torrent names a node, or a peer's PORT message does: somebody to ask if need be."""
        self._bootstrap.add(SourceKind.PEER if from_peer else SourceKind.TORRENT, host, port)

    def contacts(self) -> tuple[SavedContact, ...]:
        """The contacts worth keeping over a restart, the most reliable first, with their ages."""
        now = self._loop.time()
        return tuple(
            SavedContact(contact, max(0.0, now - entry.last_seen))
            for node in self.nodes.values()
            for contact in node.table.contacts()
            if (entry := node.table.find(contact.id)) is not None
        )

    def save(self) -> bytes:
        """Contacts and IDs for `DhtConfig.saved`; every five minutes is often enough (D15)."""
        return encode_state(SavedState(self.node_ids, self.contacts()), self._clock())

    def status(self) -> DhtStatus:
        """What an operator wants to know, now."""
        now = self._loop.time()
        counters = self._shared.counters
        families = tuple(
            family_status(node, self._maintenance[family].recoveries, now)
            for family, node in self.nodes.items()
        )
        sources = tuple(source_status(source, now) for source in self._bootstrap.sources)
        return DhtStatus(
            families=families,
            bootstrap=sources,
            announces=announce_status(self._announcer.stats(), now),
            queries_in=dict(counters.queries_in),
            queries_out=dict(counters.queries_out),
            responses=counters.responses,
            timeouts=counters.timeouts,
            late=counters.late,
            refusals=counters.refusals,
            replies=counters.replies,
            drops=dict(counters.drops),
            send_failures=counters.send_failures,
            bytes_in=counters.bytes_in,
            bytes_out=counters.bytes_out,
            items_stored=len(self._shared.items),
            items_published=len(self._items.published),
            saved_problem=self._saved_problem,
            problem=problem(families, sources),
        )

    # Starting

    def _saved_state(self) -> SavedState:
        """What was saved; nothing if it is damaged: it is a help, not a condition."""
        if self.config.saved is not None:
            try:
                return parse_state(self.config.saved, self._clock())
            except SavedStateError as error:
                self._saved_problem = str(error)
        return SavedState({}, ())

    def _add_sources(self, saved: SavedState) -> None:
        add = self._bootstrap.add
        for host, port in self.config.bootstrap:
            add(SourceKind.CONFIGURED, host, port)
        for each in saved.contacts:
            endpoint = each.contact.endpoint
            if self.config.limits.place(endpoint) is not None:
                add(SourceKind.SAVED, *endpoint, node_id=each.contact.id)
        for host, port in self.config.built_in_hosts:
            add(SourceKind.BUILT_IN, host, port)

    def _maintain(self, node: FamilyNode) -> Maintenance:
        return Maintenance(
            node,
            bootstrap=self._bootstrap,
            joiner=self._joiner,
            rng=self._rng,
            on_recovery=self._network_is_back,
        )

    async def _start(self) -> None:
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        lives = [node.run() for node in self.nodes.values()]
        lives += [maintenance.run() for maintenance in self._maintenance.values()]
        lives += [self._joiner.run(), self._bootstrap.run()]
        lives += [self._announcer.run(), self._items.run()]
        self._running = [self._tasks.create_task(life) for life in lives]

    def _network_is_back(self) -> None:
        self._announcer.hasten()
        self._items.hasten()

    def _entries(self, info_hash: InfoHash) -> list[Endpoint]:
        """Bootstrap hosts that answered; in a network without them, nodes far from the hash."""
        hosts = [source.endpoint for source in self._bootstrap.sources if source.endpoint]
        if not hosts:
            for node in self.nodes.values():
                near = node.table.closest(info_hash, K)
                far = [contact for contact in node.table.contacts() if contact not in near]
                hosts += [contact.endpoint for contact in (far or near)]
        return hosts[:MAX_ENTRIES]
