"""The one large buffer into which every connection of an event loop receives."""

RECEIVE_BUFFER_SIZE = 1 << 20
"""Bytes of one read: 64 blocks, so that system calls and wake-ups are shared by many."""


class ReceiveBuffer:
    """Shared by all connections of one loop: filled and emptied within one of the loop's callbacks.

    An idle connection thus owns no buffer, and what a read brings is parsed where it lies.
    """

    __slots__ = ("view",)

    def __init__(self, size: int = RECEIVE_BUFFER_SIZE) -> None:
        assert size >= 64 * 1024, "a connection puts up to 32 KiB of its last read in front"
        self.view = memoryview(bytearray(size))
