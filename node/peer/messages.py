"""The messages of the peer wire protocol: values, exact lengths and encodings.

Every message is `<len: 4><id: 1><payload: len - 1>`, integers big-endian (BEP 3; the fast extension
is BEP 6, the extension protocol BEP 10, the port message BEP 5). `<len=0000>` is a keep-alive.

The values are not frozen: that would triple the cost of making one, and blocks and requests come by
the hundred thousand.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

BLOCK_SIZE = 16_384
"""Bytes of a block: what one request may ask for (BEP 3)."""
MAX_PIECES = 2_097_152
"""The most pieces a torrent may have; no peer can make us remember an index beyond it (P5)."""


class MessageId(IntEnum):
    """The fifth byte of a message."""

    CHOKE = 0
    UNCHOKE = 1
    INTERESTED = 2
    NOT_INTERESTED = 3
    HAVE = 4
    BITFIELD = 5
    REQUEST = 6
    PIECE = 7
    CANCEL = 8
    PORT = 9
    SUGGEST = 13
    HAVE_ALL = 14
    HAVE_NONE = 15
    REJECT = 16
    ALLOWED_FAST = 17
    EXTENDED = 20


BLOCK_HEADER = struct.Struct(">IBII")
"""`<len=0009+X><id=7><index><begin>`, 13 bytes, followed by the X bytes of the block."""
REQUEST_MESSAGE = struct.Struct(">IBIII")
"""`<len=000D><id><index><begin><length>`, 17 bytes: request, cancel and reject."""
INDEX_MESSAGE = struct.Struct(">IBI")
"""`<len=0005><id><index>`, 9 bytes: have, suggest and allowed fast."""
PORT_MESSAGE = struct.Struct(">IBH")
"""`<len=0003><id=9><port>`, 7 bytes."""
EXTENDED_HEADER = struct.Struct(">IBB")
"""`<len=0002+X><id=20><extended id>`, 6 bytes, followed by the X bytes of the payload."""

BLOCK_OVERHEAD = 9
"""What the length prefix of a block counts beside its data: id, index and begin."""

_MAX_BITFIELD = MAX_PIECES // 8
_MAX_EXTENDED = 500 * 1024  # the longest ut_pex message; other names have lower limits (P1)

LENGTHS: dict[int, tuple[int, int]] = {
    MessageId.CHOKE: (1, 1),
    MessageId.UNCHOKE: (1, 1),
    MessageId.INTERESTED: (1, 1),
    MessageId.NOT_INTERESTED: (1, 1),
    MessageId.HAVE: (5, 5),
    MessageId.BITFIELD: (1, 1 + _MAX_BITFIELD),
    MessageId.REQUEST: (13, 13),
    MessageId.PIECE: (BLOCK_OVERHEAD + 1, BLOCK_OVERHEAD + BLOCK_SIZE),
    MessageId.CANCEL: (13, 13),
    MessageId.PORT: (3, 3),
    MessageId.SUGGEST: (5, 5),
    MessageId.HAVE_ALL: (1, 1),
    MessageId.HAVE_NONE: (1, 1),
    MessageId.REJECT: (13, 13),
    MessageId.ALLOWED_FAST: (5, 5),
    MessageId.EXTENDED: (2, 2 + _MAX_EXTENDED),
}
"""The least and greatest length prefix of each kind (P1, P2)."""


@dataclass(slots=True)
class Choke:
    """The sender will not answer requests."""


@dataclass(slots=True)
class Unchoke:
    """The sender will answer requests."""


@dataclass(slots=True)
class Interested:
    """The sender wants pieces that the receiver has."""


@dataclass(slots=True)
class NotInterested:
    """The sender wants nothing that the receiver has."""


@dataclass(slots=True)
class Have:
    """The sender has completed this piece."""

    index: int


@dataclass(slots=True)
class Bitfield:
    """The pieces the sender has: bit 7 of byte 0 is piece 0."""

    data: bytes


@dataclass(slots=True)
class HaveAll:
    """The sender has every piece (BEP 6)."""


@dataclass(slots=True)
class HaveNone:
    """The sender has no piece (BEP 6)."""


@dataclass(slots=True)
class Request:
    """The sender asks for `length` bytes at offset `begin` of a piece."""

    index: int
    begin: int
    length: int


@dataclass(slots=True)
class Block:
    """A "piece" message: the bytes at offset `begin` of a piece.

    `data` is a view of the receive buffer: it holds these bytes only while the event is handled.
    """

    index: int
    begin: int
    data: memoryview


@dataclass(slots=True)
class Cancel:
    """The sender takes this request back."""

    index: int
    begin: int
    length: int


@dataclass(slots=True)
class Reject:
    """The sender will not answer this request (BEP 6)."""

    index: int
    begin: int
    length: int


@dataclass(slots=True)
class Port:
    """The sender's DHT node listens on this UDP port (BEP 5)."""

    port: int


@dataclass(slots=True)
class Suggest:
    """The sender would like this piece to be requested (BEP 6)."""

    index: int


@dataclass(slots=True)
class AllowedFast:
    """The sender answers requests for this piece even while it chokes (BEP 6)."""

    index: int


KEEP_ALIVE = b"\0\0\0\0"


def encode_plain(kind: MessageId) -> bytes:
    """A message without payload: `<len=0001><id>`."""
    return b"\0\0\0\x01" + bytes((kind,))


def encode_index(kind: MessageId, index: int) -> bytes:
    """Have, suggest or allowed fast."""
    return INDEX_MESSAGE.pack(5, kind, index)


def encode_request(kind: MessageId, index: int, begin: int, length: int) -> bytes:
    """Request, cancel or reject."""
    return REQUEST_MESSAGE.pack(13, kind, index, begin, length)


def encode_bitfield(data: bytes) -> bytes:
    """`<len=0001+X><id=5><X bytes>`."""
    return struct.pack(">IB", 1 + len(data), MessageId.BITFIELD) + data


def encode_port(port: int) -> bytes:
    """The UDP port of our DHT node (BEP 5)."""
    return PORT_MESSAGE.pack(3, MessageId.PORT, port)


def encode_extended(extended_id: int, payload: bytes) -> bytes:
    """A message of the extension protocol (BEP 10); ID 0 is its handshake."""
    return EXTENDED_HEADER.pack(2 + len(payload), MessageId.EXTENDED, extended_id) + payload


def encode_block(index: int, begin: int, data: bytes | memoryview) -> bytes:
    """A whole "piece" message in a buffer of its own."""
    return BLOCK_HEADER.pack(BLOCK_OVERHEAD + len(data), MessageId.PIECE, index, begin) + data


def pack_block_header_into(
    buffer: bytearray | memoryview, offset: int, *, index: int, begin: int, length: int
) -> None:
    """Write the 13 bytes that go before `length` bytes of a block, at `offset` of a big buffer."""
    BLOCK_HEADER.pack_into(buffer, offset, BLOCK_OVERHEAD + length, MessageId.PIECE, index, begin)
