"""`everswarm demo`: a swarm of processes on this machine, seen live."""

from pathlib import Path
from typing import Annotated

import typer

Size = Annotated[int, typer.Option(metavar="MIB", min=1, help="Size of what is published.")]
Downloaders = Annotated[int, typer.Option(metavar="N", min=1, max=20, help="How many download.")]
Up = Annotated[int, typer.Option(metavar="MIB", min=1, help="The publisher's upload, MiB/s.")]
Keep = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Work here and leave the files there.")
]


def demo(*, size: Size = 200, downloaders: Downloaders = 3, up: Up = 40, keep: Keep = None) -> None:
    """Publish a file and download it several times at once, all on this machine.

    A tracker, a publisher and the downloaders run as separate processes. The publisher's upload is
    limited, so that the downloaders are done in time only if they give to each other.
    """
    from node.cli.demonstration import Demonstration
    from node.cli.interruption import run

    run(Demonstration(size=size << 20, downloaders=downloaders, up=up << 20, keep=keep).run())
