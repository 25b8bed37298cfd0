"""The handshake that opens every conversation: 68 bytes each way (BEP 3).

    <19><"BitTorrent protocol"><reserved: 8><info hash: 20><peer ID: 20>

Strangers send these bytes. What they may try: another protocol on this port (refused at the first
wrong byte, not at the 68th), half a handshake (the caller's deadline), our own peer ID.
"""

from dataclasses import dataclass

from formats.identifiers import InfoHash, PeerId
from node.peer.errors import Breach, PeerError

PROTOCOL_NAME = b"\x13BitTorrent protocol"
HANDSHAKE_SIZE = 68
"""Bytes of a whole handshake."""

_RESERVED = len(PROTOCOL_NAME)
_INFO_HASH = _RESERVED + 8
_PEER_ID = _INFO_HASH + 20

# Bits of the reserved bytes: (byte, mask).
_EXTENSIONS = (5, 0x10)  # BEP 10
_DHT = (7, 0x01)  # BEP 5
_FAST = (7, 0x04)  # BEP 6


@dataclass(frozen=True, slots=True)
class Handshake:
    """Who speaks, about which torrent, and which extensions its reserved bits offer."""

    info_hash: InfoHash
    peer_id: PeerId
    extensions: bool = True
    """The extension protocol (BEP 10)."""
    fast: bool = True
    """The fast extension (BEP 6)."""
    dht: bool = False
    """The sender runs a DHT node and takes a port message (BEP 5)."""

    def encode(self) -> bytes:
        """The 68 bytes on the wire."""
        reserved = bytearray(8)
        for offered, (byte, mask) in (
            (self.extensions, _EXTENSIONS),
            (self.fast, _FAST),
            (self.dht, _DHT),
        ):
            if offered:
                reserved[byte] |= mask
        return PROTOCOL_NAME + reserved + self.info_hash + self.peer_id


def parse_handshake(data: memoryview) -> Handshake | None:
    """Read the handshake at the start of `data`; None while it is incomplete.

    Raises PeerError as soon as the bytes cannot become a handshake.
    """
    start = data[:_RESERVED]
    if start != PROTOCOL_NAME[: len(start)]:
        raise PeerError(Breach.NOT_BITTORRENT)
    if len(data) < HANDSHAKE_SIZE:
        return None
    reserved = data[_RESERVED:_INFO_HASH]
    return Handshake(
        InfoHash(bytes(data[_INFO_HASH:_PEER_ID])),
        PeerId(bytes(data[_PEER_ID:HANDSHAKE_SIZE])),
        extensions=_is_set(reserved, _EXTENSIONS),
        fast=_is_set(reserved, _FAST),
        dht=_is_set(reserved, _DHT),
    )


def keeps_outgoing(local: PeerId, remote: PeerId) -> bool:
    """Which of two connections between the same pair stays: the one the greater peer ID opened.

    Both ends compute the same answer, so two peers that dial each other at once keep one (P16).
    """
    return local > remote


def _is_set(reserved: memoryview, bit: tuple[int, int]) -> bool:
    byte, mask = bit
    return bool(reserved[byte] & mask)
