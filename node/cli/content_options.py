"""The options that say what a new torrent holds: those of `create` and of `publish`."""

from pathlib import Path
from typing import Annotated

import typer

from node.cli.addresses import HostPort, parse_host_port
from node.cli.options import reads
from node.cli.quantities import parse_piece_length

_PANEL = "What the torrent says"

Paths = Annotated[list[Path], typer.Argument(metavar="PATH...", help="The file or folder.")]
Tracker = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL", help="A tracker, in a tier of its own. Repeatable.", rich_help_panel=_PANEL
    ),
]
Tier = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL,URL",
        help="Trackers of one tier (BEP 12). Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
DhtNode = Annotated[
    list[HostPort] | None,
    typer.Option(
        "--node",
        metavar="HOST:PORT",
        parser=reads(parse_host_port),
        help="A DHT node to start from (BEP 5). Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
WebSeed = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        help="A web server that has the data (BEP 19). Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
PieceLength = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=reads(parse_piece_length),
        help="Bytes, such as 262144 or 256K. By itself: 1,000 to 2,000 pieces.",
        rich_help_panel=_PANEL,
    ),
]
Private = Annotated[
    bool,
    typer.Option(
        "--private", help="Peers from its trackers only (BEP 27).", rich_help_panel=_PANEL
    ),
]
Comment = Annotated[
    str | None, typer.Option(metavar="TEXT", help="A remark.", rich_help_panel=_PANEL)
]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Instead of the name on disk.", rich_help_panel=_PANEL),
]
SourceTag = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="TEXT",
        help="A tag that gives the same files another info hash.",
        rich_help_panel=_PANEL,
    ),
]
Date = Annotated[
    bool,
    typer.Option(
        "--date/--no-date",
        help="Record the time; without it, the same files give the same torrent.",
        rich_help_panel=_PANEL,
    ),
]
IncludeHidden = Annotated[
    bool,
    typer.Option(
        "--include-hidden",
        help="Also files and folders whose name starts with a dot.",
        rich_help_panel=_PANEL,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the .torrent if there is one.")]
