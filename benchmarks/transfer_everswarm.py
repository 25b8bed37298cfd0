"""One everswarm process for `benchmarks.transfer`: a seed or a leech."""

import asyncio
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from formats.endpoint import Endpoint
from formats.metainfo import parse_metainfo
from node.config import NodeConfig
from node.node import Node
from node.torrent.options import TorrentOptions


def say(**values: Any) -> None:
    """One JSON line on standard output."""
    print(json.dumps(values), flush=True)


def cpu_seconds() -> float:
    """User and system time of this process so far."""
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


async def seed(torrent: Path, directory: Path) -> None:
    """Seed until a line arrives on standard input."""
    options = TorrentOptions(seed_existing=True, assume_verified=True)
    async with Node(
        NodeConfig(listen=("127.0.0.1", 0), allow_local_peers=True, use_dht=False)
    ) as node:
        await node.add(parse_metainfo(torrent.read_bytes()), directory, options=options)
        say(port=node.listen_endpoint.port)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        say(cpu=cpu_seconds())


async def leech(torrent: Path, directory: Path, port: int) -> None:
    """Download from the seed at `port` and say when what arrived."""
    config = NodeConfig(listen=("127.0.0.1", 0), allow_local_peers=True, use_dht=False)
    async with Node(config) as node:
        metainfo = parse_metainfo(torrent.read_bytes())
        started = time.monotonic()
        options = TorrentOptions(peers=(Endpoint("127.0.0.1", port),))
        handle = await node.add(metainfo, directory, options=options)
        await handle.wait_first_piece()
        first = time.monotonic()
        await handle.wait_complete()
        done = time.monotonic()
        say(
            started=started,
            first=first,
            done=done,
            cpu=cpu_seconds(),
            received=handle.status().received,
        )


def main() -> None:
    """`seed|leech TUNING TORRENT DIRECTORY PORT`, as the libtorrent script takes it."""
    role, _, torrent, directory, port = sys.argv[1:6]
    work = seed(Path(torrent), Path(directory))
    if role == "leech":
        work.close()
        work = leech(Path(torrent), Path(directory), int(port))
    uvloop.run(work)


if __name__ == "__main__":
    main()
