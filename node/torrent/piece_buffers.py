"""Memory for pieces on their way from the network to the disk, recycled and bounded (F16)."""

POOL_BYTES = 16 * 1024 * 1024
"""Bytes kept for reuse: touching recycled memory is several times faster than fresh pages."""


class PieceBuffers:
    """Hands out views of piece-sized buffers and takes them back."""

    __slots__ = ("_free", "_keep", "_size", "in_use")

    def __init__(self, piece_length: int) -> None:
        self._size = piece_length
        self._keep = max(2, POOL_BYTES // piece_length)
        self._free: list[bytearray] = []
        self.in_use = 0
        """Buffers handed out and not yet given back."""

    def take(self, size: int) -> memoryview:
        """A writable view of `size` bytes (at most a piece); the content is arbitrary."""
        self.in_use += 1
        buffer = self._free.pop() if self._free else bytearray(self._size)
        view = memoryview(buffer)
        return view if size == self._size else view[:size]

    def give_back(self, view: memoryview) -> None:
        """Recycle the buffer under a view from `take`; nobody may use that view any more."""
        self.in_use -= 1
        buffer = view.obj
        if isinstance(buffer, bytearray) and len(self._free) < self._keep:
            self._free.append(buffer)
