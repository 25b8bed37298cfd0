"""Proof that a stranger finds us: a search from a node that nobody knows and that knows nobody.

What our own searches find may come from contacts that favour us, or from our own store. So a
throw-away ID at a socket of its own enters through well-known nodes, as a newcomer would.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dht.contact import Contact, Family
from dht.family_node import FamilyNode, Shared, contacts_of
from dht.krpc import FindNode, Response
from dht.node_id import random_id
from dht.peer_search import PeerSearch
from dht.tokens import Tokens
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash


@dataclass(frozen=True, slots=True)
class Findability:
    """What the stranger found."""

    found: bool
    """Whether our peer is among the peers found; any peer, if we do not know our address."""
    peers: tuple[Endpoint, ...]
    entries: tuple[Endpoint, ...]
    """The nodes it entered through that answered."""
    nodes_asked: int
    seconds: float


async def prove(
    info_hash: InfoHash,
    *,
    nodes: Mapping[Family, FamilyNode],
    entries: Sequence[Endpoint],
    is_ours: Callable[[Endpoint], bool],
) -> Findability:
    """Search as a stranger that enters through `entries`. Raises OSError without a free port."""
    strangers = _strangers(nodes)
    try:
        for family, stranger in strangers.items():
            await stranger.open(nodes[family].rpc.endpoint.host, 0)
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(stranger.run()) for stranger in strangers.values()]
            contacts, answered = await _enter(strangers, entries, info_hash)
            found = await PeerSearch(strangers.values(), info_hash, contacts=contacts).run()
            for task in running:
                task.cancel()
    finally:
        for stranger in strangers.values():
            await stranger.close()
    return Findability(
        any(is_ours(peer) for peer in found.peers),
        found.peers,
        tuple(answered),
        found.nodes_asked,
        found.seconds,
    )


def _strangers(nodes: Mapping[Family, FamilyNode]) -> dict[Family, FamilyNode]:
    own = next(iter(nodes.values())).shared
    now = asyncio.get_running_loop().time()
    shared = Shared(
        rng=own.rng,
        tokens=Tokens(own.rng, now),
        address_limits=own.address_limits,
        budget_limits=own.budget_limits,
        read_only=True,
    )
    return {family: FamilyNode(family, random_id(own.rng), shared) for family in nodes}


async def _enter(
    strangers: Mapping[Family, FamilyNode], entries: Iterable[Endpoint], info_hash: InfoHash
) -> tuple[list[Contact], list[Endpoint]]:
    contacts: dict[Contact, None] = {}
    answered: list[Endpoint] = []
    for family, stranger in strangers.items():
        doors = [entry for entry in entries if Family.of(entry) is family]
        body = FindNode(info_hash)
        outcomes = await stranger.rpc.query_all([(door, None, body) for door in doors])
        for door, outcome in zip(doors, outcomes):
            if isinstance(outcome, Response):
                answered.append(door)
                contacts[Contact(outcome.sender, door)] = None
                contacts.update(dict.fromkeys(contacts_of(family, outcome)))
    return list(contacts), answered
