"""The messages of the metadata extension (BEP 9): a bencoded dictionary, and a piece behind it.

Strangers write them. What they may try (P14), beside what `node.peer.extension` bounds already: a
piece without a number or beyond the largest metadata, more bytes than a piece has, none at all.
Whether a piece fits the metadata it claims to belong to is for `metadata_assembly` to say.
"""

from typing import NamedTuple, TypeAlias

from formats.bencode import WIRE, BencodeError, Value, decode_prefix, encode, get_int
from node.peer.errors import Breach, PeerError
from node.peer.extension import MAX_METADATA_SIZE

PIECE_SIZE = 16 * 1024
"""Bytes of every piece but the last (BEP 9)."""

_REQUEST, _DATA, _REJECT = range(3)


class MetadataRequest(NamedTuple):
    """The peer asks for a piece."""

    piece: int


class MetadataPiece(NamedTuple):
    """A piece, which follows the dictionary in the message."""

    piece: int
    total_size: int | None
    """Bytes of the whole metadata; None if the peer does not say."""
    data: bytes


class MetadataReject(NamedTuple):
    """The peer does not have, or does not give, a piece."""

    piece: int


MetadataMessage: TypeAlias = MetadataRequest | MetadataPiece | MetadataReject


def piece_count(size: int) -> int:
    """Pieces of metadata of `size` bytes."""
    return -(-size // PIECE_SIZE)


def piece_size(size: int, piece: int) -> int:
    """Bytes of one piece of metadata of `size` bytes."""
    return min(PIECE_SIZE, size - piece * PIECE_SIZE)


def parse_message(payload: bytes) -> MetadataMessage | None:
    """Read a message; None for a kind that is not known, which is to be ignored (BEP 9).

    Raises PeerError if it is not one.
    """
    try:
        source, end = decode_prefix(payload, WIRE)
    except BencodeError as error:
        raise PeerError(Breach.BAD_EXTENSION_MESSAGE) from error
    kind = get_int(source, b"msg_type") if isinstance(source, dict) else None
    if not isinstance(source, dict) or kind is None:
        raise PeerError(Breach.BAD_EXTENSION_MESSAGE)
    if kind not in (_REQUEST, _DATA, _REJECT):
        return None
    piece = get_int(source, b"piece", minimum=0, maximum=piece_count(MAX_METADATA_SIZE) - 1)
    if piece is None:
        raise PeerError(Breach.BAD_EXTENSION_MESSAGE)
    if kind == _REQUEST:
        return MetadataRequest(piece)
    if kind == _REJECT:
        return MetadataReject(piece)
    data = payload[end:]
    if not 0 < len(data) <= PIECE_SIZE:
        raise PeerError(Breach.BAD_EXTENSION_MESSAGE)
    return MetadataPiece(piece, get_int(source, b"total_size"), data)


def encode_message(message: MetadataMessage) -> bytes:
    """The message's bytes."""
    fields: dict[bytes, Value] = {b"piece": message.piece}
    match message:
        case MetadataRequest():
            return encode({b"msg_type": _REQUEST, **fields})
        case MetadataReject():
            return encode({b"msg_type": _REJECT, **fields})
        case MetadataPiece(_, total_size, data):
            if total_size is not None:
                fields[b"total_size"] = total_size
            return encode({b"msg_type": _DATA, **fields}) + data
