"""One conversation of the peer wire protocol, without I/O: bytes in, events out, bytes out.

The bytes are a stranger's. What it may try, and the answer (`errors.Breach` names them all):

* lengths of gigabytes, or that do not match the kind: refused at the fifth byte, before buffering;
* indexes and ranges that no piece has, requests while choked: `message_handlers`;
* blocks nobody asked for, rejects without end: `outstanding`;
* unknown messages, chatter without data: a budget for every minute;
* a handshake that never ends, silence, bytes that never become a message: `timers`;
* the extensions' own messages: at most `extension.message_limit` bytes, and only by offered IDs.

`receive` is the hot path: a whole read buffer in one pass, blocks and requests first.
"""

import struct
from collections.abc import Callable

from formats.identifiers import InfoHash
from node.peer import extension, messages
from node.peer.errors import Breach, PeerError
from node.peer.events import Event, HandshakeReceived
from node.peer.handshake import HANDSHAKE_SIZE, Handshake, parse_handshake
from node.peer.message_handlers import BUDGETED_ELSEWHERE, HANDLERS, SPARE_HAVES, MessageHandlers
from node.peer.messages import BLOCK_OVERHEAD, BLOCK_SIZE, Block, MessageId, Request

MAX_UNKNOWN_SIZE = 1024
"""The longest message of an unknown kind, in bytes, that is skipped (P3)."""
Answer = Callable[[InfoHash], Handshake | None]
"""Which handshake of ours answers a stranger who asks for this torrent; None refuses."""

_unpack_block_header = messages.BLOCK_HEADER.unpack_from
_unpack_integer = struct.Struct(">I").unpack_from
_unpack_range = struct.Struct(">III").unpack_from

_LENGTH_SIZE = 4
_HEADER_SIZE = messages.BLOCK_HEADER.size
_PIECE, _REQUEST = int(MessageId.PIECE), int(MessageId.REQUEST)
_MAX_BLOCK_LENGTH = BLOCK_OVERHEAD + BLOCK_SIZE
_MAX_LENGTH = max(longest for _, longest in messages.LENGTHS.values())
_FAST_ONLY = frozenset(
    (
        MessageId.SUGGEST,
        MessageId.HAVE_ALL,
        MessageId.HAVE_NONE,
        MessageId.REJECT,
        MessageId.ALLOWED_FAST,
    )
)


