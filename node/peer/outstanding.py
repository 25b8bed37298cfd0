"""The requests we sent to one peer and have no answer to, and how well it answers (P8, P10, P12).

What a peer may try: blocks nobody asked for, rejecting everything, promising and never sending.
"""

from collections.abc import Iterable

from node.peer.errors import Breach, PeerError

RequestKey = tuple[int, int, int]
"""`(index, begin, length)`."""

MAX_LATE = 1_000
"""Requests taken back that may still be answered; the oldest are forgotten. About 150 kB."""
LATE_SECONDS = 120.0
"""For so long after the last request was taken back its answer may arrive: the peer timeout."""
MAX_UNREQUESTED_BYTES = 64 * 1024
"""Bytes of blocks that nobody asked for, before the peer is dropped (P8)."""
MAX_REJECTS = 50
"""Rejects without one block between them, or of requests never made, before the peer is dropped."""
REQUEST_TIMEOUT = 60.0
"""Seconds without a block while requests are outstanding that make a peer snubbed."""


class OutstandingRequests:
    """What we asked one peer for. Requests keep the order in which they were sent."""

    __slots__ = (
        "_block_bytes_at_progress",
        "_late",
        "_late_at",
        "_late_grew",
        "_progress_at",
        "_rejects",
        "_stray_rejects",
        "block_bytes",
        "requested",
        "unrequested_bytes",
    )

    def __init__(self, now: float) -> None:
        self.requested: dict[RequestKey, None] = {}
        self.block_bytes = 0
        """Bytes of all the blocks received that we had asked for."""
        self.unrequested_bytes = 0
        self._late: dict[RequestKey, None] = {}
        self._late_at = now
        self._late_grew = False
        self._progress_at = now
        self._block_bytes_at_progress = 0
        self._rejects = 0
        self._stray_rejects = 0

    def take_back(self, request: RequestKey) -> bool:
        """We cancel; a block that is already under way is still welcome. False if not asked for."""
        if request not in self.requested:
            return False
        del self.requested[request]
        self._remember_late((request,))
        return True

    def void_all(self) -> list[RequestKey]:
        """A choke without the fast extension voids every request (BEP 3)."""
        voided = list(self.requested)
        self.requested.clear()
        self._remember_late(voided)
        return voided

    def void_piece(self, index: int) -> list[RequestKey]:
        """The peer gave up a piece without the fast extension: its requests are void (BEP 54)."""
        voided = [request for request in self.requested if request[0] == index]
        for request in voided:
            del self.requested[request]
        self._remember_late(voided)
        return voided

    def accept_late(self, request: RequestKey) -> bool:
        """A block came that is not outstanding: did we ask for it once? Raises PeerError (P8)."""
        length = request[2]
        if request in self._late:
            del self._late[request]
            self.block_bytes += length
            return True
        self.unrequested_bytes += length
        if self.unrequested_bytes > MAX_UNREQUESTED_BYTES:
            raise PeerError(Breach.UNREQUESTED_BLOCKS)
        return False

    def rejected(self, request: RequestKey, *, while_choked: bool) -> bool:
        """A reject came: is the request one to send elsewhere? Raises PeerError (P10)."""
        if request in self.requested:
            del self.requested[request]
            if not while_choked:  # a choke is followed by a reject for everything queued (BEP 6)
                self._rejects += 1
                if self._rejects > MAX_REJECTS:
                    raise PeerError(Breach.TOO_MANY_REJECTS)
            return True
        if request in self._late:
            del self._late[request]
            return False
        self._stray_rejects += 1
        if self._stray_rejects > MAX_REJECTS:
            raise PeerError(Breach.TOO_MANY_REJECTS)
        return False

    def blocks_received(self, size: int) -> None:
        """Blocks of `size` bytes in all came in one batch."""
        self.block_bytes += size
        self._rejects = 0

    def tick(self, now: float) -> None:
        """Note the time of progress and forget what can no longer arrive late."""
        if not self.requested or self.block_bytes != self._block_bytes_at_progress:
            self._progress_at = now
            self._block_bytes_at_progress = self.block_bytes
        if self._late_grew:
            self._late_grew = False
            self._late_at = now
        elif now - self._late_at >= LATE_SECONDS:
            self._late.clear()

    def is_snubbed(self, now: float) -> bool:
        """No block for a minute although some are outstanding."""
        return bool(self.requested) and now - self._progress_at >= REQUEST_TIMEOUT

    def _remember_late(self, requests: Iterable[RequestKey]) -> None:
        late = self._late
        late.update(dict.fromkeys(requests))
        for request in list(late)[: max(0, len(late) - MAX_LATE)]:
            del late[request]
        self._late_grew = True
