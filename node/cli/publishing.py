"""The work of `everswarm publish`."""

import contextlib
import os
from pathlib import Path

from formats.create import Created
from formats.magnet import magnet_of
from node.cli.content import make
from node.cli.exit_status import Failed
from node.cli.json_lines import JsonProgress
from node.cli.log import open_log
from node.cli.printable import printable
from node.cli.progress import Progress, open_progress
from node.cli.publish import Publication
from node.cli.resolution import resolve_all
from node.cli.source import read_torrent
from node.cli.torrent_output import torrent_output
from node.cli.watch import Watch, complete_copies
from node.node import Node
from node.torrent.options import TorrentOptions


async def run_publication(publication: Publication) -> None:
    """Make the torrent, print its magnet, seed until enough others have it all.

    Raises what went wrong.
    """
    open_log(publication.node.log_level)
    lines = publication.node.json_lines()
    with lines.errors() if lines else contextlib.nullcontext():
        json = JsonProgress(lines) if lines else None
        created = await _make(publication)
        progress = open_progress(json, verbose=publication.node.verbose)
        with contextlib.closing(progress):
            await _seed(publication, created, progress)


async def _make(publication: Publication) -> Created:
    """The torrent, written where --out says; one that is there already for these files stays."""
    quiet = publication.node.json
    if publication.out is None:
        return await make(publication.content, quiet=quiet)
    path = publication.content.torrent_path(publication.out)
    if path.is_file() and not publication.force:
        earlier = read_torrent(path)
        created = await make(publication.content, quiet=quiet)
        if created.metainfo.info_hash != earlier.info_hash:
            raise Failed(f"{printable(str(path))} is of other files; --force replaces it")
        return created
    with torrent_output(path, force=publication.force) as write:
        created = await make(publication.content, quiet=quiet)
        directory_in_place(created)
        write(created.torrent)
    return created


async def _seed(publication: Publication, created: Created, progress: Progress) -> None:
    metainfo = created.metainfo
    options = TorrentOptions(
        seed_existing=True, assume_verified=True, peers=await resolve_all(publication.node.peers)
    )
    wanted = publication.exit_when_seeds
    directory = directory_in_place(created)
    async with Node(publication.node.config(None)) as node:
        torrent = await node.add(metainfo, directory, options=options)
        await torrent.wait_complete()
        magnet = str(magnet_of(metainfo))
        if not publication.node.json:
            print(magnet, flush=True)
        progress.metadata(metainfo, magnet, node.listen_endpoint)
        await Watch(torrent, progress).until(
            lambda status: wanted is not None and complete_copies(status) >= wanted
        )


def directory_in_place(created: Created) -> Path:
    """The directory below which every file already lies at its path in the torrent.

    Raises Failed: a folder put together from several places, a new name, or a link has none.
    """
    first = _absolute(created.sources[0])
    elements = len(created.metainfo.files[0].path)
    directory = first.parents[elements - 1]
    for file, source in zip(created.metainfo.files, created.sources, strict=True):
        if _absolute(source) != directory.joinpath(*file.path):
            raise Failed(
                f"{printable(str(source))} cannot be seeded where it lies, as"
                f" {printable('/'.join(file.path))}; publish one file or folder under its own name"
            )
        _refuse_links(directory, file.path)
    return directory


def _absolute(path: Path) -> Path:
    """From the root, without `.` and `..`; links stay links."""
    return Path(os.path.normpath(Path.cwd() / path))


def _refuse_links(directory: Path, elements: tuple[str, ...]) -> None:
    here = directory
    for element in elements:
        here /= element
        if here.is_symlink():
            raise Failed(
                f"{printable(str(here))} is a link, and what is seeded in place must not be one;"
                " publish what it points to"
            )
