"""The work of `everswarm tracker`."""

import asyncio
import random
import sys
from collections.abc import Sequence
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

REPORT_INTERVAL = 60.0
"""Seconds between two lines about who is there, written when that has changed."""
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - recognised, not bound


async def run_tracker(
    listen: HostPort,
    *,
    interval: int,
    allow: Sequence[str],
    trusted_proxies: Sequence[str],
    json: bool,
    log_level: LogLevel,
) -> Never:
    """Serve until cancelled; the announce URL goes to standard output first.

    Raises ConfigError when it cannot listen there.
    """
    open_log(log_level)
    server = await start_tracker(
        host=listen.host,
        port=listen.port,
        rng=random.SystemRandom(),
        swarm_limits=SwarmLimits(
            interval=interval, min_interval=min(interval, SwarmLimits().min_interval)
        ),
        allowed=[_info_hash(text) for text in allow] or None,
        trusted_proxies=trusted_proxies,
    )
    try:
        url = announce_url(server)
        lines = JsonLines(sys.stdout) if json else None
        if lines:
            lines.emit("listening", announce=url, endpoint=str(server.endpoint))
        else:
            print(url, flush=True)
            print(f"listening on {server.endpoint}, Ctrl-C ends it", file=sys.stderr, flush=True)
        await _report(server, lines)
    finally:
        await server.close()


def announce_url(server: TrackerServer) -> str:
    """Where peers announce; on this machine itself when the server listens on every address."""
    local = _WILDCARDS.get(server.endpoint.host)
    return f"http://{local}:{server.endpoint.port}/announce" if local else server.announce_url


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
