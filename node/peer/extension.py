"""The extension handshake (BEP 10): a bencoded dictionary that names a peer's extensions.

Strangers write it. What they may try (P15): a thousand extensions (64 are kept), IDs outside one
byte or used twice (dropped), a kilobyte of client name (cut), an absurd queue (clamped), an address
that is not ours (a vote, never the truth), a metadata size of gigabytes (dropped), values of the
wrong type (treated as absent).
"""

import ipaddress
from dataclasses import dataclass, field

from formats.bencode import (
    WIRE,
    BencodeError,
    Value,
    decode_dict,
    encode,
    get_bytes,
    get_dict,
    get_int,
    get_text,
)
from node.peer.errors import Breach, PeerError

HANDSHAKE_ID = 0
"""The extended message ID of the handshake itself."""
MAX_HANDSHAKE = 64 * 1024
"""Bytes of a peer's handshake; real ones have a few hundred."""
MAX_EXTENSIONS = 64
"""Names kept of one peer (P15)."""
MAX_METADATA_SIZE = 10_000_000
"""Bytes of an info dictionary, the limit of a torrent file (B2, P14)."""

DEFAULT_REQUEST_QUEUE = 250
"""Requests a peer that states no `reqq` is taken to queue (BEP 10)."""
MAX_REQUEST_QUEUE = 500
"""The most requests we send ahead, whatever `reqq` invites to (P15)."""

UT_METADATA = "ut_metadata"
UT_PEX = "ut_pex"
LT_DONTHAVE = "lt_donthave"
UT_HOLEPUNCH = "ut_holepunch"

LOCAL_IDS = {UT_PEX: 1, UT_METADATA: 2, LT_DONTHAVE: 3}
"""The extended message IDs under which we offer what we understand (BEP 10)."""

DEFAULT_MESSAGE_LIMIT = 17 * 1024
_MESSAGE_LIMITS = {UT_METADATA: 17 * 1024, UT_PEX: 500 * 1024, LT_DONTHAVE: 4}

_MAX_NAME = 64  # characters of an extension's name
_MAX_CLIENT = 100  # characters of a client's name


def message_limit(name: str) -> int:
    """The longest payload, in bytes, of a message of this extension (P1)."""
    return _MESSAGE_LIMITS.get(name, DEFAULT_MESSAGE_LIMIT)


@dataclass(frozen=True, slots=True)
class ExtensionHandshake:
    """What a peer says about itself; None where it says nothing we can use."""

    extensions: dict[str, int] = field(default_factory=dict)
    """`m`: the extended message IDs (1 to 255) to use towards the sender; 0 switches a name off."""
    listen_port: int | None = None
    """`p`: the TCP port on which the sender takes connections."""
    client: str | None = None
    """`v`: the sender's name and version, of any characters."""
    your_ip: str | None = None
    """`yourip`: the receiver's address as the sender sees it."""
    request_queue: int = DEFAULT_REQUEST_QUEUE
    """`reqq`: requests the sender queues without dropping any."""
    ipv4: str | None = None
    ipv6: str | None = None
    upload_only: bool = False
    """The sender wants no more pieces (BEP 21)."""
    metadata_size: int | None = None
    """Bytes of the info dictionary (BEP 9)."""

    def encode(self) -> bytes:
        """The bencoded dictionary."""
        extensions: dict[bytes, Value] = {
            name.encode(): number for name, number in self.extensions.items()
        }
        out: dict[bytes, Value] = {b"m": extensions, b"reqq": self.request_queue}
        if self.listen_port is not None:
            out[b"p"] = self.listen_port
        if self.client is not None:
            out[b"v"] = self.client.encode()
        if self.metadata_size is not None:
            out[b"metadata_size"] = self.metadata_size
        if self.upload_only:
            out[b"upload_only"] = 1
        for key, host in ((b"yourip", self.your_ip), (b"ipv4", self.ipv4), (b"ipv6", self.ipv6)):
            if host is not None:
                out[key] = ipaddress.ip_address(host).packed
        return encode(out)


def parse_extension_handshake(payload: bytes | memoryview) -> ExtensionHandshake:
    """Read a peer's extension handshake. Raises PeerError if it is not a bencoded dictionary."""
    try:
        source = decode_dict(payload, WIRE)
    except BencodeError as error:
        raise PeerError(Breach.BAD_EXTENSION_HANDSHAKE) from error
    queue = get_int(source, b"reqq")
    return ExtensionHandshake(
        extensions=_extensions(get_dict(source, b"m") or {}),
        listen_port=get_int(source, b"p", minimum=1, maximum=65_535),
        client=get_text(source, b"v", at_most=_MAX_CLIENT),
        your_ip=_address(get_bytes(source, b"yourip")),
        request_queue=(
            DEFAULT_REQUEST_QUEUE if queue is None else min(max(queue, 1), MAX_REQUEST_QUEUE)
        ),
        ipv4=_address(get_bytes(source, b"ipv4", size=4)),
        ipv6=_address(get_bytes(source, b"ipv6", size=16)),
        upload_only=bool(get_int(source, b"upload_only")),
        metadata_size=get_int(source, b"metadata_size", minimum=1, maximum=MAX_METADATA_SIZE),
    )


def _extensions(source: dict[bytes, Value]) -> dict[str, int]:
    extensions: dict[str, int] = {}
    for name in source:
        number = get_int(source, name, minimum=0, maximum=255)
        if number is None or len(name) > _MAX_NAME or not name.isascii():
            continue
        if number and number in extensions.values():  # two names, one ID: nobody can tell them
            continue
        extensions[name.decode()] = number
        if len(extensions) == MAX_EXTENSIONS:
            break
    return extensions


def _address(packed: bytes | None) -> str | None:
    if packed is None or len(packed) not in (4, 16):
        return None
    return str(ipaddress.ip_address(packed))
