"""A running torrent on a terminal: one table that is redrawn in place."""

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from formats.endpoint import Endpoint
from formats.metainfo import Metainfo
from node.cli.printable import printable
from node.cli.progress import completion, headline, share
from node.cli.quantities import format_count, format_duration, format_rate, format_size
from node.torrent.status import PeerStatus, State, TorrentStatus

NAME_WIDTH = 24
BAR_WIDTH = 30
"""Columns of the name and the bar: with share and state they fit a window of 80."""
MAX_FILE_ROWS = 15
MAX_PEER_ROWS = 15
"""Rows of each table with -v: more would scroll the screen away."""
REFRESH_INTERVAL = 0.5
"""Seconds between two pictures."""


class LiveProgress:
    """Draws on standard error; what others print there meanwhile appears above the table."""

    def __init__(self, *, verbose: bool, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, markup=False)
        self._verbose = verbose
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False
        )
        self._metainfo: Metainfo | None = None
        self._why: str | None = None
        self._next = 0.0

    def metadata(self, metainfo: Metainfo, magnet: str, listen: Endpoint) -> None:
        self._metainfo = metainfo
        self._console.print(Text(f"{headline(metainfo)}; listening on {listen}"), soft_wrap=True)
        self._live.start()

    def update(self, status: TorrentStatus, now: float) -> None:
        if now < self._next:
            return
        self._next = now + REFRESH_INTERVAL
        if status.down_rate > 0 or status.state is not State.DOWNLOADING:
            self._why = None
        self._live.update(self._picture(status), refresh=True)

    def why(self, reason: str) -> None:
        self._why = reason
        if not self._live.is_started:  # before the metadata there is nothing to draw
            self._console.print(Text("waiting: " + reason), soft_wrap=True)

    def complete(self, status: TorrentStatus, *, seconds: float, path: Path) -> None:
        self._live.update(Text(""), refresh=True)
        self._console.print(Text(completion(status, seconds)), soft_wrap=True)

    def close(self) -> None:
        self._live.stop()

    def _picture(self, status: TorrentStatus) -> Group:
        rows: list[RenderableType] = [summary(status)]
        if self._why:
            rows.append(Text("  waiting: " + self._why, style="yellow"))
        if self._verbose and self._metainfo is not None:
            rows += [files_table(self._metainfo, status), peers_table(status.peer_rows)]
        return Group(*rows)


def summary(status: TorrentStatus) -> RenderableType:
    """Name, bar and percent in one line; rates, peers, pieces and time left in the next."""
    checking = status.state is State.CHECKING
    done = status.checked if checking else share(status)
    first = Table.grid(padding=(0, 2), expand=False)
    first.add_column(no_wrap=True, overflow="ellipsis", max_width=NAME_WIDTH)
    first.add_column(width=BAR_WIDTH)
    first.add_column(justify="right", no_wrap=True, min_width=len("100.0%"))
    first.add_column(no_wrap=True)
    first.add_row(
        Text(printable(status.name), style="bold"),
        ProgressBar(total=1.0, completed=done, width=BAR_WIDTH),
        f"{done:.1%}",
        str(status.state),
    )
    return Group(first, Text("  " + figures(status), overflow="ellipsis", no_wrap=True))


def figures(status: TorrentStatus) -> str:
    """The numbers under the bar."""
    parts = [f"down {format_rate(status.down_rate)}", f"up {format_rate(status.up_rate)}"]
    parts.append(f"{format_count(status.peers, 'peer')} ({format_count(status.seeds, 'seed')})")
    parts.append(f"pieces {status.pieces}/{status.piece_count}")
    if status.state is State.DOWNLOADING:
        parts.append(f"ETA {format_duration(status.eta)}")
    else:
        parts.append(f"{format_size(status.uploaded)} sent")
    return "  ".join(parts)


def files_table(metainfo: Metainfo, status: TorrentStatus) -> Table:
    """A bar for every file; those in progress first."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=40)
    table.add_column(width=20)
    table.add_column(justify="right")
    rows = [
        ("/".join(file.path), have, file.length)
        for file, have in zip(metainfo.files, status.file_progress, strict=True)
        if file.is_stored
    ]
    rows.sort(key=lambda row: (row[1] >= row[2], not row[1], row[0]))
    for name, have, length in rows[:MAX_FILE_ROWS]:
        done = have / length if length else 1.0
        bar = ProgressBar(total=1.0, completed=done, width=20)
        table.add_row(Text("  " + printable(name)), bar, f"{done:.0%}")
    if len(rows) > MAX_FILE_ROWS:
        table.add_row(f"  and {format_count(len(rows) - MAX_FILE_ROWS, 'more file')}")
    return table


def peers_table(peers: tuple[PeerStatus, ...]) -> Table:
    """The fastest peers."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    for title in ("  peer", "client", "has", "down", "up", "from", "flags"):
        table.add_column(title, justify="right" if title in ("has", "down", "up") else "left")
    fastest = sorted(peers, key=lambda peer: -(peer.down_rate + peer.up_rate))
    for peer in fastest[:MAX_PEER_ROWS]:
        table.add_row(
            f"  {peer.endpoint}",
            Text(printable(peer.client)[:24]),
            f"{peer.progress:.0%}",
            format_rate(peer.down_rate),
            format_rate(peer.up_rate),
            peer.source,
            peer.flags,
        )
    if len(peers) > MAX_PEER_ROWS:
        table.add_row(f"  and {len(peers) - MAX_PEER_ROWS:,} more")
    return table