class PeerProtocol(MessageHandlers):
    """One conversation, from the first byte of its handshake.

    The peer's bytes go into `receive`; `data_to_send` is what goes out; `tick` is called about once
    a second. The verbs are Conversation's. All times are seconds of one monotonic clock.
    """

    __slots__ = ("_answer", "snubbed")

    def __init__(self, local: Handshake | None, answer: Answer | None, now: float) -> None:
        super().__init__(local, now)
        self.snubbed = False
        """No block for a minute although requests are outstanding; as of the last tick (P12)."""
        self._answer = answer

    @classmethod
    def outgoing(cls, local: Handshake, now: float) -> "PeerProtocol":
        """We dialled: our handshake goes first, and the peer must answer with its info hash."""
        protocol = cls(local, None, now)
        protocol._out += local.encode()
        return protocol

    @classmethod
    def incoming(cls, answer: Answer, now: float) -> "PeerProtocol":
        """We were dialled: the peer names the torrent, and `answer` says who we are in it."""
        return cls(None, answer, now)

    @property
    def block_bytes_received(self) -> int:
        """Bytes of blocks we had asked for."""
        return self._outstanding.block_bytes

    @property
    def unrequested_bytes(self) -> int:
        """Bytes of blocks nobody had asked for: waste (P8)."""
        return self._outstanding.unrequested_bytes

    def set_piece_sizes(self, piece_count: int, piece_length: int, total_size: int) -> None:
        """The metadata is known. Raises PeerError if what the peer said before does not fit."""
        self._haves_left = 4 * piece_count + SPARE_HAVES
        self._sizes.set(piece_count, piece_length, total_size=total_size)

    def tick(self, now: float) -> None:
        """Queue a keep-alive when one is due. Raises PeerError when the peer's time is up."""
        if self._timers.tick(now, is_introduced=self.remote is not None):
            self.keep_alive()
        self._outstanding.tick(now)
        self.snubbed = self._outstanding.is_snubbed(now)

    def receive(self, data: memoryview) -> tuple[int, list[Event]]:
        """Read every complete message: how many bytes they took, and what they say.

        The caller keeps the rest and offers it again with more behind it. A handshake is always
        alone in its batch, so that its owner can prepare for what follows: call again until no
        byte is taken. Raises PeerError, which voids the batch: the connection is to be closed.
        """
        if self.remote is None:
            return self._receive_handshake(data)
        events: list[Event] = []
        requested = self.requested
        block_bytes = at = 0
        end = len(data)
        while True:
            if end - at >= _HEADER_SIZE:
                length, kind, index, begin = _unpack_block_header(data, at)
                following = at + 4 + length
                if kind == _PIECE and BLOCK_OVERHEAD < length <= _MAX_BLOCK_LENGTH:
                    if following > end:
                        break
                    block = Block(index, begin, data[at + _HEADER_SIZE : following])
                    try:
                        del requested[index, begin, length - BLOCK_OVERHEAD]
                    except KeyError:
                        self._on_unexpected_block(block, events)
                    else:
                        block_bytes += length - BLOCK_OVERHEAD
                        events.append(block)
                    at = following
                    continue
                if kind == _REQUEST and length == 13:
                    if following > end:
                        break
                    self._on_request(Request(*_unpack_range(data, at + 5)), events)
                    at = following
                    continue
            taken = self._receive_other(data, at, events)
            if not taken:
                break
            at += taken
        if at:
            self._timers.has_heard = True
        if block_bytes:
            self._outstanding.blocks_received(block_bytes)
        return at, events

    def _receive_handshake(self, data: memoryview) -> tuple[int, list[Event]]:
        remote = parse_handshake(data)
        if remote is None:
            return 0, []
        local = self.local
        if local is None:
            assert self._answer is not None
            local = self._answer(remote.info_hash)
            if local is None:
                raise PeerError(Breach.UNKNOWN_INFO_HASH)
            self.local = local
            self._out += local.encode()
        elif remote.info_hash != local.info_hash:
            raise PeerError(Breach.WRONG_INFO_HASH)
        if remote.peer_id == local.peer_id:
            raise PeerError(Breach.OURSELVES)
        self.remote = remote
        self.supports_fast = local.fast and remote.fast
        self.supports_extensions = local.extensions and remote.extensions
        self.supports_dht = local.dht and remote.dht
        self._timers.has_heard = True
        return HANDSHAKE_SIZE, [HandshakeReceived(remote.info_hash, remote.peer_id)]

    def _receive_other(self, data: memoryview, at: int, events: list[Event]) -> int:
        """Read a message of another kind, or the start of any: bytes taken, 0 if incomplete."""
        available = len(data) - at
        if available < _LENGTH_SIZE:
            return 0
        length: int = _unpack_integer(data, at)[0]
        if length == 0:
            self._spend_chatter()
            return _LENGTH_SIZE
        if length > _MAX_LENGTH:
            raise PeerError(Breach.MESSAGE_TOO_LONG)
        if available == _LENGTH_SIZE:
            return 0
        payload = data[at + 5 : at + 4 + length]
        kind = data[at + 4]
        self._check_length(kind, length, payload)
        if available < _LENGTH_SIZE + length:
            return 0
        handler = HANDLERS.get(kind, MessageHandlers._on_unknown)
        handler(self, payload, events)
        if kind not in BUDGETED_ELSEWHERE:
            self._spend_chatter()
        return _LENGTH_SIZE + length

    def _check_length(self, kind: int, length: int, payload: memoryview) -> None:
        """Refuse a message by its first bytes, before the rest is waited for (P1, P2, P3)."""
        bounds = messages.LENGTHS.get(kind)
        if bounds is None or (kind == MessageId.EXTENDED and not self.supports_extensions):
            if length > MAX_UNKNOWN_SIZE:
                raise PeerError(Breach.MESSAGE_TOO_LONG)
            return
        shortest, longest = bounds
        if length > longest:
            raise PeerError(Breach.MESSAGE_TOO_LONG)
        if length < shortest:
            raise PeerError(Breach.WRONG_LENGTH)
        if kind in _FAST_ONLY and not self.supports_fast:
            raise PeerError(Breach.NOT_AGREED)
        if kind == MessageId.EXTENDED and payload:
            self._check_extended_length(payload[0], length - 2)

    def _check_extended_length(self, number: int, size: int) -> None:
        if number == extension.HANDSHAKE_ID:
            longest = extension.MAX_HANDSHAKE
        elif number in self._local_names:
            longest = extension.message_limit(self._local_names[number])
        else:
            longest = MAX_UNKNOWN_SIZE
        if size > longest:
            raise PeerError(Breach.MESSAGE_TOO_LONG)
