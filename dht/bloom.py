"""Bloom filters that count a swarm over many nodes (BEP 33).

A filter is 256 bytes of anybody's making: a full one claims 7,000 peers, the union of honest ones
and a lie is a lie. What it says is an estimate to show, never a size to allocate.
"""

import math
from collections.abc import Iterable
from hashlib import sha1

BLOOM_SIZE = 256
"""Bytes of a filter."""
_BITS = 8 * BLOOM_SIZE
_HASHES = 2


def bloom_filter(addresses: Iterable[bytes]) -> bytes:
    """The filter of addresses in network order, 4 or 16 bytes each, without their ports."""
    bits = 0
    for address in addresses:
        digest = sha1(address, usedforsecurity=False).digest()
        bits |= 1 << int.from_bytes(digest[0:2], "little") % _BITS
        bits |= 1 << int.from_bytes(digest[2:4], "little") % _BITS
    return bits.to_bytes(BLOOM_SIZE, "little")


def union(filters: Iterable[bytes]) -> bytes:
    """The filter of every address that is in one of `filters`."""
    bits = 0
    for each in filters:
        bits |= int.from_bytes(each, "little")
    return bits.to_bytes(BLOOM_SIZE, "little")


def estimate(bloom: bytes) -> float:
    """How many addresses a filter holds; it says no more than about 7,800."""
    zeros = _BITS - int.from_bytes(bloom, "little").bit_count()
    zeros = min(_BITS - 1, max(zeros, 1))
    return math.log(zeros / _BITS) / (_HASHES * math.log(1 - 1 / _BITS))
