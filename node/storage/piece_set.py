"""Sets of pieces as Python integers: bit i set = piece i.

Building or reading one bit at a time costs the whole integer each time; these functions take one
pass over all of them.
"""

from collections.abc import Iterable, Iterator


def from_ranges(ranges: Iterable[tuple[int, int]], count: int) -> int:
    """The union of half-open ranges [first, end) of pieces below `count`."""
    digits = bytearray(b"0") * (count + 1)
    for first, end in ranges:
        digits[first:end] = b"1" * (end - first)
    digits.reverse()
    return int(digits, 2)


def from_indices(indices: Iterable[int], count: int) -> int:
    """The set of the given pieces below `count`."""
    digits = bytearray(b"0") * (count + 1)
    for index in indices:
        digits[index] = 0x31
    digits.reverse()
    return int(digits, 2)


def digits(pieces: int, count: int) -> str:
    """One character for each of `count` pieces, "1" when it is in the set; piece 0 first."""
    return format(pieces, f"0{count}b")[::-1] if count else ""


def runs(pieces: int) -> Iterator[tuple[int, int]]:
    """The maximal half-open ranges [first, end) of the set, ascending."""
    text = bin(pieces)[:1:-1]
    first = text.find("1")
    while first >= 0:
        end = text.find("0", first)
        if end < 0:
            end = len(text)
        yield first, end
        first = text.find("1", end)


def indices(pieces: int) -> Iterator[int]:
    """The pieces of the set, ascending."""
    for first, end in runs(pieces):
        yield from range(first, end)
