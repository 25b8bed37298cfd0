"""Memory for what a DHT node stores: `python -m benchmarks.dht_memory`.

Python's own account of its allocations (tracemalloc), in kB for each thousand. What the network
itself says of a peer is 20 bytes of info hash and 6 of endpoint.
"""

import asyncio
import random
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import uvloop

from dht.announce_schedule import AnnounceSchedule
from dht.config import DhtConfig
from dht.contact import Contact, Family
from dht.dht import Dht
from dht.item import ImmutableItem
from dht.item_store import MAX_ITEMS, ItemStore
from dht.node_id import random_id
from dht.peer_store import PeerLimits, PeerStore
from formats.bencode import encode
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash

HASHES = 10_000
NODES = 20


def grown(build: Callable[[], Any]) -> float:
    """Bytes that what `build` returns holds."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = build()
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    del kept
    return size


def peer_store(peers: int, *, asked: bool = False) -> PeerStore:
    """So many peers in each swarm; lists for answers are made when somebody asks."""
    rng = random.Random(3)
    store = PeerStore(rng, PeerLimits(swarms=HASHES, swarms_of_host=HASHES))
    for _ in range(HASHES):
        info_hash = rng.randbytes(20)
        for _ in range(peers):
            store.announce(info_hash, rng.randbytes(6), seed=False, now=0.0)
        if asked:
            store.peers(info_hash, 50, now=0.0)
    return store


def schedule() -> AnnounceSchedule:
    """Torrents of ours, each stored by eight nodes."""
    rng = random.Random(3)
    announced = AnnounceSchedule()
    nodes = [Endpoint(f"20.0.0.{number}", 6881) for number in range(8)]
    for number in range(HASHES):
        info_hash = InfoHash(rng.randbytes(20))
        announced.add(info_hash, float(number))
        announced.stored(info_hash, nodes, float(number))
    return announced


def item_store() -> ItemStore:
    """As many items of a thousand bytes as a node takes."""
    rng = random.Random(3)
    store = ItemStore()
    for _ in range(MAX_ITEMS):
        store.put(ImmutableItem(encode(rng.randbytes(996))), rng.randbytes(4), now=0.0)
    return store


async def node_size() -> float:
    """Bytes of a whole node with a full table, in the mean."""
    rng = random.Random(3)
    loop = asyncio.get_running_loop()
    nodes = []
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(NODES):
        config = DhtConfig(listen=(("127.0.0.1", 0),), built_in_hosts=())
        nodes.append(node := await Dht(config, rng=rng).__aenter__())
        for _ in range(600):
            host = ".".join(str(rng.randrange(20, 99)) for _ in range(4))
            contact = Contact(random_id(rng), Endpoint(host, 6881))
            node.nodes[Family.V4].table.seen(contact, loop.time(), verified=True)
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    for node in nodes:
        await node.__aexit__(None, None, None)
    return size / NODES


def main() -> None:
    """Print a line for each kind of thing stored."""
    for peers in (1, 10, 50):
        size = grown(partial(peer_store, peers)) / HASHES
        print(f"1,000 info hashes with {peers:2} peers each     {size:8,.0f} kB")
    size = grown(partial(peer_store, 10, asked=True)) / HASHES
    print(f"                  10, and asked for       {size:8,.0f} kB")
    print(f"1,000 items of 1,000 bytes                {grown(item_store) / MAX_ITEMS:8,.0f} kB")
    print(f"1,000 torrents of ours, announced         {grown(schedule) / HASHES:8,.0f} kB")
    print(f"a node with a full table                  {uvloop.run(node_size()) / 1e3:8,.0f} kB")


if __name__ == "__main__":
    main()
