"""`everswarm verify`: hold files on disk against a .torrent."""

from pathlib import Path
from typing import Annotated

import typer

from node.cli import options

Torrent = Annotated[Path, typer.Argument(metavar="FILE.torrent", help="What the data should be.")]
Data = Annotated[
    Path,
    typer.Argument(metavar="DATA_DIR", help="The folder it lies in, as with `get -d`; or itself."),
]


def verify(
    torrent: Torrent,
    data: Data,
    *,
    json: options.JsonObject = False,
    quiet: options.Quiet = False,
) -> None:
    """Check data against a .torrent. Exit code 0: whole; 1: damaged, and it says which files."""
    from node.cli.interruption import run
    from node.cli.verification import run_verification

    run(run_verification(torrent, data, json=json, quiet=quiet))
