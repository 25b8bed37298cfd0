"""`everswarm get`: download, verify, and perhaps stay to seed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from node.cli import options
from node.cli.node_options import NodeOptions, node_options
from node.cli.shared_options import takes

_FILES = "Which files"

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help="A .torrent file, the web address of one, a magnet or an info hash."
    ),
]
Directory = Annotated[
    Path, typer.Option("--directory", "-d", metavar="DIR", help="Where the files go.")
]
Sequential = Annotated[
    bool, typer.Option("--sequential", help="Pieces in order instead of rarest first.")
]
Preallocate = Annotated[bool, typer.Option("--preallocate", help="Reserve the disk space at once.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace other files of the same names.")
]
Files = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBERS", help="Only these, as `show` counts: 1,3-5.", rich_help_panel=_FILES
    ),
]
Select = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Only files that match, such as '*.iso'. Repeatable.",
        rich_help_panel=_FILES,
    ),
]
Seed = Annotated[
    bool, typer.Option("--seed", help="Stay and seed.", rich_help_panel=options.LEAVING)
]
ExitWhenRatio = Annotated[
    float | None,
    typer.Option(
        metavar="R",
        min=0.0,
        help="Seed until R times the size was sent.",
        rich_help_panel=options.LEAVING,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0.0,
        help="Give up when it is not complete by then; checking what is there does not count.",
        rich_help_panel=options.LEAVING,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What to download, where to, and when to leave."""

    source: str
    directory: Path
    sequential: bool
    preallocate: bool
    overwrite: bool
    files: str | None
    select: tuple[str, ...]
    timeout: float | None
    seed: bool
    exit_when_seeds: int | None
    exit_when_ratio: float | None
    node: NodeOptions

    @property
    def stays(self) -> bool:
        """Whether to seed once complete."""
        return self.seed or self.exit_when_seeds is not None or self.exit_when_ratio is not None


@takes("node", node_options)
def get(
    source: Source,
    directory: Directory = Path(),
    *,
    sequential: Sequential = False,
    preallocate: Preallocate = False,
    overwrite: Overwrite = False,
    files: Files = None,
    select: Select = None,
    seed: Seed = False,
    exit_when_seeds: options.ExitWhenSeeds = None,
    exit_when_ratio: ExitWhenRatio = None,
    timeout: Timeout = None,
    node: NodeOptions,
) -> None:
    """Download a torrent. Exit code 0 means complete and verified."""
    from node.cli.download import download
    from node.cli.interruption import run

    wanted = Download(
        source=source,
        directory=directory,
        sequential=sequential,
        preallocate=preallocate,
        overwrite=overwrite,
        files=files,
        select=tuple(select or ()),
        timeout=timeout,
        seed=seed,
        exit_when_seeds=exit_when_seeds,
        exit_when_ratio=exit_when_ratio,
        node=node,
    )
    run(download(wanted), resumable=True)
