"""How far hashing is: a bar on a terminal, a line now and then in a pipe, or silence."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from node.cli.progress import PLAIN_INTERVAL
from node.cli.quantities import format_size

OnProgress = Callable[[int, int], None]
"""Called on the event loop with bytes done and bytes in all."""
BAR_INTERVAL = 0.1
"""Seconds between two pictures of the bar."""


@contextmanager
def hashing_progress(label: str, *, quiet: bool) -> Iterator[OnProgress | None]:
    """Shows on standard error how far `label` is; gives the function to tell it."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar(label) as on_progress:
            yield on_progress
    else:
        yield _lines(label)


@contextmanager
def _bar(label: str) -> Iterator[OnProgress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task(label, total=None)
        shown = _Throttle(BAR_INTERVAL)

        def on_progress(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)
            if shown.due() or done == total:
                progress.refresh()

        yield on_progress


def _lines(label: str) -> OnProgress:
    shown = _Throttle(PLAIN_INTERVAL)

    def on_progress(done: int, total: int) -> None:
        if shown.due():
            share = done / total if total else 1.0
            print(f"{label} {share:.0%} of {format_size(total)}", file=sys.stderr, flush=True)

    return on_progress


class _Throttle:
    """Says yes once an interval; the first time an interval after it was made."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next = asyncio.get_running_loop().time() + interval

    def due(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._next:
            return False
        self._next = now + self._interval
        return True
