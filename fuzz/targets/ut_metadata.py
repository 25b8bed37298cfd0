"""Messages of ut_metadata, and what is made of them: only PeerError leaves the reader and the copy.

The first byte of an input chooses the size that two peers state; the rest is one message from each
of them, the second begins in the middle.
"""

import hashlib

from formats.identifiers import InfoHash
from node.peer.errors import PeerError
from node.torrent.metadata import (
    PIECE_SIZE,
    MetadataPiece,
    MetadataReject,
    MetadataRequest,
    encode_message,
    parse_message,
)
from node.torrent.metadata_assembly import Complete, MetadataAssembly
from node.torrent.metadata_serving import MetadataServing

_INFO = b"d4:name1:xe"
_HASH = InfoHash(hashlib.sha1(_INFO, usedforsecurity=False).digest())
_SIZES = (len(_INFO), 5, PIECE_SIZE, PIECE_SIZE + 5, 10_000_000)

SEEDS: list[bytes] = [
    b"\0" + encode_message(MetadataPiece(0, len(_INFO), _INFO)) * 2,
    b"\1" + encode_message(MetadataPiece(0, 5, b"wrong")),
    b"\2" + encode_message(MetadataPiece(0, None, bytes(PIECE_SIZE))),
    b"\3" + encode_message(MetadataPiece(1, PIECE_SIZE + 5, b"short")) * 2,
    b"\4" + encode_message(MetadataRequest(610)) + encode_message(MetadataReject(0)),
    b"\0d8:msg_typei7e5:piecei0ee",
]


def execute(data: bytes) -> None:
    """Two peers speak."""
    size = _SIZES[data[0] % len(_SIZES)] if data else 1
    assembly: MetadataAssembly[int] = MetadataAssembly(_HASH)
    serving = MetadataServing(_INFO, 0.0)
    for peer in (0, 1):
        assembly.offered(peer, f"peer {peer}", size)
        assembly.requests(peer, 3.0 * peer)
    said = data[1:]
    for peer, payload in enumerate((said, said[len(said) // 2 :])):
        try:
            _hear(assembly, serving, peer, payload)
        except PeerError:
            assembly.left(peer)


def _hear(
    assembly: MetadataAssembly[int], serving: MetadataServing, peer: int, payload: bytes
) -> None:
    message = parse_message(payload)
    if message is None:
        return
    assert parse_message(encode_message(message)) == message
    if isinstance(message, MetadataRequest):
        serving.answer(message.piece, 0.0)
    elif isinstance(message, MetadataReject):
        assembly.rejected(peer, message.piece)
    else:
        outcome = assembly.received(peer, message)
        assert not isinstance(outcome, Complete) or outcome.info_bytes == _INFO
