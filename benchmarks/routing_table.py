"""`closest(8)` in full routing tables: ours, and the `kademlia` package's `find_neighbors`.

A table of 25 levels with buckets of 8 holds about 200 contacts, with buckets of 80 about 2,000.
The package's answers are near, not nearest; its time is shown for what the correction costs.
"""

import argparse
import importlib.metadata
import platform
import random
import statistics
import time

from kademlia.node import Node
from kademlia.routing import RoutingTable as PackageTable

from dht.contact import Contact, Family
from dht.node_id import NodeId, random_id
from dht.routing_table import RoutingTable
from formats.endpoint import Endpoint

LEVELS = 25
"""log2 of the size of the network whose table this would be."""


class Silent:
    """The package's table pings by itself; here it talks to nobody."""

    async def call_ping(self, node: Node) -> None:
        """Nothing."""


def contacts_for(own_id: NodeId, size: int, rng: random.Random) -> list[Contact]:
    """`size` contacts in each of the levels of a table, every one in a network of its own."""
    own = int.from_bytes(own_id, "big")
    found = []
    for number in range(LEVELS * size):
        bit = 159 - number // size
        node_id = own ^ (1 << bit | rng.getrandbits(bit))
        host = f"{20 + number // 256}.{number % 256}.1.1"
        found.append(Contact(NodeId(node_id.to_bytes(20, "big")), Endpoint(host, 6881)))
    return found


def microseconds(table: RoutingTable, targets: list[bytes]) -> float:
    """Mean time of one `closest(8)`."""
    started = time.perf_counter()
    for target in targets:
        table.closest(target)
    return (time.perf_counter() - started) / len(targets) * 1e6


def package_microseconds(table: PackageTable, targets: list[bytes]) -> float:
    """Mean time of one `find_neighbors`."""
    nodes = [Node(target) for target in targets]
    started = time.perf_counter()
    for node in nodes:
        table.find_neighbors(node, 8)
    return (time.perf_counter() - started) / len(targets) * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing_table", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    version = importlib.metadata.version("kademlia")
    print(f"Python {platform.python_version()}, kademlia {version}, {options.rounds} rounds")
    print(f"{'contacts':>8} {'buckets':>7} {'us':>6} {'us, near our ID':>15} {'us, package':>11}")
    for size in (8, 80):
        rng = random.Random(1)
        own_id = random_id(rng)
        table = RoutingTable(own_id, Family.V4, k=size)
        package = PackageTable(Silent(), size, Node(own_id))
        for contact in contacts_for(own_id, size, rng):
            table.seen(contact, 0.0, verified=True, rtt=0.1)
            bucket = package.buckets[package.get_bucket_for(Node(contact.id))]
            while not bucket.add_node(Node(contact.id)):
                package.split_bucket(package.get_bucket_for(Node(contact.id)))
                bucket = package.buckets[package.get_bucket_for(Node(contact.id))]
        anywhere = [bytes(random_id(rng)) for _ in range(2_000)]
        near = [own_id[:2] + target[2:] for target in anywhere]
        rounds = range(options.rounds)
        ours = statistics.median(microseconds(table, anywhere) for _ in rounds)
        ours_near = statistics.median(microseconds(table, near) for _ in rounds)
        theirs = statistics.median(package_microseconds(package, anywhere) for _ in rounds)
        buckets = table.stats(0.0).buckets
        print(f"{len(table):8} {buckets:7} {ours:6.1f} {ours_near:15.1f} {theirs:11.1f}")


if __name__ == "__main__":
    main()
