"""Tasks and futures whose order in a set follows from history, not from memory addresses.

`asyncio.TaskGroup` keeps its children in a set and cancels them in the order of that set, and
libraries wake sets of futures: with stock objects two runs of one seed would differ.
"""

import asyncio
import itertools
from collections.abc import Coroutine, Generator, Iterator
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

_T = TypeVar("_T")

_serials: WeakKeyDictionary[asyncio.AbstractEventLoop, Iterator[int]] = WeakKeyDictionary()
"""Of each loop, so that a second run in one process is like the first."""


class SimulatedTask(asyncio.Task[_T]):
    """Hashed by the order in which tasks were first hashed: on creation, by asyncio itself."""

    __slots__ = ("_hash",)

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            self._hash: int = next(_serials.setdefault(self.get_loop(), itertools.count()))
            return self._hash


class SimulatedFuture(asyncio.Future[_T]):
    """As `SimulatedTask`."""

    __slots__ = ("_hash",)

    __hash__ = SimulatedTask.__hash__


def pending_tasks(loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[Any]]:
    """In the order of their creation."""
    return sorted(asyncio.all_tasks(loop), key=hash)


def new_task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, _T] | Generator[Any, None, _T],
    **options: Any,
) -> asyncio.Future[_T]:
    """A task factory for `loop.set_task_factory`."""
    return SimulatedTask(coroutine, loop=loop, **options)
