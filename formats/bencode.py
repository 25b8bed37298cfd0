"""Bencode (BEP 3): strict where a hash depends on it, tolerant on the wire, bounded everywhere.

The decoder reads the bytes of strangers. What they try, and the answer:

* nesting by the thousand: one iterative loop and `Limits.depth` (B1);
* millions of tiny values, or one huge message: `Limits.tokens` and `Limits.size` (B2);
* integers such as `i-0e`, `i007e`, `i1_0e`, `i+5e`, or of a million digits: refused (B3);
* lengths that are negative, padded or beyond the end: compared before anything is sliced (B4);
* keys twice or out of order, in which two parsers see two torrents: `Limits.strict` (B5, B6);
* bytes after the value, values cut short, keys that are not strings (B7, B8);
* the right key with the wrong type: the `get_*` functions answer None (B9).

Every step of the loop consumes at least one byte (B10).
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, NoReturn, TypeAlias

import bencodepy  # type: ignore[import-untyped]  # the package ships no types

from formats.errors import ProtocolError

Value: TypeAlias = int | bytes | list["Value"] | dict[bytes, "Value"]
"""Any bencoded value. Text stays bytes: its encoding is the reader's business."""

Encodable: TypeAlias = int | bytes | Sequence["Encodable"] | Mapping[bytes, "Encodable"]
"""What `encode` takes: int, bytes, list, tuple and dict; their subclasses are refused."""

Buffer: TypeAlias = bytes | bytearray | memoryview
"""What the decoder reads; anything but bytes is copied once."""

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


class BencodeError(ProtocolError):
    """Bytes that are not bencode, or more of it than the limits allow."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a stranger's bencode we read, and how closely we look at its keys."""

    depth: int
    """Containers inside one another; a dictionary that holds only strings has depth 1."""
    tokens: int
    """Strings (keys too), integers, and the two ends of every list and dictionary."""
    size: int
    """Bytes of the whole input."""
    strict: bool
    """Refuse keys that repeat or are not in order, instead of keeping the first of each."""


METAINFO = Limits(depth=100, tokens=3_000_000, size=10_000_000, strict=True)
"""Torrent files and info dictionaries; the figures are libtorrent's."""
WIRE = Limits(depth=10, tokens=2_000, size=1 << 20, strict=False)
"""Messages of peers, DHT nodes and trackers, whose decoders are loose all over the network."""


def decode(data: Buffer, limits: Limits) -> Value:
    """The value that is the whole of `data`. Raises BencodeError."""
    value, end = decode_prefix(data, limits)
    if end != len(data):
        raise BencodeError(f"bytes follow the bencoded value: {len(data) - end}")
    return value


def decode_dict(data: Buffer, limits: Limits) -> dict[bytes, Value]:
    """The dictionary that is the whole of `data`. Raises BencodeError."""
    value = decode(data, limits)
    if type(value) is not dict:
        raise BencodeError("the bencoded value is not a dictionary")
    return value


def decode_prefix(data: Buffer, limits: Limits) -> tuple[Value, int]:
    """The value at the start of `data`, and the offset of the byte after it.

    `ut_metadata` needs it: a piece of metadata follows the dictionary (BEP 9). Raises BencodeError.
    """
    return _parse(_checked(data, limits), 0, limits)


def raw_value(data: Buffer, key: bytes, limits: Limits = METAINFO) -> bytes:
    """The bytes under `key` in the dictionary that is the whole of `data`, exactly as they came.

    An info hash is taken over these bytes, never over a second encoding of the value (BEP 3).
    All of `data` is validated on the way; `limits.tokens` counts for each value of the dictionary.
    Raises BencodeError, also when the key is absent.
    """
    data = _checked(data, limits)
    if not data.startswith(b"d"):
        raise BencodeError("the bencoded value is not a dictionary")
    within = replace(limits, depth=limits.depth - 1)
    items: list[bytes] = []
    at = 1
    while not data.startswith(b"e", at):
        name, at = _parse(data, at, within)
        if type(name) is not bytes:
            raise BencodeError("a dictionary's key is not a string")
        _, end = _parse(data, at, within)
        items += name, data[at:end]
        at = end
    if at + 1 != len(data):
        raise BencodeError(f"bytes follow the bencoded value: {len(data) - at - 1}")
    values: dict[bytes, bytes] = _dictionary(items, limits.strict)
    if key not in values:
        raise BencodeError(f"the dictionary has no key {key!r}")
    return values[key]


def _checked(data: Buffer, limits: Limits) -> bytes:
    if len(data) > limits.size:
        raise BencodeError(f"{len(data)} bytes of bencode, {limits.size} allowed")
    return bytes(data)


_INTEGER = re.compile(rb"i(0|-?[1-9][0-9]{0,18})e").match
"""The largest integer of 64 bits has nineteen digits."""
_COLON, _DICT, _END, _INT, _ZERO, _NINE = b":dei09"


