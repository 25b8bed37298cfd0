"""The peer wire protocol: only PeerError leaves it, and cuts change nothing.

The first byte of an input chooses the extensions, and whether the handshake is to come; the rest is
what the peer sends. It is read once
as a whole and once in pieces; both readings must hear the same.
"""

from collections.abc import Iterable

from formats.identifiers import InfoHash, PeerId
from node.peer import messages
from node.peer.errors import PeerError
from node.peer.events import Event
from node.peer.extension import ExtensionHandshake
from node.peer.handshake import Handshake
from node.peer.messages import Block, MessageId
from node.peer.protocol import PeerProtocol

_INFO_HASH = InfoHash(b"\xaa" * 20)
_US = Handshake(_INFO_HASH, PeerId(b"u" * 20), dht=True)
_THEM = PeerId(b"t" * 20)
_BLOCKS = [(0, 0, 16), (0, 16, 16), (9, 0, 5)]

_TALK = (
    messages.encode_extended(0, b"d1:md6:ut_pexi1e11:lt_donthavei2eee"),
    messages.encode_bitfield(b"\xff\xc0"),
    messages.encode_plain(MessageId.HAVE_ALL),
    messages.encode_plain(MessageId.UNCHOKE),
    messages.encode_plain(MessageId.INTERESTED),
    messages.encode_index(MessageId.HAVE, 9),
    messages.encode_index(MessageId.SUGGEST, 3),
    messages.encode_index(MessageId.ALLOWED_FAST, 3),
    messages.encode_request(MessageId.REQUEST, 1, 16384, 16384),
    messages.encode_request(MessageId.CANCEL, 1, 16384, 16384),
    messages.encode_request(MessageId.REJECT, 0, 16, 16),
    messages.encode_block(0, 0, bytes(16)),
    messages.encode_block(9, 0, b"12345"),
    messages.encode_port(6881),
    messages.encode_extended(1, b"d5:added0:e"),
    messages.encode_extended(2, b"\0\0\0\x03"),
    messages.encode_plain(MessageId.CHOKE),
    messages.KEEP_ALIVE,
)

SEEDS: list[bytes] = [
    *(bytes([number]) + word for number, word in enumerate(_TALK)),
    b"\x0c\0\0\0\x01\x14",
    b"\x0f" + b"".join(_TALK[:2] + _TALK[3:]),
    b"\x0e" + b"".join(_TALK[:2] + _TALK[3:6] + _TALK[8:10] + _TALK[11:]),
    b"\x0b" + b"".join(_TALK[2:]),
    b"\x14" + Handshake(_INFO_HASH, _THEM).encode() + b"".join(_TALK[2:]),
]


def execute(data: bytes) -> None:
    """Hear `data` in one piece and in three."""
    options, said = (data[0], data[1:]) if data else (0, b"")
    third = len(said) // 3
    whole = _hear(options, (said,))
    assert whole == _hear(options, (said[:third], said[third : 2 * third], said[2 * third :]))


def _hear(options: int, parts: Iterable[bytes]) -> object:
    if options & 16:
        protocol = PeerProtocol.incoming(lambda name: _US if name == _INFO_HASH else None, 0.0)
    else:
        protocol = PeerProtocol.outgoing(_US, 0.0)
        remote = Handshake(_INFO_HASH, _THEM, extensions=bool(options & 2), fast=bool(options & 1))
        protocol.receive(memoryview(remote.encode()))
    if options & 4:
        protocol.set_piece_sizes(10, 32768, 9 * 32768 + 5)
    if options & 8:
        protocol.unchoke()
    protocol.send_extension_handshake(ExtensionHandshake({"ut_pex": 1, "lt_donthave": 2}))
    protocol.request(_BLOCKS)
    heard: list[Event] = []
    rest = b""
    try:
        for part in parts:
            rest += part
            taken = -1
            while taken:
                taken, events = protocol.receive(memoryview(rest))
                heard += [_copy(event) for event in events]
                rest = rest[taken:]
            protocol.tick(0.0)
        protocol.set_piece_sizes(10, 32768, 9 * 32768 + 5)
    except PeerError as error:
        return error.breach
    return heard, rest, protocol.data_to_send(), list(protocol.requested)


def _copy(event: Event) -> Event:
    if isinstance(event, Block):
        return Block(event.index, event.begin, memoryview(bytes(event.data)))
    return event
