"""Progress for programs: one JSON object a line on standard output, flushed at once."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from formats.endpoint import Endpoint
from formats.errors import EverswarmError
from formats.metainfo import Metainfo
from node.cli.clock import wall_clock
from node.cli.exit_status import sentence
from node.torrent.status import TorrentStatus

WallClock = Callable[[], float]
"""Unix seconds."""
JSON_INTERVAL = 1.0
"""Seconds between two progress objects: enough to draw a curve, cheap enough to keep."""


class JsonLines:
    """Writes events; each carries `event` and `time` (Unix seconds) before its own members."""

    def __init__(self, stream: TextIO, clock: WallClock = wall_clock) -> None:
        self._stream = stream
        self._clock = clock

    def emit(self, event: str, **members: object) -> None:
        """Write one object. Text of strangers needs no care: JSON escapes it."""
        line = {"event": event, "time": round(self._clock(), 3), **members}
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Tell a failure that passes through, or an interruption, as an `error` event, too."""
        try:
            yield
        except asyncio.CancelledError:
            self.emit("error", message="interrupted")
            raise
        except (EverswarmError, OSError) as error:
            self.emit("error", message=sentence(error))
            raise


class JsonProgress:
    """The events of one torrent: metadata, progress, why, complete, error."""

    def __init__(self, lines: JsonLines) -> None:
        self._lines = lines
        self._next = 0.0

    def metadata(self, metainfo: Metainfo, magnet: str, listen: Endpoint) -> None:
        """The torrent is known: what it is, and where peers reach us."""
        self._lines.emit(
            "metadata",
            name=metainfo.name,
            info_hash=metainfo.info_hash.hex(),
            total_size=metainfo.total_size,
            piece_length=metainfo.piece_length,
            piece_count=metainfo.piece_count,
            files=sum(file.is_stored for file in metainfo.files),
            private=metainfo.is_private,
            magnet=magnet,
            listen=str(listen),
        )

    def update(self, status: TorrentStatus, now: float) -> None:
        """Where the torrent stands, every second. Sizes in bytes, rates in bytes a second."""
        if now < self._next:
            return
        self._next = now + JSON_INTERVAL
        self._lines.emit(
            "progress",
            state=str(status.state),
            downloaded=status.downloaded,
            total=status.total,
            down_rate=round(status.down_rate),
            up_rate=round(status.up_rate),
            received=status.received,
            uploaded=status.uploaded,
            wasted=status.wasted,
            peers=status.peers,
            seeds=status.seeds,
            pieces=status.pieces,
            piece_count=status.piece_count,
            availability=round(status.availability, 3),
            eta=None if status.eta is None else round(status.eta, 1),
            checked=round(status.checked, 4),
        )

    def why(self, reason: str) -> None:
        """Why nothing arrives."""
        self._lines.emit("why", reason=reason)

    def complete(self, status: TorrentStatus, *, seconds: float, path: Path) -> None:
        """Everything wanted is here and verified."""
        self._lines.emit(
            "complete",
            seconds=round(seconds, 3),
            path=str(path),
            downloaded=status.downloaded,
            received=status.received,
            wasted=status.wasted,
            sources=status.sources,
        )

    def close(self) -> None:
        """Nothing to put away."""
