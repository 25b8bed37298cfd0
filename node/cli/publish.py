"""`everswarm publish`: make a torrent of a file or folder, and seed it where it lies."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from node.cli import content_options as say
from node.cli import options
from node.cli.content import Content
from node.cli.node_options import NodeOptions, node_options
from node.cli.shared_options import takes

Out = Annotated[
    Path | None,
    typer.Option(metavar="FILE.torrent", help="Also write the .torrent file, for `get`."),
]


@dataclass(frozen=True, slots=True)
class Publication:
    """What to publish, and until when."""

    content: Content
    node: NodeOptions
    out: Path | None
    force: bool
    exit_when_seeds: int | None


@takes("settings", node_options)
def publish(
    paths: say.Paths,
    out: Out = None,
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
    force: say.Force = False,
    exit_when_seeds: options.ExitWhenSeeds = None,
    settings: NodeOptions,
) -> None:
    """Make a torrent and seed it where it lies, until Ctrl-C; the magnet is printed first."""
    from node.cli.interruption import run
    from node.cli.publishing import run_publication

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
    )
    publication = Publication(content, settings, out, force, exit_when_seeds)
    run(run_publication(publication), resumable=True)
