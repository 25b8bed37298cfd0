"""B9: announces over UDP, beside opentracker: `python -m benchmarks.udp_tracker`.

Each tracker on one core, a client on the other that keeps some hundred announces under way over a
few sockets; rounds interleave the trackers. Both know the same swarms and are asked for 50 peers.
Every reply is checked: it is to our transaction, and names peers. The figure is announces per
second of the tracker's processor time, which does not depend on how fast the client is.
"""

import argparse
import os
import random
import select
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.transfer import pin
from formats.identifiers import InfoHash, PeerId
from tracker import udp_message
from tracker.announce import AnnounceRequest

TORRENTS = 200
PEERS = 100
"""Of each torrent; opentracker, too, tells peers of one address apart by their ports."""
SOCKETS = 4
UNDER_WAY = 128
"""Announces without a reply yet, of all sockets."""
_HOST = "127.0.0.1"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one round."""

    per_second: float
    per_cpu_second: float
    peers: float
    """In a reply, on average."""


def requests() -> list[AnnounceRequest]:
    """One of each peer of each torrent."""
    rng = random.Random(9)
    hashes = [InfoHash(rng.randbytes(20)) for _ in range(TORRENTS)]
    return [
        AnnounceRequest(info_hash, PeerId(rng.randbytes(20)), 1 + number, left=number % 3)
        for number in range(PEERS)
        for info_hash in hashes
    ]


@contextmanager
def running(name: str) -> Iterator[tuple[int, int]]:
    """(process ID, UDP port) of a tracker."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        if name == "everswarm":
            command = [sys.executable, "-m", "node", "tracker", "--listen", f"{_HOST}:0"]
            command += ["--udp", f"{_HOST}:{port}"]
        else:
            Path(folder).chmod(0o755)  # started by root, it drops its rights first
            hashes = {request.info_hash.hex() for request in requests()}
            Path(folder, "allowed").write_text("\n".join(sorted(hashes)) + "\n")
            command = ["opentracker", "-i", _HOST, "-p", str(port), "-P", str(port)]
            command += ["-d", folder, "-w", "allowed"]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=pin(0)
        )
        try:
            yield process.pid, port
        finally:
            process.terminate()
            process.wait()


def connect(port: int) -> tuple[socket.socket, int]:
    """A socket to the tracker, and its connection ID; waits until the tracker is there."""
    packet = udp_message.connect_request(1)
    for _ in range(200):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect((_HOST, port))
        sock.settimeout(0.1)
        try:
            sock.send(packet)
            return sock, udp_message.parse_connection_id(sock.recv(100))
        except (ConnectionRefusedError, TimeoutError):
            sock.close()
            time.sleep(0.05)
    raise RuntimeError("the tracker does not answer")


def measure(pid: int, port: int, *, seconds: float) -> Figures:
    """Fill the swarms, then announce for some seconds."""
    everybody = requests()
    clients = []
    for _ in range(SOCKETS):
        sock, connection = connect(port)
        clients.append(
            (sock, [udp_message.announce_request(connection, 9, each) for each in everybody])
        )
    _announce(clients, until=time.perf_counter() + 1.0)
    begun, cpu = time.perf_counter(), _cpu_seconds(pid)
    replies, peers = _announce(clients, until=begun + seconds)
    took, used = time.perf_counter() - begun, _cpu_seconds(pid) - cpu
    for sock, _ in clients:
        sock.close()
    return Figures(replies / took, replies / used, peers / replies)


def _announce(clients: list[tuple[socket.socket, list[bytes]]], *, until: float) -> tuple[int, int]:
    """Announce until then; (replies, peers in them). What is lost is replaced."""
    replies = size = sent = 0
    expected = struct.pack(">II", udp_message.Action.ANNOUNCE, 9)
    poll = select.poll()
    by_descriptor = {}
    for sock, packets in clients:
        sock.setblocking(False)
        by_descriptor[sock.fileno()] = sock, packets
        poll.register(sock, select.POLLIN)
        for _ in range(UNDER_WAY // SOCKETS):
            sock.send(packets[sent % len(packets)])
            sent += 1
    while time.perf_counter() < until:
        ready = poll.poll(50)
        for descriptor, _ in ready or [(each, 0) for each in by_descriptor]:
            sock, packets = by_descriptor[descriptor]
            answered = 0 if ready else 1
            try:
                while answered < UNDER_WAY:
                    reply = sock.recv(2048)
                    assert reply[:8] == expected, reply
                    size += len(reply) - 20
                    answered += 1
                    replies += 1
            except BlockingIOError:
                pass
            for _ in range(answered):
                sock.send(packets[sent % len(packets)])
                sent += 1
    for sock, _ in clients:  # the last ones
        time.sleep(0.01)
        try:
            while sock.recv(2048):
                replies += 1
        except BlockingIOError:
            pass
    return replies, size // 6


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def main() -> None:
    """Measure both, round by round."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each tracker and round")
    options = parser.parse_args()
    names = ["everswarm"]
    if shutil.which("opentracker"):
        names.append("opentracker")
    if pinned := pin(1):
        pinned()
    rounds: list[dict[str, Figures]] = []
    for _ in range(options.rounds):
        figures = {}
        for name in names:
            with running(name) as (pid, port):
                figures[name] = measure(pid, port, seconds=options.seconds)
        rounds.append(figures)
        for name, each in figures.items():
            print(
                f"  {name:12} {each.per_second:9,.0f}/s  {each.per_cpu_second:9,.0f}/CPU s"
                f"  {each.peers:5.1f} peers a reply",
                flush=True,
            )
    for name in names:
        median = statistics.median(figures[name].per_cpu_second for figures in rounds)
        print(f"{name}: median {median:,.0f} announces per CPU second")
    if len(names) == 2:
        ratios = [
            each["everswarm"].per_cpu_second / each["opentracker"].per_cpu_second for each in rounds
        ]
        middle = statistics.median(ratios)
        print(f"ratio: median {middle:.2f}, {min(ratios):.2f} to {max(ratios):.2f} (B9)")
    else:
        print("opentracker is not installed: no ratio")


if __name__ == "__main__":
    main()
