"""The options of every command that asks the DHT, written once."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from node.cli import options
from node.cli.addresses import HostPort, parse_host_port, parse_listen
from node.cli.shared_options import takes

_NETWORK = "The network"

Bootstrap = Annotated[
    list[HostPort] | None,
    typer.Option(
        metavar="HOST:PORT",
        parser=options.reads(parse_host_port),
        help="A node to start from, beside the built-in ones. Repeatable.",
        rich_help_panel=_NETWORK,
    ),
]
OnlyBootstrap = Annotated[
    bool,
    typer.Option(
        "--only-bootstrap",
        help="Leave the built-in nodes out: for a network of your own.",
        rich_help_panel=_NETWORK,
    ),
]
DhtListen = Annotated[
    list[HostPort] | None,
    typer.Option(
        metavar="ADDR:PORT",
        parser=options.reads(parse_listen),
        help="The UDP address to use, one of IPv4 and one of IPv6. By itself: every address, any"
        " free port.",
        rich_help_panel=_NETWORK,
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", min=0.0, help="Give up after so long.", rich_help_panel=_NETWORK
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """How a command reaches the network, and how it tells what it found."""

    bootstrap: tuple[HostPort, ...] = ()
    listen: tuple[HostPort, ...] = ()
    only_bootstrap: bool = False
    timeout: float = 30.0
    """Seconds for the whole command."""
    json: bool = False
    log_level: options.LogLevel = options.LogLevel.WARNING

    def answer(self, members: Mapping[str, object], lines: Iterable[str], *, note: str) -> None:
        """Tell the result: one JSON object, or lines on stdout and a note on stderr."""
        if self.json:
            import json

            print(json.dumps(members, indent=2), flush=True)
            return
        for line in lines:
            print(line, flush=True)
        print(note, file=sys.stderr, flush=True)


def _network_options(
    *,
    bootstrap: Bootstrap = None,
    only_bootstrap: OnlyBootstrap = False,
    dht_listen: DhtListen = None,
    timeout: Timeout = 30.0,
    json: options.JsonObject = False,
    log_level: options.Log = options.LogLevel.WARNING,
) -> NetworkOptions:
    return NetworkOptions(
        bootstrap=tuple(bootstrap or ()),
        listen=tuple(dht_listen or ()),
        only_bootstrap=only_bootstrap,
        timeout=timeout,
        json=json,
        log_level=log_level,
    )


asks_the_network = takes("network", _network_options)
"""A command with the shared options in place of its parameter `network`."""
