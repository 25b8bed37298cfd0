"""The pieces a choked peer may request all the same, so that it soon has something to trade."""

import hashlib
import ipaddress

from formats.identifiers import InfoHash

ALLOWED_FAST_SIZE = 10
"""Pieces in a peer's allowed-fast set (k in BEP 6)."""


def allowed_fast_set(
    host: str, info_hash: InfoHash, *, piece_count: int, size: int = ALLOWED_FAST_SIZE
) -> list[int]:
    """The canonical allowed-fast set of the peer at `host` (BEP 6), in its canonical order.

    All addresses of one IPv4 /24 share a set. BEP 6 defines none for IPv6: the set is empty.
    """
    address = ipaddress.ip_address(host)
    if address.version != 4:
        return []
    size = min(size, piece_count)
    pieces: dict[int, None] = {}
    digest = address.packed[:3] + b"\0" + info_hash
    while len(pieces) < size:
        digest = hashlib.sha1(digest, usedforsecurity=False).digest()
        for at in range(0, 20, 4):
            pieces[int.from_bytes(digest[at : at + 4]) % piece_count] = None
    return list(pieces)[:size]
