"""The priority that two peers give each other, the same at both ends (BEP 40).

Peers that all keep and dial those of highest priority form a random graph in which newcomers find
a place, and in which nobody can choose to be everybody's neighbour: the network of an address
decides, not who asks first or most often.
"""

from formats.endpoint import Endpoint, is_ipv6, pack

_POLYNOMIAL = 0x82F63B78
"""Of CRC32-C (Castagnoli), its bits reversed."""
_NETWORK_BYTES = {4: 2, 16: 6}
"""Bytes of an address that count in full, by its size: the /16 of IPv4, the /48 of IPv6."""


def peer_priority(ours: Endpoint, theirs: Endpoint) -> int:
    """The priority, 32 bits, of a peer of our address family; more is better.

    `ours` is where the peer sees us. Of both addresses the network counts in full, with one byte
    more than they have in common, and of the rest every other bit. Raises EndpointError for a name.
    """
    assert is_ipv6(ours.host) == is_ipv6(theirs.host), f"{ours} and {theirs}"
    packed = pack(ours), pack(theirs)
    addresses = [each[:-2] for each in packed]
    if addresses[0] == addresses[1]:
        return _crc32c(b"".join(sorted(each[-2:] for each in packed)))
    size = len(addresses[0])
    full = max(_NETWORK_BYTES[size], _common_bytes(*addresses) + 1)
    mask = b"\xff" * full + b"\x55" * (size - full)
    return _crc32c(b"".join(sorted(_masked(address, mask) for address in addresses)))


def _common_bytes(one: bytes, other: bytes) -> int:
    return next(n for n, (a, b) in enumerate(zip(one, other)) if a != b)


def _masked(address: bytes, mask: bytes) -> bytes:
    return bytes(byte & bits for byte, bits in zip(address, mask))


def _crc32c(data: bytes) -> int:
    """CRC32-C of a few bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
