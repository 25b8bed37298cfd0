"""The wall clock of the commands, for the dates they write; nothing is timed with it."""

from time import time  # noqa: TID251 - the edge from which commands inject it


def wall_clock() -> float:
    """Unix seconds."""
    return time()
