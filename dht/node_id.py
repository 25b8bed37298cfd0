"""Node IDs: 160 bits in one space with info hashes, compared by XOR (BEP 5), tied to IPs (BEP 42).

Who may choose its ID freely sits next to any info hash it likes (D5, D6). BEP 42 leaves an address
eight prefixes of 21 bits; most of the network does not keep to it, so an ID that does not comply is
less welcome, not refused.
"""

import random
from socket import AF_INET6, inet_aton, inet_pton
from typing import NewType

from formats.endpoint import AddressClass, classify, is_ipv6

NodeId = NewType("NodeId", bytes)
"""The name of one DHT node: 20 bytes."""

NODE_ID_SIZE = 20
NODE_ID_BITS = 160

_MASK4 = 0x030F3FFF
_MASK6 = 0x0103070F1F3F7FFF
"""The bits of an address, of the high half of an IPv6 one, that choose its prefixes (BEP 42)."""
_PREFIX_MASK = 0xFFFFF8
"""The first 21 bits of an ID, of its first 24, are bound to the address (BEP 42)."""
_CASTAGNOLI = 0x82F63B78
"""The polynomial of CRC-32C, bits reversed (RFC 3720)."""

_LOCAL = frozenset((AddressClass.PRIVATE, AddressClass.LOOPBACK, AddressClass.LINK_LOCAL))


def distance(a: bytes, b: bytes) -> int:
    """How far two IDs, or an ID and an info hash, are apart: their XOR as an integer (BEP 5)."""
    return int.from_bytes(a, "big") ^ int.from_bytes(b, "big")


def random_id(rng: random.Random) -> NodeId:
    """An ID anywhere in the space."""
    return NodeId(rng.randbytes(NODE_ID_SIZE))


def id_in_range(low: int, high: int, rng: random.Random) -> NodeId:
    """A random ID `n` with `low <= n < high`, to refresh a bucket (BEP 5)."""
    return NodeId(rng.randrange(low, high).to_bytes(NODE_ID_SIZE, "big"))


def compliant_id(ip: str, rng: random.Random, r: int | None = None) -> NodeId:
    """An ID that a node at this external address may have (BEP 42).

    `r`, 0 to 255, becomes the last byte; its low three bits choose one of the eight prefixes.
    Raises EndpointError for a name.
    """
    if r is None:
        r = rng.randrange(256)
    prefix = _prefix(ip, r) | rng.randrange(8)
    return NodeId(prefix.to_bytes(3, "big") + rng.randbytes(16) + bytes((r,)))


def is_compliant(node_id: bytes, ip: str) -> bool:
    """Whether a node at this address may have this ID; a local address may have any (BEP 42).

    Raises EndpointError for a name.
    """
    claimed = int.from_bytes(node_id[:3], "big") & _PREFIX_MASK
    return claimed == _prefix(ip, node_id[-1]) or classify(ip) in _LOCAL


def _prefix(ip: str, r: int) -> int:
    """The first 24 bits of an ID, the last three of them zero."""
    if is_ipv6(ip):
        address = int.from_bytes(inet_pton(AF_INET6, ip)[:8], "big") & _MASK6
        seed = (address | (r & 7) << 61).to_bytes(8, "big")
    else:
        address = int.from_bytes(inet_aton(ip), "big") & _MASK4
        seed = (address | (r & 7) << 29).to_bytes(4, "big")
    return _crc32c(seed) >> 8 & _PREFIX_MASK


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_CASTAGNOLI if byte & 1 else 0)
    return byte


_CRC_TABLE = tuple(map(_crc_of_byte, range(256)))


def _crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) of the 4 or 8 bytes of an address."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
