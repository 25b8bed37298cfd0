"""A lookup step by step: a table for people, objects for programs."""

from collections.abc import Iterable, Sequence

from dht.contact import Contact
from dht.lookup import Step

_HEADINGS = ("asked", "node", "ID", "bits", "latency", "result", "named by")
_NUMBERS = frozenset((0, 3, 4))
"""Columns that are flush right."""


def step_lines(steps: Iterable[Step]) -> list[str]:
    """A line for each query, under headings.

    `asked` is seconds after the start, `bits` the length of the distance to the target: each bit
    less is half as far.
    """
    rows = [_HEADINGS, *map(_row, steps)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [_line(row, widths) for row in rows]


def step_objects(steps: Iterable[Step]) -> list[dict[str, object]]:
    """The same for programs; times are seconds."""
    return [
        {
            "asked": round(step.asked, 6),
            "node": str(step.contact.endpoint),
            "id": step.contact.id.hex(),
            "distance": step.distance,
            "latency": None if step.latency is None else round(step.latency, 6),
            "result": step.result,
            "referrer": None if step.referrer is None else str(step.referrer.endpoint),
        }
        for step in steps
    ]


def _row(step: Step) -> tuple[str, ...]:
    return (
        f"{step.asked:.3f} s",
        str(step.contact.endpoint),
        f"{step.contact.id.hex()[:8]}…",
        str(step.distance),
        "-" if step.latency is None else f"{step.latency * 1000:.1f} ms",
        step.result,
        _name(step.referrer),
    )


def _name(referrer: Contact | None) -> str:
    return "our table" if referrer is None else str(referrer.endpoint)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if column in _NUMBERS else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths))
    ]
    return "  ".join(cells).rstrip()