def _parse(data: bytes, at: int, limits: Limits) -> tuple[Value, int]:
    """The value at `at` and the offset after it.

    `items` gathers the container that is open, keys and values of a dictionary taking turns;
    `outer` holds those around it, the outermost standing for the caller.
    """
    size, strict = len(data), limits.strict
    items: list[Any] = []
    keyed = False  # `items` belongs to a dictionary
    outer: list[tuple[list[Any], bool]] = []
    try:
        for _ in repeat(None, limits.tokens):
            first = data[at]
            if _ZERO <= first <= _NINE:
                length = first - _ZERO
                at += 1
                while (digit := data[at]) != _COLON:
                    if not length or length > size or not _ZERO <= digit <= _NINE:
                        raise BencodeError("a string's length is malformed or beyond the data")
                    length = 10 * length + digit - _ZERO
                    at += 1
                start = at + 1
                at = start + length
                if at > size:
                    raise BencodeError("a string ends beyond the data")
                items.append(data[start:at])
            elif first == _END and outer:
                closed = _dictionary(items, strict) if keyed else items
                items, keyed = outer.pop()
                items.append(closed)
                at += 1
            elif keyed and not len(items) & 1:
                raise BencodeError("a dictionary's key is not a string")
            elif first == _INT:
                number, at = _integer(data, at)
                items.append(number)
            elif first in b"dl":
                if len(outer) == limits.depth:
                    raise BencodeError(f"more than {limits.depth} containers inside one another")
                outer.append((items, keyed))
                items, keyed = [], first == _DICT
                at += 1
                continue
            else:
                raise BencodeError(f"no bencoded value starts with byte {first}")
            if not outer:
                return items[0], at
    except IndexError:
        raise BencodeError("the bencoded value is cut short") from None
    raise BencodeError(f"more than {limits.tokens} bencoded tokens")


def _integer(data: bytes, at: int) -> tuple[int, int]:
    """The integer at `at` and the offset after it."""
    text = _INTEGER(data, at)
    if text is None:
        raise BencodeError(f"not a bencoded integer: {data[at : at + 22]!r}")
    number = int(text[1])
    if not INT64_MIN <= number <= INT64_MAX:
        raise BencodeError(f"an integer exceeds 64 bits: {number}")
    return number, text.end()


def _dictionary(items: list[Any], strict: bool) -> dict[bytes, Any]:
    """The dictionary whose keys and values take turns in `items`."""
    if len(items) & 1:
        raise BencodeError("a dictionary's last key has no value")
    turns = iter(items)
    result: dict[bytes, Any] = dict(zip(turns, turns))
    if 2 * len(result) != len(items):
        if strict:
            raise BencodeError("a dictionary has a key twice")
        turns = reversed(items)
        result = {key: value for value, key in zip(turns, turns)}
    if strict and list(result) != sorted(result):
        raise BencodeError("a dictionary's keys are not in order")
    return result


def encode(value: Encodable) -> bytes:
    """The canonical encoding of `value`: keys in order, no other form of any value.

    Raises TypeError for anything but int, bytes, list, tuple and dict with keys of bytes, and
    OverflowError for an integer of more than 64 bits: both are our bugs.
    """
    encoded: bytes = _encoder.encode(value)
    return encoded


class _Types(dict[type, Callable[[Any, deque[bytes]], None]]):
    def __missing__(self, kind: type) -> NoReturn:
        raise TypeError(f"bencode has no {kind.__name__}")


def _encode_integer(number: int, out: deque[bytes]) -> None:
    if not INT64_MIN <= number <= INT64_MAX:
        raise OverflowError("an integer of more than 64 bits: no decoder would read it")
    out.append(b"i%de" % number)


def _encode_dictionary(pairs: dict[bytes, Any], out: deque[bytes]) -> None:
    out.append(b"d")
    for key in sorted(pairs):
        if type(key) is not bytes:
            raise TypeError(f"bencode has no key of {type(key).__name__}")
        value = pairs[key]
        out += b"%d:" % len(key), key
        _encoder.encode_func[type(value)](value, out)
    out.append(b"e")


# The package writes bool and str too, and a key twice when it comes as str and as bytes.
_encoder = bencodepy.BencodeEncoder()
_encoder.encode_func = _Types(
    {
        int: _encode_integer,
        bytes: _encoder.encode_bytes,
        list: _encoder.encode_list,
        tuple: _encoder.encode_list,
        dict: _encode_dictionary,
    }
)


def get_int(
    source: dict[bytes, Value],
    key: bytes,
    *,
    minimum: int = INT64_MIN,
    maximum: int = INT64_MAX,
) -> int | None:
    """The integer under `key`; None if absent, of another type or out of range."""
    value = source.get(key)
    return value if type(value) is int and minimum <= value <= maximum else None


def get_bytes(
    source: dict[bytes, Value], key: bytes, *, size: int | None = None, at_most: int | None = None
) -> bytes | None:
    """The string under `key`; None if absent, of another type, or not `size` (`at_most`) bytes."""
    value = source.get(key)
    if type(value) is not bytes:
        return None
    if size is not None and len(value) != size:
        return None
    if at_most is not None and len(value) > at_most:
        return None
    return value


def get_text(source: dict[bytes, Value], key: bytes, *, at_most: int) -> str | None:
    """The first `at_most` characters of the string under `key`; None if absent or of another type.

    What is not UTF-8 becomes U+FFFD.
    """
    value = source.get(key)
    if type(value) is not bytes:
        return None
    return value[: 4 * at_most].decode(errors="replace")[:at_most]


def get_list(source: dict[bytes, Value], key: bytes) -> list[Value] | None:
    """The list under `key`; None if absent or of another type."""
    value = source.get(key)
    return value if type(value) is list else None


def get_dict(source: dict[bytes, Value], key: bytes) -> dict[bytes, Value] | None:
    """The dictionary under `key`; None if absent or of another type."""
    value = source.get(key)
    return value if type(value) is dict else None
