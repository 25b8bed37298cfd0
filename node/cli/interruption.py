"""Running a command on an event loop that Ctrl-C and SIGTERM stop in good order."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from node.cli.exit_status import ExitStatus, Interrupted

T = TypeVar("T")

PATIENCE = 4.0
"""Seconds that a command may take to say goodbye and save (F13 allows five in all)."""
LAST_SECOND = 1.0
"""Seconds between being told a second time and the end of the process."""
ECHO = 0.5
"""Seconds in which another signal is the same one: a terminal and a parent may both send it."""
_SHOW_CURSOR = "\x1b[?25h"


def run(main: Coroutine[Any, Any, T], *, resumable: bool = False) -> T:
    """Run `main` to its end, on uvloop where there is one.

    The first signal cancels `main`, whose `finally` and `async with` put things away; a second one,
    or five seconds, end the process with what is then saved. Raises
    Interrupted; `resumable` goes with it.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_interruptible(main, resumable=resumable))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


class _Stop:
    """What signals do to the task of a command."""

    def __init__(self, task: asyncio.Task[object], *, resumable: bool) -> None:
        self.task = task
        self.resumable = resumable
        self._loop = asyncio.get_running_loop()
        self._asked_at: float | None = None

    @property
    def is_asked(self) -> bool:
        return self._asked_at is not None

    def ask(self) -> None:
        now = self._loop.time()
        if self._asked_at is None:
            self._asked_at = now
            self.task.cancel()
            self._loop.call_later(PATIENCE, self.task.cancel)
            self._loop.call_later(PATIENCE + LAST_SECOND, _abandon)
        elif now - self._asked_at > ECHO:
            _abandon()


async def _interruptible(main: Coroutine[Any, Any, T], *, resumable: bool) -> T:
    task = asyncio.current_task()
    assert task is not None
    stop = _Stop(task, resumable=resumable)
    loop = asyncio.get_running_loop()
    # They stay until the loop closes: its last act waits for threads that may be stuck.
    loop.add_signal_handler(signal.SIGINT, stop.ask)
    loop.add_signal_handler(signal.SIGTERM, stop.ask)
    try:
        return await main
    except asyncio.CancelledError:
        if not stop.is_asked:
            raise
        raise Interrupted(resumable=resumable) from None


def _abandon() -> None:
    """End the process now; what is durable on disk is what counts after `kill -9` as well."""
    if sys.stderr.isatty():
        sys.stderr.write(_SHOW_CURSOR)
        sys.stderr.flush()
    os._exit(ExitStatus.INTERRUPTED)
