"""Info hashes and peer IDs: the two 20-byte names of the protocol (BEP 3, BEP 20)."""

import base64
import binascii
import random
import string
from typing import NewType

from formats.errors import ProtocolError

InfoHash = NewType("InfoHash", bytes)
"""SHA-1 of a torrent's info dictionary: 20 bytes. It names the swarm (BEP 3)."""

PeerId = NewType("PeerId", bytes)
"""The name of one client in one session: 20 bytes, Azureus style (BEP 20)."""

INFO_HASH_SIZE = 20
PEER_ID_SIZE = 20
CLIENT_PREFIX = b"-ES0100-"
"""`-`, the client `ES`, four digits of version, `-` (BEP 20)."""

_BASE32_SIZE = 32
_ALPHABET = (string.ascii_letters + string.digits).encode()
_DIGITS = string.digits + string.ascii_uppercase
"""Of a version in a peer ID: libtorrent 2.0.11 writes `20B`."""

_CLIENTS = {
    "AR": "Arctic", "AZ": "Vuze", "BC": "BitComet", "BI": "BiglyBT", "BT": "BitTorrent",
    "DE": "Deluge", "ES": "everswarm", "FD": "Free Download Manager", "KT": "KTorrent",
    "LT": "libtorrent", "lt": "rTorrent", "PI": "PicoTorrent", "qB": "qBittorrent",
    "rQ": "rqbit", "RQ": "rqbit", "TR": "Transmission", "UT": "µTorrent", "WW": "WebTorrent",
    "WD": "WebTorrent Desktop", "A2": "aria2",
}  # fmt: skip


class IdentifierError(ProtocolError):
    """Text that is not the name of a torrent."""


def parse_info_hash(text: str) -> InfoHash:
    """Read 40 hexadecimal or 32 base32 digits, as magnets carry them (BEP 9).

    Raises IdentifierError.
    """
    digest = b""
    try:
        if len(text) == 2 * INFO_HASH_SIZE:
            digest = binascii.unhexlify(text)
        elif len(text) == _BASE32_SIZE:
            digest = base64.b32decode(text, casefold=True)
    except ValueError:
        pass
    if len(digest) != INFO_HASH_SIZE:
        raise IdentifierError(
            f"not an info hash (40 hexadecimal or 32 base32 digits): {text[:50]!r}"
        )
    return InfoHash(digest)


def new_peer_id(rng: random.Random) -> PeerId:
    """A fresh peer ID: our prefix and twelve random letters and digits."""
    tail = bytes(rng.choice(_ALPHABET) for _ in range(PEER_ID_SIZE - len(CLIENT_PREFIX)))
    return PeerId(CLIENT_PREFIX + tail)


def client_name(peer_id: bytes) -> str:
    """The client that a peer ID claims, such as `Transmission 3.0.0`; else its first 8 characters.

    Printable whatever the peer ID holds.
    """
    head = "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in peer_id[:10])
    name = _CLIENTS.get(head[1:3])
    version = [_DIGITS.find(digit) for digit in head[3:6]]
    if head[:1] == "-" == head[7:8] and name is not None and -1 not in version:
        return f"{name} {'.'.join(map(str, version))}"
    if head.startswith("A2-"):  # aria2 alone: `A2-1-36-0-`
        return "aria2 " + head[3:9].strip("-").replace("-", ".")
    return head[:8]
