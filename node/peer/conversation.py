"""The speaking half of a conversation: its state, and the verbs that queue messages."""

from collections.abc import Iterable

from node.peer import messages
from node.peer.extension import HANDSHAKE_ID, ExtensionHandshake
from node.peer.handshake import Handshake
from node.peer.messages import MessageId
from node.peer.outstanding import OutstandingRequests, RequestKey
from node.peer.piece_sizes import PieceSizes
from node.peer.timers import Timers

REQUESTS_UNDER_WAY = 2_000
"""Requests that may be under way when we choke: the longest queue a node offers. They are not held
against the peer (P7)."""

_pack_request = messages.REQUEST_MESSAGE.pack


class Conversation:
    """What both sides know of each other, and what we say.

    Every verb queues bytes; `data_to_send` drains them. A verb that changes nothing says nothing,
    and a message of an extension the peer lacks is left unsaid, so owners need not ask first.
    """

    __slots__ = (
        "_allowed_fast",
        "_local_names",
        "_out",
        "_outstanding",
        "_requests_while_choked",
        "_sizes",
        "_timers",
        "am_choking",
        "am_interested",
        "is_outgoing",
        "local",
        "peer_choking",
        "peer_interested",
        "remote",
        "remote_extensions",
        "requested",
        "supports_dht",
        "supports_extensions",
        "supports_fast",
    )

    def __init__(self, local: Handshake | None, now: float) -> None:
        self.is_outgoing = local is not None
        """Whether we dialled; then we know from the start which torrent it is about."""
        self.local = local
        self.remote: Handshake | None = None
        self.am_choking = True
        self.am_interested = False
        self.peer_choking = True
        self.peer_interested = False
        self.supports_fast = False
        self.supports_extensions = False
        self.supports_dht = False
        self.remote_extensions: dict[str, int] = {}
        """The extended message IDs to use towards the peer, by name (BEP 10)."""
        self._local_names: dict[int, str] = {}
        self._allowed_fast: set[int] = set()
        self._requests_while_choked = 0
        self._out = bytearray()
        self._sizes = PieceSizes()
        self._timers = Timers(now)
        self._outstanding = OutstandingRequests(now)
        self.requested = self._outstanding.requested
        """Our requests without an answer, `(index, begin, length)`, in the order of sending."""

    @property
    def has_data_to_send(self) -> bool:
        """Whether anything is queued."""
        return bool(self._out)

    def data_to_send(self) -> bytes:
        """The queued bytes, once."""
        if not self._out:
            return b""
        data = bytes(self._out)
        self._out.clear()
        self._timers.has_spoken = True
        return data

    def note_blocks_sent(self) -> None:
        """The owner sent blocks past this queue: the peer hears from us, no keep-alive is due."""
        self._timers.has_spoken = True

    def note_reading_paused(self) -> None:
        """The owner is not reading: the peer's silence is our doing."""
        self._timers.has_heard = True

    def choke(self) -> None:
        """Answer no more requests. With the fast extension the owner now rejects those it queued,
        except for allowed-fast pieces; without it they are simply forgotten (BEP 3, BEP 6)."""
        if not self.am_choking:
            self.am_choking = True
            self._requests_while_choked = -REQUESTS_UNDER_WAY
            self._out += messages.encode_plain(MessageId.CHOKE)

    def unchoke(self) -> None:
        """Answer requests."""
        if self.am_choking:
            self.am_choking = False
            self._requests_while_choked = 0
            self._out += messages.encode_plain(MessageId.UNCHOKE)

    def interested(self) -> None:
        """We want pieces that the peer has."""
        if not self.am_interested:
            self.am_interested = True
            self._out += messages.encode_plain(MessageId.INTERESTED)

    def not_interested(self) -> None:
        """We want nothing that the peer has."""
        if self.am_interested:
            self.am_interested = False
            self._out += messages.encode_plain(MessageId.NOT_INTERESTED)

    def send_bitfield(self, data: bytes) -> None:
        """Say which pieces we have, in the shortest form the peer takes; the first thing to say.

        `b""` stands for none, also while their number is unknown.
        """
        if not any(data):
            if self.supports_fast:
                self._out += messages.encode_plain(MessageId.HAVE_NONE)
        elif self.supports_fast and self._sizes.is_everything(data):
            self._out += messages.encode_plain(MessageId.HAVE_ALL)
        else:
            self._out += messages.encode_bitfield(data)

    def have(self, index: int) -> None:
        """We completed this piece."""
        self._out += messages.encode_index(MessageId.HAVE, index)

    def request(self, requests: Iterable[RequestKey]) -> None:
        """Ask for blocks, `(index, begin, length)` each, in this order."""
        requests = list(requests)
        self.requested.update(dict.fromkeys(requests))
        kind = int(MessageId.REQUEST)
        self._out += b"".join(
            [_pack_request(13, kind, index, begin, length) for index, begin, length in requests]
        )

    def cancel(self, index: int, begin: int, length: int) -> None:
        """Take a request back; its block may still come and is then delivered."""
        if self._outstanding.take_back((index, begin, length)):
            self._out += messages.encode_request(MessageId.CANCEL, index, begin, length)

    def reject(self, index: int, begin: int, length: int) -> None:
        """Refuse a request; without the fast extension, silence is the refusal."""
        if self.supports_fast:
            self._out += messages.encode_request(MessageId.REJECT, index, begin, length)

    def suggest(self, index: int) -> None:
        """We would like to be asked for this piece."""
        if self.supports_fast:
            self._out += messages.encode_index(MessageId.SUGGEST, index)

    def allowed_fast(self, index: int) -> None:
        """Requests for this piece are answered even while we choke."""
        if self.supports_fast:
            self._allowed_fast.add(index)
            self._out += messages.encode_index(MessageId.ALLOWED_FAST, index)

    def is_allowed_fast(self, index: int) -> bool:
        """Whether the peer was told that requests for this piece are answered while we choke."""
        return index in self._allowed_fast

    def port(self, port: int) -> None:
        """Our DHT node listens on this UDP port."""
        if self.supports_dht:
            self._out += messages.encode_port(port)

    def keep_alive(self) -> None:
        """Say that we are still here; `tick` does it by itself."""
        self._out += messages.KEEP_ALIVE

    def send_extension_handshake(self, handshake: ExtensionHandshake) -> None:
        """Offer our extensions; from now on messages with their IDs are read (BEP 10).

        A later handshake adds to the earlier; the ID 0 takes a name back.
        """
        if not self.supports_extensions:
            return
        for name, number in handshake.extensions.items():
            taken = {i: known for i, known in self._local_names.items() if known != name}
            self._local_names = {**taken, number: name} if number else taken
        self._out += messages.encode_extended(HANDSHAKE_ID, handshake.encode())

    def send_extension(self, name: str, payload: bytes) -> bool:
        """Send a message of an extension; False if the peer does not take it."""
        number = self.remote_extensions.get(name)
        if number is None:
            return False
        self._out += messages.encode_extended(number, payload)
        return True
