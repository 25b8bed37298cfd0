"""The work of `everswarm tracker`."""

import asyncio
import random
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Never

from formats.errors import ConfigError
from formats.identifiers import IdentifierError, InfoHash, parse_info_hash
from node.cli.addresses import HostPort
from node.cli.json_lines import JsonLines
from node.cli.log import open_log
from node.cli.options import LogLevel
from node.cli.quantities import format_count
from tracker.server import TrackerServer, start_tracker
from tracker.swarm import SwarmLimits
from tracker.udp_server import UdpTrackerServer, start_udp_tracker

REPORT_INTERVAL = 60.0
"""Seconds between two lines about who is there, written when that has changed."""
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - recognised, not bound


async def run_tracker(
    listen: HostPort,
    *,
    udp: HostPort | None,
    interval: int,
    allow: Sequence[str],
    trusted_proxies: Sequence[str],
    json: bool,
    log_level: LogLevel,
) -> Never:
    """Serve until cancelled; the announce URLs go to standard output first, HTTP's before UDP's.

    Raises ConfigError when it cannot listen there.
    """
    open_log(log_level)
    rng = random.SystemRandom()
    async with AsyncExitStack() as stack:
        server = await start_tracker(
            host=listen.host,
            port=listen.port,
            rng=rng,
            swarm_limits=SwarmLimits(
                interval=interval, min_interval=min(interval, SwarmLimits().min_interval)
            ),
            allowed=[_info_hash(text) for text in allow] or None,
            trusted_proxies=trusted_proxies,
        )
        stack.push_async_callback(server.close)
        udp_server = None
        if udp is not None:
            udp_server = await start_udp_tracker(
                host=udp.host, port=udp.port, rng=rng, swarms=server.swarms
            )
            stack.push_async_callback(udp_server.close)
        lines = JsonLines(sys.stdout) if json else None
        _tell_where(server, udp_server, lines)
        await _report(server, lines)


def announce_url(server: TrackerServer | UdpTrackerServer) -> str:
    """Where peers announce; on this machine itself when the server listens on every address."""
    url, endpoint = server.announce_url, server.endpoint
    local = _WILDCARDS.get(endpoint.host)
    return url.replace(str(endpoint), f"{local}:{endpoint.port}") if local else url


def _tell_where(
    server: TrackerServer, udp_server: UdpTrackerServer | None, lines: JsonLines | None
) -> None:
    if lines:
        where = {"announce": announce_url(server), "endpoint": str(server.endpoint)}
        if udp_server is not None:
            where["udp_announce"] = announce_url(udp_server)
            where["udp_endpoint"] = str(udp_server.endpoint)
        lines.emit("listening", **where)
        return
    listening = str(server.endpoint)
    print(announce_url(server), flush=True)
    if udp_server is not None:
        print(announce_url(udp_server), flush=True)
        listening += f" and UDP {udp_server.endpoint}"
    print(f"listening on {listening}, Ctrl-C ends it", file=sys.stderr, flush=True)


async def _report(server: TrackerServer, lines: JsonLines | None) -> Never:
    told = (0, 0, 0)
    while True:
        await asyncio.sleep(REPORT_INTERVAL)
        swarms = server.swarms
        now = (len(swarms), swarms.peers, swarms.seeds)
        if now == told:
            continue
        told = now
        if lines:
            lines.emit("swarms", torrents=now[0], peers=now[1], seeds=now[2])
        else:
            torrents, peers = format_count(now[0], "torrent"), format_count(now[1], "peer")
            seeds = format_count(now[2], "seed")
            print(f"{torrents}, {peers} ({seeds})", file=sys.stderr, flush=True)


def _info_hash(text: str) -> InfoHash:
    try:
        return parse_info_hash(text)
    except IdentifierError as error:
        raise ConfigError(f"--allow: {error}") from error
