"""The query of a tracker request: `name=value` pairs of raw percent-encoded bytes (BEP 3).

Anyone may send one. What is tried, and the answer: percent signs without two hexadecimal digits,
`info_hash` twice, numbers that are not plain decimal digits or that pass 64 bits: all refused,
nothing is guessed (K3). A `+` is a plus: hashes are bytes, not form text.
"""

from functools import lru_cache
from itertools import product
from urllib.parse import quote_from_bytes

from tracker.errors import TrackerFailure

_DIGITS = "0123456789abcdefABCDEF"
_BYTE_OF = {(a + b).encode(): bytes.fromhex(a + b) for a, b in product(_DIGITS, _DIGITS)}
INT64_MAX = 2**63 - 1
"""The largest counter a bencoded integer can give back."""


def fields(query: bytes) -> dict[bytes, bytes]:
    """Names and undecoded values; of a repeated name the last counts."""
    return {name: value for name, _, value in [pair.partition(b"=") for pair in query.split(b"&")]}


def unquote(text: bytes) -> bytes:
    """Undo percent-encoding. Raises TrackerFailure for a `%` without two hexadecimal digits."""
    if b"%" not in text:
        return text
    first, *rest = text.split(b"%")
    try:
        return first + b"".join(
            [_BYTE_OF[x] if len(x) == 2 else _BYTE_OF[x[:2]] + x[2:] for x in rest]
        )
    except KeyError:
        raise TrackerFailure("bad percent-encoding") from None


@lru_cache(maxsize=4096)
def unquote_hash(text: bytes) -> bytes:
    """`unquote` with a memory: the same info hashes come again and again."""
    return unquote(text)


def quote(value: bytes) -> str:
    """Percent-encode everything but letters, digits and `_.-~` (RFC 3986)."""
    return quote_from_bytes(value, safe="")


def counter(text: bytes | None, name: str, default: int) -> int:
    """A number from 0 to 2^63 - 1. Raises TrackerFailure; absent gives the default."""
    if text is None:
        return default
    if text.isdigit() and len(text) <= 20:
        value = int(text)
        if value <= INT64_MAX:
            return value
    raise TrackerFailure(f"bad {name}")
