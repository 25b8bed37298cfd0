"""Peers of a swarm: sought, counted and announced in the networks of both families (BEP 5, 33).

Nodes may name whatever they like as a peer: an endpoint is a hint, to be dialled under the limits
of whoever dials. What one node may add is bounded by its datagram, all of them by MAX_PEERS.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dht.bloom import estimate, union
from dht.contact import Contact
from dht.family_node import FamilyNode
from dht.krpc import AnnouncePeer, GetPeers, Response
from dht.lookup import Step
from dht.query_handler import MAX_VALUES
from dht.search import Search
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash

MAX_PEERS = 2_000
"""Peers that one search remembers; a swarm needs a few hundred to start from."""

OnPeers: TypeAlias = Callable[[list[Endpoint]], None]


@dataclass(frozen=True, slots=True)
class PeersFound:
    """What a search for peers brought. Times are seconds after it began."""

    peers: tuple[Endpoint, ...]
    """In the order they were named, each once."""
    nodes_asked: int
    nodes_answered: int
    seconds: float
    first_peer_seconds: float | None
    """When the first peer was named; None if none was."""
    closest: tuple[Contact, ...]
    """The closest nodes that answered, of both families, each family's nearest first."""
    tokens: dict[Endpoint, bytes]
    """The right to announce, by node."""
    steps: tuple[Step, ...]
    """Every query, for `explain`."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """How many peers a swarm has, as bloom filters tell it (BEP 33): an estimate, easily forged."""

    seeds: float
    downloaders: float
    nodes_answered: int


@dataclass(frozen=True, slots=True)
class Announcement:
    """What we say of ourselves in a swarm."""

    port: int
    """Where our peer listens."""
    implied_port: bool = False
    """Others should take the source port of our datagrams instead (BEP 5)."""
    seed: bool = False
    """We have everything (BEP 33)."""


class PeerSearch:
    """One search for the peers of an info hash, in the network of each node.

    What is announced to ourselves is found, too: we may be among the closest.
    """

    def __init__(
        self,
        nodes: Iterable[FamilyNode],
        info_hash: InfoHash,
        *,
        on_peers: OnPeers | None = None,
        contacts: Sequence[Contact] = (),
        noseed: bool = False,
        scrape: bool = False,
    ) -> None:
        """`on_peers` is handed new peers while the search runs.

        `contacts` are known to be close to the hash, beside those of our own tables.
        """
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._nodes = list(nodes)
        self._info_hash = info_hash
        self._on_peers = on_peers
        self._peers: dict[Endpoint, None] = {}
        self._first_peer_at: float | None = None
        self._filters: list[tuple[bytes, bytes]] = []
        self._searches: list[Search] = []
        now = self._started
        for node in self._nodes:
            stored = node.peers.peers(info_hash, MAX_VALUES, now=now, noseed=noseed)
            self._found(Response(b"", node.table.own_id, values=stored).peers)
            known = [contact for contact in contacts if node.holds(contact)]
            search = Search(
                node,
                info_hash,
                GetPeers(info_hash, (), noseed, scrape),
                on_response=self._response,
                contacts=[*known, *node.start_contacts(info_hash)],
            )
            self._searches.append(search)

    async def run(self) -> PeersFound:
        """Return when the closest nodes of each network have answered."""
        await asyncio.gather(*(search.run() for search in self._searches))
        searches = self._searches
        tokens: dict[Endpoint, bytes] = {}
        for search in searches:
            tokens.update(search.tokens)
        return PeersFound(
            peers=tuple(self._peers),
            nodes_asked=sum(search.queries for search in searches),
            nodes_answered=sum(search.answers for search in searches),
            seconds=self._loop.time() - self._started,
            first_peer_seconds=self._first_peer_at,
            closest=tuple(contact for search in searches for contact in search.closest),
            tokens=tokens,
            steps=tuple(step for search in searches for step in search.steps),
        )

    async def announce(self, announcement: Announcement) -> list[Endpoint]:
        """After `run`: announce to the closest nodes. Returns those that stored it."""
        both = zip(self._nodes, self._searches)
        stored = await asyncio.gather(
            *(self._announce(node, search, announcement) for node, search in both)
        )
        return [endpoint for endpoints in stored for endpoint in endpoints]

    @property
    def scraped(self) -> Scrape:
        """After `run` with `scrape`: what the filters of all nodes say together."""
        seeds = union(filters[0] for filters in self._filters)
        downloaders = union(filters[1] for filters in self._filters)
        answered = sum(search.answers for search in self._searches)
        return Scrape(estimate(seeds), estimate(downloaders), answered)

    def _response(self, contact: Contact, response: Response) -> None:
        if response.seeds_bloom is not None and response.peers_bloom is not None:
            self._filters.append((response.seeds_bloom, response.peers_bloom))
        self._found(response.peers)

    def _found(self, peers: Iterable[Endpoint]) -> None:
        fresh = [peer for peer in dict.fromkeys(peers) if peer not in self._peers]
        fresh = fresh[: MAX_PEERS - len(self._peers)]
        if not fresh:
            return
        if self._first_peer_at is None:
            self._first_peer_at = self._loop.time() - self._started
        self._peers.update(dict.fromkeys(fresh))
        if self._on_peers is not None:
            self._on_peers(fresh)

    async def _announce(
        self, node: FamilyNode, search: Search, announcement: Announcement
    ) -> list[Endpoint]:
        holders = [contact for contact in search.closest if contact.endpoint in search.tokens]
        outcomes = await node.rpc.query_all(
            [
                (
                    contact.endpoint,
                    contact.id,
                    AnnouncePeer(
                        self._info_hash,
                        announcement.port,
                        search.tokens[contact.endpoint],
                        announcement.implied_port,
                        announcement.seed,
                    ),
                )
                for contact in holders
            ]
        )
        return [
            contact.endpoint
            for contact, outcome in zip(holders, outcomes)
            if isinstance(outcome, Response)
        ]
