"""How many requests to keep at a peer, and when it has let us down.

Threats: a peer that unchokes us and sends nothing (P9, P10, P12) must not hold blocks for long.
"""

from node.peer.messages import BLOCK_SIZE

INITIAL_DEPTH = 8
"""Blocks asked for before anything was measured: enough to double every round trip on a fast
link, few enough to leave a small torrent's blocks for other peers."""

MINIMUM_DEPTH = 4
"""Blocks: below this a slow peer would wait for us between two blocks."""

MAXIMUM_DEPTH = 500
"""Blocks we ever ask of one peer at a time, whatever its `reqq` says (libtorrent's limit)."""

DEFAULT_PEER_QUEUE = 250
"""Blocks a peer surely queues when it names no `reqq` (libtorrent's assumption)."""

QUEUE_SECONDS = 1.0
"""Seconds of transfer kept in the queue: longer than a round trip, short enough that what is
asked for is still what is rare when it arrives."""

MEASURE_SECONDS = 1.0
"""Seconds after which the depth is set anew even if the queue has not turned over once."""

SNUB_SECONDS = 60.0
"""Seconds without a block while requests are open: the peer has snubbed us (BEP 3)."""


class RequestPipeline:
    """The depth of one peer's request queue, in blocks.

    The depth doubles each time the queue has turned over, until it holds QUEUE_SECONDS of the
    measured rate; a link bound by latency shows a higher rate at each doubling, a link bound by
    bandwidth does not, and there the growth ends.
    """

    __slots__ = ("_bytes", "_depth", "_limit", "_progress", "_started", "_starting", "snubbed")

    def __init__(self, now: float, peer_queue: int = DEFAULT_PEER_QUEUE) -> None:
        self._limit = MAXIMUM_DEPTH
        self._depth = INITIAL_DEPTH
        self._started = now
        self._starting = True
        self._bytes = 0
        self._progress = now
        self.snubbed = False
        """True from the snub until the next block."""
        self.set_peer_queue(peer_queue)

    @property
    def depth(self) -> int:
        """Requests to keep open at this peer, in blocks."""
        return 1 if self.snubbed else min(self._depth, self._limit)

    def set_peer_queue(self, blocks: int) -> None:
        """The peer's `reqq` (BEP 10): more requests than this it would drop."""
        self._limit = max(1, min(MAXIMUM_DEPTH, blocks))

    def restart(self, now: float) -> None:
        """First requests after a pause (an unchoke, nothing wanted): time starts to count now."""
        self._started = now
        self._progress = now
        self._bytes = 0

    def received(self, size: int, now: float) -> None:
        """Count `size` bytes of asked-for blocks; once per batch."""
        self.snubbed = False
        self._progress = now
        self._bytes += size
        elapsed = now - self._started
        if self._bytes >= self._depth * BLOCK_SIZE or elapsed >= MEASURE_SECONDS:
            self._resize(elapsed)
            self._started = now
            self._bytes = 0

    def check_snub(self, outstanding: int, now: float) -> bool:
        """True once, when the peer has snubbed us: give its requests to others.

        Call it about once a second, idle or not.
        """
        if not outstanding:
            self.restart(now)
        if self.snubbed or now - self._progress < SNUB_SECONDS:
            return False
        self.snubbed = True
        self._depth = MINIMUM_DEPTH
        return True

    def _resize(self, elapsed: float) -> None:
        doubled = min(2 * self._depth, MAXIMUM_DEPTH)
        if elapsed <= 0:
            self._depth = doubled
            return
        wanted = int(self._bytes / elapsed * QUEUE_SECONDS / BLOCK_SIZE) + 1
        if wanted >= self._depth:
            self._depth = min(doubled, wanted)
        else:
            self._depth = max(MINIMUM_DEPTH, wanted, self._depth // 2)
