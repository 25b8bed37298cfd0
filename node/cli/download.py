"""The work of `everswarm get`."""

import asyncio
import contextlib
from collections.abc import Sequence

from formats.endpoint import Endpoint
from formats.magnet import Magnet, magnet_of
from formats.metainfo import Metainfo
from node.cli.exit_status import Failed
from node.cli.get import Download
from node.cli.json_lines import JsonProgress
from node.cli.log import open_log
from node.cli.metadata_watch import wait_for_metadata
from node.cli.node_options import transfer_state_directory
from node.cli.printable import printable
from node.cli.progress import Progress, open_progress
from node.cli.resolution import resolve_all
from node.cli.selection import link_priorities, parse_file_numbers, priorities
from node.cli.source import is_magnet, load, read_magnet
from node.cli.watch import Watch, complete_copies
from node.node import Node
from node.storage.errors import ForeignFile
from node.torrent.options import TorrentOptions
from node.torrent.status import TorrentStatus


async def download(wanted: Download) -> None:
    """Fetch what is wanted until it is verified, then seed if asked to.

    The path of the file or folder goes to standard output. Raises what went wrong.
    """
    open_log(wanted.node.log_level)
    lines = wanted.node.json_lines()
    with lines.errors() if lines else contextlib.nullcontext():
        json = JsonProgress(lines) if lines else None
        with contextlib.closing(open_progress(json, verbose=wanted.node.verbose)) as progress:
            await _download(wanted, progress)


async def _download(wanted: Download, progress: Progress) -> None:
    magnet = read_magnet(wanted.source) if is_magnet(wanted.source) else None
    peers = await resolve_all(wanted.node.peers)
    if magnet is None:
        metainfo = await load(wanted.source)
        options = _torrent_options(wanted, metainfo, peers)  # before anything is opened
    info_hash = metainfo.info_hash if magnet is None else magnet.info_hash
    loop = asyncio.get_running_loop()
    state = transfer_state_directory(info_hash, wanted.directory)
    async with Node(wanted.node.config(state)) as node:
        started = loop.time()
        if magnet is not None:
            metainfo = await _metadata(node, magnet, peers, wanted, progress)
            options = _torrent_options(wanted, metainfo, peers, magnet)
        progress.metadata(metainfo, str(magnet_of(metainfo)), node.listen_endpoint)
        spent = loop.time() - started
        torrent = await node.add(metainfo, wanted.directory, options=options)
        watch = Watch(torrent, progress)
        try:
            status = await watch.until_complete(patience=wanted.timeout, spent=spent)
        except ForeignFile as error:
            raise Failed(f"{error} (--overwrite)") from error
        path = wanted.directory / metainfo.name
        progress.complete(status, seconds=loop.time() - started, path=path)
        if not wanted.node.json:
            print(printable(str(path)), flush=True)
        if wanted.stays:
            await watch.until(Enough(wanted))


async def _metadata(
    node: Node, magnet: Magnet, peers: Sequence[Endpoint], wanted: Download, progress: Progress
) -> Metainfo:
    """What the magnet names: saved by an earlier run, or from peers."""
    known = await node.known_metadata(magnet)
    if known is not None:
        return known
    search = node.search(magnet, peers=peers)
    return await wait_for_metadata(search, progress, patience=wanted.timeout)


def _torrent_options(
    wanted: Download,
    metainfo: Metainfo,
    peers: tuple[Endpoint, ...],
    magnet: Magnet | None = None,
) -> TorrentOptions:
    """What the user chose; the files that the link selects count if the user chose none."""
    ranges = parse_file_numbers(wanted.files) if wanted.files is not None else ()
    chosen = priorities(metainfo, ranges, wanted.select)
    if chosen is None and magnet is not None:
        chosen = link_priorities(metainfo, magnet)
    return TorrentOptions(
        sequential=wanted.sequential,
        preallocate=wanted.preallocate,
        overwrite=wanted.overwrite,
        priorities=chosen,
        peers=peers,
        magnet_peers=magnet.peers if magnet is not None else (),
    )


class Enough:
    """Whether a download that stayed to seed has given what was asked of it."""

    def __init__(self, wanted: Download) -> None:
        self._wanted = wanted

    def __call__(self, status: TorrentStatus) -> bool:
        copies, wanted = complete_copies(status), self._wanted
        if wanted.exit_when_seeds is not None and copies >= wanted.exit_when_seeds:
            return True
        ratio = wanted.exit_when_ratio
        return ratio is not None and status.uploaded >= ratio * status.total
