"""Sizes, rates and durations as people write and read them."""

import re

from formats.errors import ConfigError

_NUMBER = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([A-Za-z]*)(?:/s)?", re.ASCII)
_DECIMAL = {"": 1, "B": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_PREFIXES = "KMGTPE"
_LONG_WAIT = 100 * 24 * 3600
"""Seconds beyond which an estimate says nothing."""


class QuantityError(ConfigError):
    """Text that is no size or rate."""


def parse_rate(text: str) -> int:
    """Bytes a second: `500K` (thousands), `2M`, `10MiB` (of 1,048,576), `750000`, `2 MB/s`.

    Raises QuantityError.
    """
    factors = {**_DECIMAL, **_BINARY}
    rate = _parse(text, factors, "a rate; write bytes a second, such as 500K, 2M or 10MiB")
    if rate < 1:
        raise QuantityError("a rate is at least 1 byte a second; for no limit, leave it out")
    return rate


def parse_piece_length(text: str) -> int:
    """Bytes: `262144`, `256K`, `4M`, `4MiB`. K and M are binary: only powers of two are asked for.

    Raises QuantityError.
    """
    factors = {"": 1, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, **_BINARY}
    return _parse(text, factors, "a piece length; write bytes, such as 262144, 256K or 4M")


def format_size(size: float) -> str:
    """`1023 B`, `1.5 MiB`."""
    if size < 1024:
        return f"{int(size)} B"
    for prefix in _PREFIXES:
        size /= 1024
        if size < 999.95 or prefix == _PREFIXES[-1]:
            break
    return f"{size:.1f} {prefix}iB"


def format_rate(rate: float) -> str:
    """`1.5 MiB/s`."""
    return format_size(rate) + "/s"


def format_duration(seconds: float | None) -> str:
    """`45 s`, `3 min 05 s`, `2 h 10 min`, `3 d 4 h`; `-` when unknown."""
    if seconds is None or seconds > _LONG_WAIT:
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def format_count(number: int, noun: str) -> str:
    """`1 peer`, `2,000 peers`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _parse(text: str, factors: dict[str, int], wanted: str) -> int:
    match = _NUMBER.fullmatch(text.strip())
    if match:
        unit = match[2].upper()
        factor = factors.get(unit, factors.get(unit.removesuffix("B")))
        if factor is not None:
            return int(float(match[1]) * factor)
    raise QuantityError(f"{text[:50]!r} is not {wanted}")
