"""Options that several commands share, each with its name, type and help written once."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from formats.errors import EverswarmError
from node.cli.addresses import HostPort, parse_host_port, parse_listen
from node.cli.quantities import parse_rate

T = TypeVar("T")

_NODE = "The node"
_OUTPUT = "What you see"
LEAVING = "When to leave"


class LogLevel(StrEnum):
    """How much the program tells about its inner life on standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def reads(parse: Callable[[str], T]) -> Callable[[str], T]:
    """`parse` as an option's type: what it refuses becomes bad usage that names the option."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except EverswarmError as error:
            raise typer.BadParameter(str(error)) from error

    return read


Listen = Annotated[
    HostPort | None,
    typer.Option(
        metavar="ADDR:PORT",
        parser=reads(parse_listen),
        help="Where peers reach us. By itself: the first free port of 6881-6999.",
        rich_help_panel=_NODE,
    ),
]
Peer = Annotated[
    list[HostPort] | None,
    typer.Option(
        metavar="HOST:PORT",
        parser=reads(parse_host_port),
        help="A peer to connect to. Repeatable.",
        rich_help_panel=_NODE,
    ),
]
NoTrackers = Annotated[
    bool, typer.Option("--no-trackers", help="Ask no tracker.", rich_help_panel=_NODE)
]
State = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where everswarm.db remembers what is verified. By itself: the user's state"
        " directory.",
        rich_help_panel=_NODE,
    ),
]
Down = Annotated[
    int | None,
    typer.Option(
        metavar="RATE",
        parser=reads(parse_rate),
        help="Bytes a second to receive at most: 500K, 2M, 10MiB.",
        rich_help_panel=_NODE,
    ),
]
Up = Annotated[
    int | None,
    typer.Option(
        metavar="RATE",
        parser=reads(parse_rate),
        help="Bytes a second to send at most.",
        rich_help_panel=_NODE,
    ),
]
NoDht = Annotated[bool, typer.Option("--no-dht", help="Join no DHT.", rich_help_panel=_NODE)]
DhtListen = Annotated[
    HostPort | None,
    typer.Option(
        metavar="ADDR:PORT",
        parser=reads(parse_listen),
        help="UDP address of our DHT node. By itself: as --listen, if it is free.",
        rich_help_panel=_NODE,
    ),
]
Bootstrap = Annotated[
    list[HostPort] | None,
    typer.Option(
        metavar="HOST:PORT",
        parser=reads(parse_host_port),
        help="A DHT node to start from, beside those built in. Repeatable.",
        rich_help_panel=_NODE,
    ),
]
NoPex = Annotated[
    bool,
    typer.Option("--no-pex", help="Exchange no addresses with peers.", rich_help_panel=_NODE),
]
NoLsd = Annotated[bool, typer.Option("--no-lsd", hidden=True)]
"""True whether given or not: the local network is not searched for peers."""

ExitWhenSeeds = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Seed until N other peers have it all.", rich_help_panel=LEAVING
    ),
]

Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON object a line on stdout.", rich_help_panel=_OUTPUT),
]
JsonObject = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Also every file and every peer.", rich_help_panel=_OUTPUT
    ),
]
Log = Annotated[
    LogLevel,
    typer.Option("--log-level", help="How much to log on stderr.", rich_help_panel=_OUTPUT),
]
