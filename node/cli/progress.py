"""How a running torrent is shown: live on a terminal, plain lines in a pipe, JSON for programs."""

import sys
from pathlib import Path
from typing import Protocol, TextIO

from formats.endpoint import Endpoint
from formats.metainfo import Metainfo
from node.cli.json_lines import JsonProgress
from node.cli.printable import printable
from node.cli.quantities import format_count, format_duration, format_rate, format_size
from node.torrent.status import State, TorrentStatus

PLAIN_INTERVAL = 5.0
"""Seconds between two plain lines: a log of a night stays readable."""


class Progress(Protocol):
    """Where a command reports one torrent."""

    def metadata(self, metainfo: Metainfo, magnet: str, listen: Endpoint) -> None: ...
    def update(self, status: TorrentStatus, now: float) -> None: ...
    def why(self, reason: str) -> None: ...
    def complete(self, status: TorrentStatus, *, seconds: float, path: Path) -> None: ...
    def close(self) -> None: ...


def open_progress(json: JsonProgress | None, *, verbose: bool) -> Progress:
    """The display that fits where standard error goes."""
    if json is not None:
        return json
    if sys.stderr.isatty():
        from node.cli.live_progress import LiveProgress

        return LiveProgress(verbose=verbose)
    return PlainProgress(sys.stderr)


class PlainProgress:
    """One line at a change of state, and every PLAIN_INTERVAL."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._state: State | None = None
        self._next = 0.0
        self._last_line = ""

    def metadata(self, metainfo: Metainfo, magnet: str, listen: Endpoint) -> None:
        self._say(f"{headline(metainfo)}; listening on {listen}")

    def update(self, status: TorrentStatus, now: float) -> None:
        is_news = status.state is not self._state and status.state is not State.CHECKING
        if self._state is None:
            self._next = now + PLAIN_INTERVAL  # a check that is soon over needs no line
        self._state = status.state
        if not is_news and now < self._next:
            return
        self._next = now + PLAIN_INTERVAL
        line = status_line(status)
        if line != self._last_line:  # an idle seed writes nothing
            self._last_line = line
            self._say(line)

    def why(self, reason: str) -> None:
        self._say("waiting: " + reason)

    def complete(self, status: TorrentStatus, *, seconds: float, path: Path) -> None:
        self._say(completion(status, seconds))

    def close(self) -> None:
        pass

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


def headline(metainfo: Metainfo) -> str:
    """What a torrent is, in one line."""
    files = sum(file.is_stored for file in metainfo.files)
    return (
        f"{printable(metainfo.name)}: {format_size(metainfo.total_size)},"
        f" {format_count(files, 'file')}, {format_count(metainfo.piece_count, 'piece')}"
    )


def status_line(status: TorrentStatus) -> str:
    """Where a torrent stands, in one line."""
    peers = f"{format_count(status.peers, 'peer')} ({format_count(status.seeds, 'seed')})"
    up = f"up {format_rate(status.up_rate)}"
    match status.state:
        case State.CHECKING:
            return f"checking {status.checked:.0%}"
        case State.DOWNLOADING:
            return (
                f"{share(status):.1%} of {format_size(status.total)}"
                f", down {format_rate(status.down_rate)}, {up}, {peers}"
                f", pieces {status.pieces}/{status.piece_count}, ETA {format_duration(status.eta)}"
            )
        case State.SEEDING:
            return f"seeding, {up}, {format_size(status.uploaded)} sent, {peers}"
        case _:
            return str(status.state)


def share(status: TorrentStatus) -> float:
    """Verified share of what is wanted, 0 to 1."""
    return status.downloaded / status.total if status.total else 1.0


def completion(status: TorrentStatus, seconds: float) -> str:
    """How a download went, in one line."""
    mean = format_rate(status.received / seconds) if seconds > 0 else "-"
    size, received = format_size(status.downloaded), format_size(status.received)
    if not status.received:
        return f"complete: {size} were already here, verified"
    return f"complete: {size} verified; {received} received in {format_duration(seconds)} ({mean})"
