"""`everswarm show`: what a .torrent or a magnet says."""

import json as json_format
from typing import Annotated

import typer

from node.cli.options import JsonObject

SOURCE_HELP = "A .torrent file, or a magnet in quotes."


def show(
    source: Annotated[str, typer.Argument(metavar="FILE.torrent|MAGNET", help=SOURCE_HELP)],
    json: JsonObject = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List every file.")] = False,
) -> None:
    """Show what a .torrent file or a magnet says."""
    from node.cli import description
    from node.cli import source as sources

    if sources.is_magnet(source):
        magnet = sources.read_magnet(source)
        if json:
            print(json_format.dumps(description.magnet_object(magnet), indent=2))
        else:
            print("\n".join(description.magnet_lines(magnet)))
        return
    from pathlib import Path

    metainfo = sources.read_torrent(Path(source))
    if json:
        print(json_format.dumps(description.metainfo_object(metainfo), indent=2))
    else:
        print("\n".join(description.metainfo_lines(metainfo, every_file=verbose)))
