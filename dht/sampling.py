"""Info hashes that nodes know peers of, around a place in the ID space (BEP 51).

Samples are hearsay: a node may make up as many as fit into a datagram.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from dht.contact import Contact
from dht.family_node import FamilyNode
from dht.krpc import Response, SampleInfohashes
from dht.search import Search
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash

_INFO_HASH_SIZE = 20


@dataclass(frozen=True, slots=True)
class Samples:
    """What the nodes on the way to a target gave."""

    info_hashes: tuple[InfoHash, ...]
    totals: dict[Endpoint, int]
    """How many each node that knows BEP 51 says it has."""
    intervals: dict[Endpoint, int]
    """Seconds before it makes sense to ask each of them again."""
    nodes_asked: int


async def sample(nodes: Iterable[FamilyNode], target: bytes) -> Samples:
    """Ask the nodes on the way to `target`, and those closest to it."""
    info_hashes: dict[InfoHash, None] = {}
    totals: dict[Endpoint, int] = {}
    intervals: dict[Endpoint, int] = {}

    def response(contact: Contact, answer: Response) -> None:
        if answer.samples is None:
            return
        for at in range(0, len(answer.samples), _INFO_HASH_SIZE):
            info_hashes[InfoHash(answer.samples[at : at + _INFO_HASH_SIZE])] = None
        totals[contact.endpoint] = answer.total or 0
        intervals[contact.endpoint] = answer.interval or 0

    searches = [
        Search(node, target, SampleInfohashes(target), on_response=response) for node in nodes
    ]
    await asyncio.gather(*(search.run() for search in searches))
    asked = sum(search.queries for search in searches)
    return Samples(tuple(info_hashes), totals, intervals, asked)
