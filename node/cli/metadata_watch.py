"""Waiting for the metadata of a magnet, and saying meanwhile why it does not come."""

import asyncio
import contextlib

from formats.metainfo import Metainfo
from node.cli.exit_status import Failed
from node.cli.progress import Progress
from node.cli.watch import LOOK_INTERVAL, WHY_AFTER
from node.cli.why_metadata import why_no_metadata
from node.torrent.metadata_search import MetadataSearch


async def wait_for_metadata(
    search: MetadataSearch, progress: Progress, *, patience: float | None
) -> Metainfo:
    """Return when the metadata is verified; None waits for ever, else at most so many seconds.

    Raises Failed, with the reason, and MetainfoError for a torrent that we cannot download.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    told: str | None = None
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_look(started, loop.time(), patience)):
                return await search.wait()
        reason = why_no_metadata(search.status())
        waited = loop.time() - started
        if patience is not None and waited >= patience:
            raise Failed(f"no metadata after {patience:g} seconds: {reason}")
        if waited >= WHY_AFTER and reason != told:
            told = reason
            progress.why(reason)


def _look(started: float, now: float, patience: float | None) -> float:
    """Seconds until the next look."""
    if patience is None:
        return LOOK_INTERVAL
    return min(LOOK_INTERVAL, max(0.0, started + patience - now))
