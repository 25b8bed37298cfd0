"""Blocking work without threads: it runs inline, its result is delivered late."""

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

LATENCY = 0.0002
"""Seconds: a job's way to a pool thread and back, and a short file operation."""


class InlineExecutor:
    """Runs each job at one instant of virtual time, in the order of submission.

    A job takes `latency` seconds plus what it declares with `spend`; any number of jobs run side
    by side. Nothing else runs *during* a job, so races inside it cannot be seen here.
    """

    def __init__(self, latency: float = LATENCY) -> None:
        self.latency = latency
        self._spent = 0.0

    def spend(self, seconds: float) -> None:
        """Called inside a job (a simulated disk does): it takes this much longer."""
        self._spent += seconds

    async def run(self, function: Callable[[*_Ts], _T], arguments: tuple[*_Ts]) -> _T:
        """The job's result, or its exception, after the time it took."""
        self._spent = 0.0
        try:
            return function(*arguments)
        finally:
            await asyncio.sleep(self.latency + self._spent)
