"""What the user wants in a new torrent: the work that `create` and `publish` share."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from node.cli.addresses import HostPort
from node.cli.clock import wall_clock
from node.cli.printable import printable
from node.cli.quantities import format_count

if TYPE_CHECKING:
    from formats.create import Created, TorrentSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The options that say what a torrent holds."""

    paths: Sequence[Path]
    trackers: Sequence[str] | None
    tiers: Sequence[str] | None
    nodes: Sequence[HostPort] | None
    web_seeds: Sequence[str] | None
    piece_length: int | None
    private: bool
    comment: str | None
    name: str | None
    source: str | None
    date: bool
    include_hidden: bool
    allow_outside_links: bool = False

    def spec(self) -> "TorrentSpec":
        """What `formats.create` makes of them. Each tracker has a tier; those of `tiers` follow."""
        from importlib.metadata import version

        from formats.create import TorrentSpec

        tiers = [*(self.trackers or ()), *(self.tiers or ())]
        return TorrentSpec(
            paths=tuple(self.paths),
            name=self.name,
            tiers=tuple(tuple(tier.split(",")) for tier in tiers),
            nodes=tuple((node.host, node.port) for node in self.nodes or ()),
            web_seeds=tuple(self.web_seeds or ()),
            piece_length=self.piece_length,
            private=self.private,
            comment=self.comment,
            source=self.source,
            created_by=f"everswarm {version('everswarm')}",
            creation_date=int(wall_clock()) if self.date else None,
            include_hidden=self.include_hidden,
            allow_outside_links=self.allow_outside_links,
        )

    def torrent_path(self, output: Path | None) -> Path:
        """Where the .torrent goes: NAME.torrent here or in the folder `output`, or `output`."""
        from formats.source_files import base_name

        file_name = f"{self.name or base_name(self.paths[0])}.torrent"
        if output is None:
            return Path(Path(file_name).name)
        return output / file_name if output.is_dir() else output


async def make(content: Content, *, quiet: bool) -> "Created":
    """Hash the files, showing how far it is. Raises CreateError and SourceError."""
    from formats.create import create
    from node.cli.hashing_progress import hashing_progress

    with hashing_progress("hashing", quiet=quiet) as on_progress:
        created = await create(content.spec(), on_progress=on_progress)
    if created.left_out and not quiet:
        first = printable(str(created.left_out[0]))
        count = format_count(len(created.left_out), "hidden or special file")
        print(f"left out {count}, such as {first}", file=sys.stderr)
    return created
