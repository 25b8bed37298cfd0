"""B7: queries answered per second, beside libtorrent: `python -m benchmarks.dht_answers`.

Each program is a process of its own on one core; the generator, on the other, keeps 64 queries in
flight on one socket and checks the transaction of every answer. Limits on what one source may ask
are raised in both. Rounds interleave the programs; figures are medians, ratios those of a round.

`everswarm` has a full routing table and names eight nodes in every answer; `everswarm, empty` has
nobody to name, which is libtorrent's case here. Where the generator is the bottleneck the rates are
alike: the answers per second of the server's processor time are then what tells.
"""

import argparse
import asyncio
import os
import random
import select
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import libtorrent
import uvloop

from dht.config import DhtConfig
from dht.contact import Contact, Family
from dht.dht import Dht
from dht.krpc import GetPeers, Ping, Query, Response, encode_query, parse
from dht.node_id import random_id
from dht.source_budget import BudgetLimits
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash

WINDOW = 64
"""Queries in flight."""

QUERIES = 1_024
"""Different ones, each with a transaction of its own, sent over and over."""

LOST_SECONDS = 0.2
"""Without any answer, after which those in flight are given up for lost."""

CONTACTS = 600
"""Offered to our table, which keeps what fits."""

PROGRAMS = ("everswarm", "everswarm, empty", "libtorrent")

UNLIMITED = BudgetLimits(
    host_rate=1e9, host_burst=1e9, subnet_rate=1e9, subnet_burst=1e9, reply_bytes=1e12
)


@dataclass(frozen=True, slots=True)
class Rates:
    """What one run reached."""

    per_second: float
    per_cpu_second: float
    """Of the server."""
    size: float
    """Bytes of an answer, in the mean."""


async def serve_everswarm(contacts: int) -> None:
    """Answer until standard input ends."""
    rng = random.Random(7)
    config = DhtConfig(
        listen=(("127.0.0.1", 0),), built_in_hosts=(), budget_limits=UNLIMITED, read_only=False
    )
    async with Dht(config, rng=rng) as dht:
        node = dht.nodes[Family.V4]
        now = asyncio.get_running_loop().time()
        for _ in range(contacts):
            host = ".".join(str(rng.randrange(20, 99)) for _ in range(4))
            contact = Contact(random_id(rng), Endpoint(host, 6881))
            node.table.seen(contact, now, verified=True, rtt=0.1)
        print(dht.endpoints[0].port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def serve_libtorrent() -> None:
    """Answer until standard input ends."""
    session = libtorrent.session(
        {
            "listen_interfaces": "127.0.0.1:0",
            "enable_dht": True,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "dht_bootstrap_nodes": "",
            "dht_upload_rate_limit": 100_000_000,
            "dht_block_ratelimit": 1_000_000,
            "dht_ignore_dark_internet": False,
            "dht_restrict_routing_ips": False,
            "alert_mask": 0,
        }
    )
    while not session.is_dht_running() or not session.listen_port():
        time.sleep(0.05)
    print(session.listen_port(), flush=True)
    sys.stdin.read()


class Server:
    """A program in a process of its own, pinned to the first core."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.dht_answers", "--serve", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=pin(0),
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def cpu(self) -> float:
        """Processor seconds that it has used, all threads together."""
        with open(f"/proc/{self._process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End the process."""
        self._process.communicate("")


def pin(core: int) -> Callable[[], None] | None:
    """What keeps a process on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2:
        return None
    return lambda: os.sched_setaffinity(0, {core})


def queries(method: str) -> list[bytes]:
    """Transactions are two bytes: the number of the query."""
    rng = random.Random(5)
    sender = random_id(rng)
    return [
        encode_query(
            Query(
                number.to_bytes(2, "big"),
                sender,
                Ping() if method == "ping" else GetPeers(InfoHash(rng.randbytes(20))),
            )
        )
        for number in range(QUERIES)
    ]


def generate(server: Server, method: str, seconds: float) -> Rates:
    """Ask for so long, and count what comes back."""
    asked = queries(method)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        sock.connect(("127.0.0.1", server.port))
        sock.settimeout(2.0)
        sock.send(asked[0])
        assert isinstance(parse(sock.recv(2_048)), Response), "not an answer"
        sock.setblocking(False)
        cpu, begun = server.cpu(), time.perf_counter()
        answers, size = exchange(sock, asked, begun + seconds)
        took = time.perf_counter() - begun
        used = server.cpu() - cpu
    return Rates(answers / took, answers / used, size / answers)


def exchange(sock: socket.socket, asked: list[bytes], until: float) -> tuple[int, int]:
    """Answers and their bytes; a query whose answer was lost is made up for by another."""
    send, receive = sock.send, sock.recv
    transactions = {b"1:t2:" + number.to_bytes(2, "big") for number in range(QUERIES)}
    number = answers = size = in_flight = 0
    while time.perf_counter() < until:
        for _ in range(WINDOW - in_flight):
            send(asked[number])
            number = (number + 1) % QUERIES
        in_flight = WINDOW
        if not select.select([sock], [], [], LOST_SECONDS)[0]:
            in_flight = 0
        try:
            while True:
                answer = receive(2_048)
                at = answer.rfind(b"1:t2:")
                if answer[at : at + 7] in transactions and b"1:y1:r" in answer:
                    answers += 1
                    size += len(answer)
                    in_flight -= 1
        except BlockingIOError:
            pass
    return answers, size


def measure(method: str, *, rounds: int, seconds: float) -> None:
    """Run the rounds of one kind of query and print the figures."""
    results: dict[str, list[Rates]] = {program: [] for program in PROGRAMS}
    servers = {program: Server(program) for program in PROGRAMS}
    try:
        for server in servers.values():
            generate(server, method, 0.3)
        for _ in range(rounds):
            for program, server in servers.items():
                results[program].append(generate(server, method, seconds))
    finally:
        for server in servers.values():
            server.close()
    print(f"{method:24} answers/s  per CPU second  bytes  / libtorrent  by CPU")
    for program, runs in results.items():
        both = list(zip(runs, results["libtorrent"]))
        rates = [ours.per_second / theirs.per_second for ours, theirs in both]
        by_cpu = [ours.per_cpu_second / theirs.per_cpu_second for ours, theirs in both]
        print(
            f"  {program:20} {statistics.median(run.per_second for run in runs):11,.0f}"
            f"  {statistics.median(run.per_cpu_second for run in runs):14,.0f}"
            f"  {statistics.median(run.size for run in runs):5.0f}"
            f"  {statistics.median(rates):.2f}x ({min(rates):.2f}-{max(rates):.2f})"
            f"  {statistics.median(by_cpu):.2f}x"
        )


def main() -> None:
    """Be the generator, or one of the servers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each run")
    parser.add_argument("--serve", choices=PROGRAMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve == "libtorrent":
        serve_libtorrent()
    elif options.serve:
        uvloop.run(serve_everswarm(CONTACTS if options.serve == "everswarm" else 0))
    else:
        if keep := pin(1):
            keep()
        print(f"libtorrent {libtorrent.__version__}, {WINDOW} queries in flight")
        for method in ("ping", "get_peers"):
            measure(method, rounds=options.rounds, seconds=options.seconds)


if __name__ == "__main__":
    main()
