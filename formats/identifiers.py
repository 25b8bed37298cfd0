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
    try:
        if len(text) == 2 * INFO_HASH_SIZE:
            return InfoHash(bytes.fromhex(text))
        if len(text) == _BASE32_SIZE:
            return InfoHash(base64.b32decode(text, casefold=True))
    except (ValueError, binascii.Error):
        pass
    raise IdentifierError(f"not an info hash (40 hexadecimal or 32 base32 digits): {text[:50]!r}")


def new_peer_id(rng: random.Random) -> PeerId:
    """A fresh peer ID: our prefix and twelve random letters and digits."""
    tail = bytes(rng.choice(_ALPHABET) for _ in range(PEER_ID_SIZE - len(CLIENT_PREFIX)))
    return PeerId(CLIENT_PREFIX + tail)


def client_name(peer_id: bytes) -> str:
    """The client that a peer ID claims, such as `Transmission 3.0.0`; printable whatever it holds."""
    head = peer_id[:8].decode("latin-1")
    if len(head) == 8 and head[0] == "-" and head[7] == "-":
        name = _CLIENTS.get(head[1:3])
        if name is not None:
            return f"{name} {'.'.join(head[3:6])}"
    if head.startswith("A2-"):  # aria2: A2-1-36-0-
        return "aria2 " + peer_id[3:9].decode("latin-1").rstrip("-").replace("-", ".")
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in head)
