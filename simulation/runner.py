"""`run`: one program on one simulated internet, and the checks that every scenario passes."""

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest import mock

from simulation.errors import SimulationError
from simulation.event_loop import SimulatedEventLoop
from simulation.host import EPOCH
from simulation.network import Network
from simulation.tasks import pending_tasks

_T = TypeVar("_T")


def run(main: Callable[[Network], Awaitable[_T]], *, seed: int, until: float | None = None) -> _T:
    """The result of `main(network)`, after at most `until` virtual seconds.

    Raises whatever `main` raises, TimeoutError when `until` has passed, `Deadlock` when nothing
    will ever happen, and after a `main` that succeeded an ExceptionGroup of what it left behind:
    exceptions nobody handled, tasks that outlive it, sockets that are open.

    For code that does not know better, the wall clock (`time.time`) is virtual meanwhile, and the
    module `random` and `os.urandom` follow from the seed.
    """
    loop = SimulatedEventLoop(seed=seed)
    undeclared: list[Exception] = []
    loop.set_exception_handler(lambda _, context: undeclared.append(_exception(context)))
    try:
        with _pinned(loop):
            result = loop.run_until_complete(_main(main, loop.network, until))
            loop.run_until_idle()
            gc.collect()  # an exception nobody looked at is reported when its task is deleted
            undeclared += _left_behind(loop)
            if undeclared:
                raise ExceptionGroup(f"seed {seed}: the program is not clean", undeclared)
            return result
    finally:
        _close(loop)


async def _main(
    main: Callable[[Network], Awaitable[_T]], network: Network, until: float | None
) -> _T:
    async with asyncio.timeout(until):
        return await main(network)


def _exception(context: dict[str, Any]) -> Exception:
    """What the loop's exception handler was called with, as one exception."""
    exception = context.get("exception")
    if isinstance(exception, Exception):
        exception.add_note(context["message"])
        return exception
    return SimulationError(context["message"])


def _left_behind(loop: SimulatedEventLoop) -> list[Exception]:
    tasks = [SimulationError(f"{task!r} outlives its owner") for task in pending_tasks(loop)]
    sockets = [
        SimulationError(f"{endpoint!r} was left open")
        for host in loop.network.hosts.values()
        for endpoint in host.endpoints
    ]
    return [*tasks, *sockets]


def _close(loop: SimulatedEventLoop) -> None:
    """Cancels what is left, so that nothing complains when it is deleted."""
    loop.set_exception_handler(lambda _, context: None)
    tasks = pending_tasks(loop)
    for task in tasks:
        task.cancel()
    try:
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


@contextmanager
def _pinned(loop: SimulatedEventLoop) -> Iterator[None]:
    state = random.getstate()
    rng = loop.network.random("os.urandom")
    random.seed(f"{loop.network.seed}/random")
    try:
        with (
            mock.patch("time.time", lambda: EPOCH + loop.time()),
            mock.patch("time.time_ns", lambda: int((EPOCH + loop.time()) * 1e9)),
            mock.patch("os.urandom", rng.randbytes),
        ):
            yield
    finally:
        random.setstate(state)
