"""`everswarm create`: make a .torrent from a file or folder."""

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from node.cli import content_options as say
from node.cli import options
from node.cli.content import Content

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE.torrent",
        help="Where to write it. By itself: NAME.torrent here.",
    ),
]
AllowOutsideLinks = Annotated[
    bool,
    typer.Option("--allow-outside-links", help="Follow links that lead out of the folder."),
]


def create(
    paths: say.Paths,
    output: Output = None,
    *,
    tracker: say.Tracker = None,
    tier: say.Tier = None,
    node: say.DhtNode = None,
    web_seed: say.WebSeed = None,
    piece_length: say.PieceLength = None,
    private: say.Private = False,
    comment: say.Comment = None,
    name: say.Name = None,
    source: say.SourceTag = None,
    date: say.Date = True,
    include_hidden: say.IncludeHidden = False,
    allow_outside_links: AllowOutsideLinks = False,
    force: say.Force = False,
    quiet: options.Quiet = False,
    json: options.JsonObject = False,
) -> None:
    """Make a .torrent file of a file or folder. Several PATHs with --name become one folder."""
    from node.cli.interruption import run

    content = Content(
        paths=paths,
        trackers=tracker,
        tiers=tier,
        nodes=node,
        web_seeds=web_seed,
        piece_length=piece_length,
        private=private,
        comment=comment,
        name=name,
        source=source,
        date=date,
        include_hidden=include_hidden,
        allow_outside_links=allow_outside_links,
    )
    run(_create(content, content.torrent_path(output), force=force, quiet=quiet, json=json))


async def _create(content: Content, path: Path, *, force: bool, quiet: bool, json: bool) -> None:
    from formats.magnet import magnet_of
    from node.cli.content import make
    from node.cli.description import metainfo_object
    from node.cli.printable import printable
    from node.cli.progress import headline
    from node.cli.torrent_output import torrent_output

    with torrent_output(path, force=force) as write:
        created = await make(content, quiet=quiet)
        write(created.torrent)
    metainfo = created.metainfo
    if json:
        print(json_format.dumps({"torrent": str(path), **metainfo_object(metainfo)}, indent=2))
    elif not quiet:
        print(f"{printable(str(path))}\n{headline(metainfo)}")
        print(f"info hash {metainfo.info_hash.hex()}\n{magnet_of(metainfo)}")
