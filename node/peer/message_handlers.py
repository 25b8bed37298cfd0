"""What each kind of message means, once it is whole and of the right length (P3 to P8, P10, P15).

What a peer may try: indexes and ranges that no piece has, requests while choked, a bitfield that
does not fit or comes again and again, thousands of haves, an extension handshake every second.
"""

import struct
from collections.abc import Callable

from node.peer import extension, messages
from node.peer.conversation import Conversation
from node.peer.errors import Breach, PeerError
from node.peer.events import (
    DontHave,
    Event,
    ExtensionHandshakeReceived,
    ExtensionMessage,
    RequestsDropped,
    Unrequested,
)
from node.peer.handshake import Handshake
from node.peer.messages import Block, MessageId, Request

SPARE_HAVES = 1_000
"""Haves that a peer may send beyond four for every piece."""
MAX_BITFIELDS = 100
"""Bitfields, have alls and have nones of one peer (P4). BEP 3 and 6 know one, before any have;
aria2 sends another whenever it is shorter than the haves owed: at most 72 times in a download."""
MAX_BAD_REQUESTS = 50
"""Requests for bytes that no piece has, each rejected, before the peer is dropped (P6)."""
MAX_REQUESTS_WHILE_CHOKED = 300
"""Requests while choked before the peer is dropped (P7)."""

_unpack_integer = struct.Struct(">I").unpack_from
_unpack_range = struct.Struct(">III").unpack_from
_unpack_port = struct.Struct(">H").unpack_from


