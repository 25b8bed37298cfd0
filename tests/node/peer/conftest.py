"""Conversations past their handshake, fed with bytes by hand."""

from collections.abc import Callable

import pytest

from formats.identifiers import InfoHash, PeerId
from node.peer.events import Event
from node.peer.handshake import Handshake
from node.peer.protocol import PeerProtocol

INFO_HASH = InfoHash(b"\xaa" * 20)
PIECE_COUNT = 10
PIECE_LENGTH = 32_768
TOTAL_SIZE = 9 * PIECE_LENGTH + 20_000


class Talk:
    """One PeerProtocol, past the handshake with a peer that offers what `local` and `remote` say."""

    def __init__(self, *, fast: bool, extensions: bool, dht: bool, sizes: bool) -> None:
        local = Handshake(INFO_HASH, PeerId(b"-ES0100-us.........."), dht=True)
        remote = Handshake(
            INFO_HASH, PeerId(b"-XX0100-them........"), fast=fast, extensions=extensions, dht=dht
        )
        self.protocol = PeerProtocol.outgoing(local, 0.0)
        assert self.protocol.data_to_send() == local.encode()
        self.feed(remote.encode())
        if sizes:
            self.protocol.set_piece_sizes(PIECE_COUNT, PIECE_LENGTH, TOTAL_SIZE)

    def feed(self, data: bytes) -> list[Event]:
        """Give it whole messages; all must be taken."""
        taken, events = self.protocol.receive(memoryview(data))
        assert taken == len(data)
        return events

    def sent(self) -> bytes:
        """What it has to say."""
        return self.protocol.data_to_send()


@pytest.fixture
def talk() -> Callable[..., Talk]:
    def start(
        *, fast: bool = True, extensions: bool = True, dht: bool = False, sizes: bool = True
    ) -> Talk:
        return Talk(fast=fast, extensions=extensions, dht=dht, sizes=sizes)

    return start
