"""`everswarm publish`: make a torrent of a file or folder, and seed it where it lies."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from node.cli import content_options as say
from node.cli import options
from node.cli.content import Content
from node.cli.node_options import NodeOptions

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
    listen: options.Listen = None,
    peer: options.Peer = None,
    no_trackers: options.NoTrackers = False,
    no_dht: options.NoDht = False,
    no_pex: options.NoPex = False,
    dht_listen: options.DhtListen = None,
    bootstrap: options.Bootstrap = None,
    state: options.State = None,
    down: options.Down = None,
    up: options.Up = None,
    json: options.Json = False,
    verbose: options.Verbose = False,
    log_level: options.Log = options.LogLevel.WARNING,
    _no_lsd: options.NoLsd = True,
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
    node_options = NodeOptions(
        listen=listen,
        peers=tuple(peer or ()),
        use_trackers=not no_trackers,
        use_dht=not no_dht,
        use_pex=not no_pex,
        dht_listen=dht_listen,
        bootstrap=tuple(bootstrap or ()),
        state=state,
        down=down,
        up=up,
        json=json,
        verbose=verbose,
        log_level=log_level,
    )
    publication = Publication(content, node_options, out, force, exit_when_seeds)
    run(run_publication(publication), resumable=True)
