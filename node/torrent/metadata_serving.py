"""Giving a torrent's metadata to one peer (BEP 9).

Threats (P14): a flood of requests, each of which costs 16 KiB (ten whole copies a minute, then
refusals, then the door), pieces that there are not, requests before we have the metadata (refused).
"""

from collections import deque
from collections.abc import Sequence

from node.peer.connection import PeerConnection
from node.peer.errors import Breach, PeerError
from node.peer.extension import UT_METADATA
from node.torrent.metadata import (
    PIECE_SIZE,
    MetadataPiece,
    MetadataReject,
    MetadataRequest,
    encode_message,
    parse_message,
    piece_count,
)
from node.torrent.token_bucket import TokenBucket

COPIES = 10
"""Whole copies for one peer in WINDOW_SECONDS (P14)."""
WINDOW_SECONDS = 60.0
ROOM = 2 * PIECE_SIZE
"""Bytes that a connection must still take before it is given a piece; else it is not reading."""
MAX_REFUSALS = 1_000
"""Requests refused to one peer in WINDOW_SECONDS, before its connection is closed."""


class MetadataServing:
    """Answers one peer's requests."""

    __slots__ = ("_info_bytes", "_refusals", "_refusals_since", "_served")

    def __init__(self, info_bytes: bytes | None, now: float) -> None:
        """`info_bytes`: the verified metadata; None while we do not have it."""
        self._info_bytes = info_bytes
        size = 0 if info_bytes is None else len(info_bytes)
        self._served: deque[float] = deque(maxlen=COPIES * piece_count(size))
        """When the last pieces were served, as many as are allowed."""
        self._refusals = 0
        self._refusals_since = now

    def received(
        self,
        connection: PeerConnection,
        payload: bytes,
        now: float,
        *,
        limits: Sequence[TokenBucket],
    ) -> None:
        """A message came: answer it, if it is a request, at the expense of the upload limits.

        Raises PeerError when it is none of the extension's, or one too many.
        """
        message = parse_message(payload)
        if not isinstance(message, MetadataRequest):
            return
        answer = self.answer(message.piece, now, has_room=connection.write_room >= ROOM)
        connection.protocol.send_extension(UT_METADATA, answer)
        connection.flush()
        for limit in limits:
            limit.spend(len(answer), now)

    def answer(self, piece: int, now: float, *, has_room: bool = True) -> bytes:
        """The message that answers a request.

        `has_room`: the connection may take a piece now; a refusal it always may. Raises PeerError
        when the peer does not stop asking.
        """
        info_bytes = self._info_bytes
        if info_bytes is None or not has_room or not self._may_serve(piece, now):
            self._count_refusal(now)
            return encode_message(MetadataReject(piece))
        self._served.append(now)
        data = info_bytes[piece * PIECE_SIZE : (piece + 1) * PIECE_SIZE]
        return encode_message(MetadataPiece(piece, len(info_bytes), data))

    def _may_serve(self, piece: int, now: float) -> bool:
        served, most = self._served, self._served.maxlen
        assert self._info_bytes is not None and most is not None
        if piece >= piece_count(len(self._info_bytes)):
            return False
        return len(served) < most or now - served[0] >= WINDOW_SECONDS

    def _count_refusal(self, now: float) -> None:
        if now - self._refusals_since >= WINDOW_SECONDS:
            self._refusals_since = now
            self._refusals = 0
        self._refusals += 1
        if self._refusals > MAX_REFUSALS:
            raise PeerError(Breach.TOO_MUCH_CHATTER)
