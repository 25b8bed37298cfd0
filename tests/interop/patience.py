"""Waiting for other programs, which keep their own time."""

import time
from collections.abc import Callable
from http.client import HTTPException

PATIENCE = 30.0
"""Seconds; programs on one machine need less, unless a timer of theirs is in the way."""
LOOK_INTERVAL = 0.1
"""Seconds between two looks."""


def wait_until(condition: Callable[[], bool], what: str, *, patience: float = PATIENCE) -> None:
    """Return when `condition` holds. Fails the test, saying `what` did not happen."""
    deadline = time.monotonic() + patience
    while not holds(condition):
        assert time.monotonic() < deadline, f"{what}: not within {patience:g} s"
        time.sleep(LOOK_INTERVAL)


def holds(condition: Callable[[], bool]) -> bool:
    """`condition`, where a program that does not answer yet makes it false."""
    try:
        return condition()
    except (OSError, HTTPException):
        return False
