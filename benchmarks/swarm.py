"""How close a swarm comes to what its uplinks allow: `python -m benchmarks.swarm`.

B5, equal uplinks. One seed and N leechers, each with an uplink of u bytes/s and ample downlink,
share F bytes in M pieces:

    T* = (F/u) (1 + floor(log2 N) / M)                          (Mundinger, Weber, Weiss 2008)

Cut time into slots of F/(uM) seconds, in which one uplink sends one piece. The seed sends the last
of the M pieces for the first time in slot M at the earliest. Then two peers hold it, and its
holders at most double in a slot: after k further slots 2^(k+1) peers hold it, and all N + 1 do once
k = floor(log2 N). The bound takes pieces as sent whole, one at a time; a swarm that splits them
could save part of the second term, but nobody beats F/u. Protocol bytes, round trips and the first
announce are not in the bound and are in the measurement.

B6, the fluid case. One seed of u_s, peers with uplinks u_i and no downlink limit: everybody has F
bytes not before

    T* = max(F/u_s, N F / (u_s + sum u_i))                      (Kumar, Ross 2006)

since the seed must send each byte once, and N copies must pass through all uplinks together.

Times are virtual and each figure follows from its seed. For comparison, libtorrent on shaped
loopback links was measured at 1.82 to 1.91 times T* in the setting of B5.
"""

import argparse
import asyncio
import hashlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log2
from pathlib import Path

import simulation
from formats import bencode
from formats.metainfo import Metainfo, parse_metainfo
from node.config import NodeConfig
from node.node import Node
from node.torrent.options import TorrentOptions
from simulation import Host, Network
from simulation.disk import SimulatedDisk
from tracker.server import start_tracker

MIB = 1 << 20
LATENCY = 0.02
"""Seconds from each host to the middle: 80 ms for a round trip."""
DOWN = 10
"""The downlink is so many times the uplink."""
PORT = 6881


@dataclass(frozen=True, slots=True)
class Setting:
    """Rates are bytes per second, sizes bytes; one uplink for each leecher."""

    name: str
    size: int
    piece_length: int
    seed_uplink: float
    uplinks: Sequence[float]
    bound: float
    """T*, seconds."""


def equal_uplinks(count: int) -> Setting:
    """B5."""
    size, piece_length, rate = 64 * MIB, 256 << 10, 4.0 * MIB
    pieces = size // piece_length
    bound = size / rate * (1 + floor(log2(count)) / pieces)
    return Setting(f"B5 N={count}", size, piece_length, rate, [rate] * count, bound)


def fluid() -> Setting:
    """B6."""
    size, piece_length, rate = 64 * MIB, 256 << 10, 8.0 * MIB
    rng = random.Random(6)
    uplinks = [rng.uniform(1, 4) * MIB for _ in range(20)]
    bound = max(size / rate, len(uplinks) * size / (rate + sum(uplinks)))
    return Setting("B6 N=20", size, piece_length, rate, uplinks, bound)


@dataclass(slots=True)
class Outcome:
    """What was measured: virtual seconds, and copies the seed sent."""

    first: float = 0.0
    last: float = 0.0
    copies: float = 0.0
    wasted: float = 0.0
    """Share of all received payload that came to nothing."""


class Swarm:
    """One run of a setting."""

    def __init__(self, network: Network, setting: Setting) -> None:
        self.network = network
        self.setting = setting
        self.outcome = Outcome()
        self.incomplete = len(setting.uplinks)
        self.over = asyncio.Event()
        self.data = random.Random(0).randbytes(setting.size)

    async def run(self) -> Outcome:
        tracker_host = self.network.host("tracker", latency=LATENCY)
        tracker = await tracker_host.run(
            start_tracker(host=tracker_host.address, port=6969, rng=tracker_host.rng)
        )
        metainfo = _metainfo(self.data, self.setting.piece_length, tracker.announce_url)
        async with asyncio.TaskGroup() as group:
            seed = self._host("seed", self.setting.seed_uplink)
            group.create_task(seed.run(self._seed(seed, metainfo)))
            for number, uplink in enumerate(self.setting.uplinks):
                host = self._host(f"leecher {number}", uplink)
                group.create_task(host.run(self._leech(host, metainfo)))
        await tracker.close()
        return self.outcome

    def _host(self, name: str, uplink: float) -> Host:
        return self.network.host(name, up=uplink, down=DOWN * uplink, latency=LATENCY)

    def _node(self, host: Host, disk: SimulatedDisk) -> Node:
        config = NodeConfig(listen=(host.address, PORT), use_dht=False)
        return Node(config, rng=host.rng, clock=host.clock, open_disk=lambda _: disk)

    def _disk(self, host: Host) -> SimulatedDisk:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, simulation.SimulatedEventLoop)
        return SimulatedDisk(loop.executor, clock=host.clock)

    async def _seed(self, host: Host, metainfo: Metainfo) -> None:
        disk = self._disk(host)
        disk.open(metainfo.files[0].path, write=True).write(memoryview(self.data), 0)
        async with self._node(host, disk) as node:
            options = TorrentOptions(assume_verified=True)
            torrent = await node.add(metainfo, Path("/"), options=options)
            await self.over.wait()
            self.outcome.copies = torrent.up.total / self.setting.size

    async def _leech(self, host: Host, metainfo: Metainfo) -> None:
        outcome = self.outcome
        async with self._node(host, self._disk(host)) as node:
            torrent = await node.add(metainfo, Path("/"))
            await torrent.wait_complete()
            outcome.last = asyncio.get_running_loop().time()
            outcome.first = outcome.first or outcome.last
            self.incomplete -= 1
            if not self.incomplete:
                self.over.set()
            await self.over.wait()
            copies = self.setting.size * len(self.setting.uplinks)
            outcome.wasted += torrent.status().wasted / copies


def _metainfo(data: bytes, piece_length: int, url: str) -> Metainfo:
    starts = range(0, len(data), piece_length)
    info: dict[bytes, bencode.Value] = {
        b"length": len(data),
        b"name": b"payload",
        b"piece length": piece_length,
        b"pieces": b"".join(hashlib.sha1(data[i : i + piece_length]).digest() for i in starts),
    }
    return parse_metainfo(bencode.encode({b"announce": url.encode(), b"info": info}))


def measure(setting: Setting, *, seed: int) -> Outcome:
    """Run a setting on virtual time."""
    return simulation.run(lambda network: Swarm(network, setting).run(), seed=seed, until=3_600)


def main() -> None:
    """Print one line for each setting and seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=1, help="random seeds for each setting")
    arguments = parser.parse_args()
    print("setting   seed   T*       last    ratio   first/last  seed sent  wasted  real")
    for setting in (equal_uplinks(8), equal_uplinks(16), fluid()):
        for seed in range(1, arguments.seeds + 1):
            begun = time.perf_counter()
            outcome = measure(setting, seed=seed)
            real = time.perf_counter() - begun
            print(
                f"{setting.name:9} {seed:4} {setting.bound:6.2f} s {outcome.last:6.2f} s"
                f"  {outcome.last / setting.bound:5.3f}   {outcome.first / outcome.last:9.2f}"
                f"  {outcome.copies:9.2f}  {outcome.wasted:6.1%} {real:4.1f} s"
            )


if __name__ == "__main__":
    main()
