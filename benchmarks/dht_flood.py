"""D9: a flood of queries while a node goes on looking for peers: `python -m benchmarks.dht_flood`.

On loopback, a node among others of this process, and a process that sends it 50,000 get_peers a
second from 800 sources. Of all of these queries the node answers what its budget of reply bytes
allows; its own lookups have to end, and to find what was announced.
"""

import argparse
import asyncio
import random
import resource
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median

import uvloop

from dht.config import DhtConfig
from dht.dht import Dht
from dht.krpc import GetPeers, Query, encode_query
from dht.node_id import random_id
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash

SOURCES = 800
"""Sockets, each at an address and a port of its own."""

NODES = 12
PEER_PORT = 4_000
_BATCH_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of it."""

    sent: float
    """Queries per second."""
    received: float
    """Of them, those that the system handed to the node: the others found its buffer full."""
    replies: float
    """Queries answered per second."""
    lookups: int
    found: int
    seconds: list[float]
    """Of each lookup."""
    memory: float
    """MiB by which the most memory this process ever used grew."""


async def measure(*, seconds: float, rate: int) -> Figures:
    """Flood one of a dozen nodes."""
    rng = random.Random(9)
    async with AsyncExitStack() as stack:
        nodes: list[Dht] = []
        for _ in range(NODES):
            config = DhtConfig(
                listen=(("127.0.0.1", 0),),
                bootstrap=tuple(node.endpoints[0] for node in nodes[:2]),
                built_in_hosts=(),
                allow_local=True,
            )
            nodes.append(await stack.enter_async_context(Dht(config, rng=rng)))
        await asyncio.gather(*(node.wait_ready() for node in nodes[1:]))
        await asyncio.sleep(1.0)
        info_hash = InfoHash(rng.randbytes(20))
        await nodes[-1].announce(info_hash, PEER_PORT)
        return await _flood(nodes[1], info_hash, seconds, rate)


async def _flood(target: Dht, info_hash: InfoHash, seconds: float, rate: int) -> Figures:
    loop = asyncio.get_running_loop()
    peer = Endpoint("127.0.0.1", PEER_PORT)
    command = [sys.executable, "-m", "benchmarks.dht_flood", "--seconds", str(seconds)]
    command += ["--rate", str(rate), "--send-to", str(target.endpoints[0].port)]
    memory = _peak_memory()
    flooder = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert flooder.stdout is not None
    await flooder.stdout.readline()
    before, begun = target.status(), loop.time()
    times: list[float] = []
    found = 0
    while loop.time() - begun < seconds:
        result = await target.get_peers(info_hash)
        times.append(result.seconds)
        found += peer in result.peers
        await asyncio.sleep(0.05)
    took = loop.time() - begun
    after = target.status()
    sent = int(await flooder.stdout.readline())
    await flooder.wait()
    dropped = sum(after.drops.values()) - sum(before.drops.values())
    answered = after.replies - before.replies
    return Figures(
        sent=sent / seconds,
        received=(dropped + answered) / took,
        replies=answered / took,
        lookups=len(times),
        found=found,
        seconds=times,
        memory=_peak_memory() - memory,
    )


def _peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def send(port: int, *, seconds: float, rate: int) -> int:
    """Send queries; returns how many."""
    rng = random.Random(1)
    sockets = []
    for number in range(SOURCES):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((f"127.0.{number // 200 + 1}.{number % 200 + 1}", 0))
        sock.connect(("127.0.0.1", port))
        sockets.append(sock)
    queries = [
        encode_query(Query(rng.randbytes(4), random_id(rng), GetPeers(InfoHash(rng.randbytes(20)))))
        for _ in range(1_000)
    ]
    print("sending", flush=True)
    sent, begun = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < seconds:
        for number in range(sent, int(elapsed * rate)):
            try:
                sockets[number % SOURCES].send(queries[number % 1_000])
            except ConnectionRefusedError:
                return sent
            sent = number + 1
        time.sleep(_BATCH_SECONDS)
    return sent


def main() -> None:
    """Flood, and print what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=50_000, help="queries per second")
    parser.add_argument("--send-to", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send_to:
        print(send(options.send_to, seconds=options.seconds, rate=options.rate))
        return
    for name, run in (("uvloop", uvloop.run), ("asyncio", asyncio.run)):
        figures = run(measure(seconds=options.seconds, rate=options.rate))
        print(f"{name}, {options.seconds:.0f} s of {figures.sent:,.0f} queries/s:")
        print(f"  reached the node {figures.received:,.0f}/s, answered {figures.replies:,.0f}/s")
        print(f"  its own lookups: {figures.found} of {figures.lookups} found the peer,")
        print(f"  median {median(figures.seconds):.2f} s, longest {max(figures.seconds):.2f} s")
        print(f"  memory grew by {figures.memory:.0f} MiB")


if __name__ == "__main__":
    main()
