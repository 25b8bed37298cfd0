"""Watching a torrent until it is complete, or until enough others are: for `get` and `publish`."""

import asyncio
import contextlib
from collections.abc import Callable

from node.cli.exit_status import Failed
from node.cli.progress import Progress
from node.cli.why import why_waiting
from node.torrent.status import State, TorrentStatus
from node.torrent.torrent import Torrent

LOOK_INTERVAL = 0.25
"""Seconds between two looks at a torrent; each display shows as many of them as it can use."""
WHY_AFTER = 3.0
"""Seconds without payload before the reason is told: peers need a moment to be found."""

Enough = Callable[[TorrentStatus], bool]


class Watch:
    """Shows a torrent at every look, and says why nothing arrives when nothing does."""

    def __init__(self, torrent: Torrent, progress: Progress) -> None:
        self._torrent = torrent
        self._progress = progress
        self._why: str | None = None
        self._still_since: float | None = None

    def look(self) -> TorrentStatus:
        """Show how the torrent stands now. Raises Failed when it stopped on an error."""
        now = asyncio.get_running_loop().time()
        status = self._torrent.status()
        self._progress.update(status, now)
        if status.state is State.ERROR:
            raise Failed(status.error or "the torrent stopped")
        self._tell_why(why_waiting(status), now)
        return status

    async def until_complete(self, *, patience: float | None, spent: float = 0.0) -> TorrentStatus:
        """Wait until all that is wanted is verified; None for ever, else at most `patience` seconds
        after what is on disk was checked, of which `spent` are over already.

        Raises StorageError or Failed.
        """
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        while not self._torrent.is_complete:
            status = self.look()
            if patience is not None and status.state is not State.CHECKING:
                deadline = loop.time() + patience - spent if deadline is None else deadline
                if loop.time() >= deadline:
                    reason = why_waiting(status) or "it is still arriving"
                    raise Failed(f"not complete after {patience:g} seconds: {reason}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_INTERVAL):
                    await self._torrent.wait_complete()
        return self._torrent.status()

    async def until(self, enough: Enough) -> None:
        """Show the torrent until `enough` says so. Raises Failed when it stops on an error."""
        while True:
            if enough(self.look()):
                return
            await asyncio.sleep(LOOK_INTERVAL)

    def _tell_why(self, reason: str | None, now: float) -> None:
        if reason is None:
            self._why = self._still_since = None
            return
        if self._still_since is None:
            self._still_since = now
        if now - self._still_since >= WHY_AFTER and reason != self._why:
            self._why = reason
            self._progress.why(reason)


def complete_copies(status: TorrentStatus) -> int:
    """Other peers that were seen complete, or those the best tracker knows beside us if more."""
    told = max((tracker.seeds or 0 for tracker in status.trackers), default=0)
    return max(status.complete_peers, told - 1)