class MessageHandlers(Conversation):
    """The listening half of a conversation; a handler appends what the owner is to hear."""

    __slots__ = ("_bad_requests", "_bitfields_left", "_haves_left")

    def __init__(self, local: Handshake | None, now: float) -> None:
        super().__init__(local, now)
        self._bitfields_left = MAX_BITFIELDS
        self._haves_left = 4 * messages.MAX_PIECES + SPARE_HAVES
        self._bad_requests = 0

    def _on_request(self, request: Request, events: list[Event]) -> None:
        index, begin, length = request.index, request.begin, request.length
        is_answered = not self.am_choking or self.is_allowed_fast(index)
        if is_answered and self._sizes.holds(index, begin, length):
            events.append(request)
            return
        self._sizes.check_index(index)
        if is_answered:
            self._bad_requests += 1
            if not self.supports_fast or self._bad_requests > MAX_BAD_REQUESTS:
                raise PeerError(Breach.BAD_REQUEST)
        else:
            self._requests_while_choked += 1
            if self._requests_while_choked > MAX_REQUESTS_WHILE_CHOKED:
                raise PeerError(Breach.REQUESTS_WHILE_CHOKED)
        self.reject(index, begin, length)

    def _on_unexpected_block(self, block: Block, events: list[Event]) -> None:
        index, begin, length = block.index, block.begin, len(block.data)
        if self._outstanding.accept_late((index, begin, length)):
            events.append(block)
        else:
            events.append(Unrequested(index, begin, length))

    def _on_choke(self, _: memoryview, events: list[Event]) -> None:
        if not self.peer_choking:
            self.peer_choking = True
            events.append(messages.Choke())
        if not self.supports_fast and self.requested:
            events.append(RequestsDropped(self._outstanding.void_all()))

    def _on_unchoke(self, _: memoryview, events: list[Event]) -> None:
        if self.peer_choking:
            self.peer_choking = False
            events.append(messages.Unchoke())

    def _on_interested(self, _: memoryview, events: list[Event]) -> None:
        if not self.peer_interested:
            self.peer_interested = True
            events.append(messages.Interested())

    def _on_not_interested(self, _: memoryview, events: list[Event]) -> None:
        if self.peer_interested:
            self.peer_interested = False
            events.append(messages.NotInterested())

    def _on_have(self, payload: memoryview, events: list[Event]) -> None:
        self._haves_left -= 1
        if self._haves_left < 0:
            raise PeerError(Breach.TOO_MUCH_CHATTER)
        events.append(messages.Have(self._read_index(payload)))

    def _on_bitfield(self, payload: memoryview, events: list[Event]) -> None:
        self._spend_bitfield()
        bitfield = bytes(payload)
        self._sizes.check_bitfield(bitfield)
        events.append(messages.Bitfield(bitfield))

    def _on_have_all(self, _: memoryview, events: list[Event]) -> None:
        self._spend_bitfield()
        events.append(messages.HaveAll())

    def _on_have_none(self, _: memoryview, events: list[Event]) -> None:
        self._spend_bitfield()
        events.append(messages.HaveNone())

    def _spend_bitfield(self) -> None:
        """Count a description of the peer's pieces, which adds to what it said before (P4)."""
        self._bitfields_left -= 1
        if self._bitfields_left < 0:
            raise PeerError(Breach.TOO_MANY_BITFIELDS)

    def _on_cancel(self, payload: memoryview, events: list[Event]) -> None:
        index, begin, length = _unpack_range(payload)
        self._sizes.check_index(index)
        events.append(messages.Cancel(index, begin, length))

    def _on_reject(self, payload: memoryview, events: list[Event]) -> None:
        index, begin, length = _unpack_range(payload)
        self._sizes.check_index(index)
        if self._outstanding.rejected((index, begin, length), while_choked=self.peer_choking):
            events.append(messages.Reject(index, begin, length))

    def _on_suggest(self, payload: memoryview, events: list[Event]) -> None:
        events.append(messages.Suggest(self._read_index(payload)))

    def _on_allowed_fast(self, payload: memoryview, events: list[Event]) -> None:
        events.append(messages.AllowedFast(self._read_index(payload)))

    def _on_port(self, payload: memoryview, events: list[Event]) -> None:
        (port,) = _unpack_port(payload)
        if port:
            events.append(messages.Port(port))

    def _on_extended(self, payload: memoryview, events: list[Event]) -> None:
        if not self.supports_extensions:  # then of any length, even without an extended ID
            self._on_unknown(payload, events)
            return
        number, body = payload[0], bytes(payload[1:])
        name = self._local_names.get(number)
        if name is None and number != extension.HANDSHAKE_ID:
            self._on_unknown(payload, events)
        elif name is None:
            self._on_extension_handshake(body, events)
        elif name == extension.LT_DONTHAVE:
            self._on_dont_have(body, events)
        else:
            events.append(ExtensionMessage(name, body))

    def _on_extension_handshake(self, body: bytes, events: list[Event]) -> None:
        if not self._timers.unknown.spend():
            raise PeerError(Breach.TOO_MANY_UNKNOWN)
        handshake = extension.parse_extension_handshake(body)
        known = {**self.remote_extensions, **handshake.extensions}
        present = [(name, number) for name, number in known.items() if number]
        self.remote_extensions = dict(present[: extension.MAX_EXTENSIONS])
        events.append(ExtensionHandshakeReceived(handshake))

    def _on_dont_have(self, body: bytes, events: list[Event]) -> None:
        if len(body) != 4:
            raise PeerError(Breach.BAD_EXTENSION_MESSAGE)
        index = self._read_index(memoryview(body))
        events.append(DontHave(index))
        if not self.supports_fast:
            voided = self._outstanding.void_piece(index)
            if voided:
                events.append(RequestsDropped(voided))

    def _on_unknown(self, _: memoryview, events: list[Event]) -> None:
        if not self._timers.unknown.spend():
            raise PeerError(Breach.TOO_MANY_UNKNOWN)

    def _read_index(self, payload: memoryview) -> int:
        index: int = _unpack_integer(payload)[0]
        self._sizes.check_index(index)
        return index

    def _spend_chatter(self) -> None:
        if not self._timers.chatter.spend():
            raise PeerError(Breach.TOO_MUCH_CHATTER)


Handler = Callable[[MessageHandlers, memoryview, list[Event]], None]

# Blocks and requests are missing: `receive` reads them itself. Fast extension kinds come here only
# where it was agreed on, and all of them only after the handshake.
HANDLERS: dict[int, Handler] = {
    MessageId.CHOKE: MessageHandlers._on_choke,
    MessageId.UNCHOKE: MessageHandlers._on_unchoke,
    MessageId.INTERESTED: MessageHandlers._on_interested,
    MessageId.NOT_INTERESTED: MessageHandlers._on_not_interested,
    MessageId.HAVE: MessageHandlers._on_have,
    MessageId.BITFIELD: MessageHandlers._on_bitfield,
    MessageId.CANCEL: MessageHandlers._on_cancel,
    MessageId.PORT: MessageHandlers._on_port,
    MessageId.SUGGEST: MessageHandlers._on_suggest,
    MessageId.HAVE_ALL: MessageHandlers._on_have_all,
    MessageId.HAVE_NONE: MessageHandlers._on_have_none,
    MessageId.REJECT: MessageHandlers._on_reject,
    MessageId.ALLOWED_FAST: MessageHandlers._on_allowed_fast,
    MessageId.EXTENDED: MessageHandlers._on_extended,
}
BUDGETED_ELSEWHERE = frozenset((MessageId.HAVE, MessageId.REJECT, MessageId.EXTENDED))
"""Kinds that do not count as chatter: they have limits of their own."""
