"""One direction of a TCP connection, from `write` on one side to `read` on the other.

    unsent -> up-link -> flight -> down-link -> delivered to the receiver

* The sender's kernel and program share `unsent`; `pipe.SEND_BUFFER` bytes of it count as the
  kernel's, the rest as the transport's write buffer.
* At most RECEIVE_WINDOW bytes are on the way or unread: a receiver that does not read blocks the
  sender. Bytes read open the window at once for a sender that has room, and one delay later for a
  sender that was blocked; a blocked stream so runs at RECEIVE_WINDOW per round trip at most.
* One segment of a stream is on a link at a time: streams share a line in turns (`link.QUANTUM`).
* Segments keep their order: one that is delayed delays all behind it. A lost one is late by
  retransmission timeouts. On a cut way segments wait; when it heals they arrive after one delay;
  when it does not within GIVE_UP seconds, the sender sees TimeoutError.
* END (FIN) waits its turn behind the bytes. RESET (RST) throws away what is unsent, follows what
  is in flight, and does not wait for a cut to heal.
"""

import enum
import errno
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Protocol, TypeAlias

from simulation.link import segment_size
from simulation.trace import Flow, Kind

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.network import Network

SEND_BUFFER = 262_144
"""Bytes the sender's kernel takes before `write` piles up in the program (Linux: up to 4 MiB)."""

RECEIVE_WINDOW = 1_048_576
"""Bytes on the way or unread (Linux tunes itself to 6 MiB at most): 10 MB/s at 100 ms."""

GIVE_UP = 924.6
"""Seconds after which unacknowledged bytes end a connection: Linux's 15 retransmissions."""


class Mark(enum.Enum):
    """What travels besides bytes."""

    OPEN = Kind.OPEN
    END = Kind.END
    RESET = Kind.RESET


Item: TypeAlias = bytes | Mark


class Sender(Protocol):
    """The near end. Called in the sender's context."""

    def bytes_left(self) -> None:
        """Unsent bytes became fewer."""

    def gave_up(self, error: OSError) -> None:
        """The other side has not been reached for GIVE_UP seconds."""


class Receiver(Protocol):
    """The far end. Called in the receiver's context."""

    def arrived(self, item: Item) -> None: ...


class Pipe:
    """`context` is the receiver's; the sender's comes with `attach`."""

    __slots__ = (
        "_context",
        "_dead",
        "_done",
        "_down_queue",
        "_flight",
        "_last_arrival",
        "_leaves_at",
        "_network",
        "_receiver",
        "_sender",
        "_sender_context",
        "_stall",
        "_stalls",
        "_unsent",
        "_wake_pending",
        "_window",
        "ended",
        "flow",
        "received",
        "sent",
        "source",
        "target",
        "unsent_size",
    )

    def __init__(
        self, network: "Network", source: "Host", target: "Host", *, ports: tuple[int, int]
    ) -> None:
        self.source = source
        self.target = target
        self.flow = Flow(source.number, ports[0], target.number, ports[1])
        self.unsent_size = 0  # bytes written and not yet on the up-link
        self.sent = self.received = 0  # bytes written by the sender, read by the receiver
        self.ended = False  # END or RESET was asked for: no byte is taken any more
        self._network = network
        self._sender: Sender | None = None
        self._receiver: Receiver | None = None
        self._context = self._sender_context = network.context
        self._unsent: deque[bytes | memoryview] = deque()
        self._window = RECEIVE_WINDOW
        self._leaves_at = 0.0  # when the last segment has left the up-link
        self._last_arrival = 0.0
        self._flight: deque[Item] = deque()
        self._down_queue: deque[Item] = deque()
        self._stall = 0  # arrivals that found the way cut
        self._stalls = 0  # how often that began: tells one GIVE_UP timer from the next
        self._wake_pending = False
        self._done = False  # the END is on its way
        self._dead = False  # nothing more will be sent

    def attach_sender(self, sender: Sender, context: Context) -> None:
        self._sender, self._sender_context = sender, context

    def attach_receiver(self, receiver: Receiver, context: Context) -> None:
        self._receiver, self._context = receiver, context

    # The sender's side

    def open(self) -> None:
        """The ACK that completes the handshake: before any byte."""
        self._launch(Mark.OPEN)

    def write(self, data: bytes) -> None:
        self.sent += len(data)
        self.unsent_size += len(data)
        self._unsent.append(data)
        self.pump()

    def end(self) -> None:
        if not self.ended:
            self.ended = True
            self.pump()

    def reset(self) -> None:
        """RST. On a cut way it is lost, and with it all that would have been sent again."""
        if self._dead:
            return
        self.discard()
        if self._stall:
            self._flight.clear()
        else:
            self._launch(Mark.RESET)

    def discard(self) -> None:
        """Nothing more will be sent, not even a RESET."""
        self.ended = self._done = self._dead = True
        self._unsent.clear()
        self.unsent_size = 0

    def pump(self) -> None:
        """Sends what link and window allow; comes back when they allow more."""
        self._wake_pending = False
        if self._done or self.source.frozen:
            return
        before = self.unsent_size
        now = self._network.scheduler.time()
        while self._unsent and self._window > 0:
            if self._leaves_at > now:
                self._wake_at(self._leaves_at)
                break
            segment = self._next_segment()
            self.unsent_size -= len(segment)
            self._window -= len(segment)
            self._launch(segment)
        if self.ended and not self._unsent:
            self._done = True
            self._launch(Mark.END)
        if self.unsent_size < before and self._sender is not None:
            self._sender.bytes_left()

    def _wake_at(self, when: float) -> None:
        if not self._wake_pending:
            self._wake_pending = True
            self._network.scheduler.deliver_at(when, self.pump, context=self._sender_context)

    def _next_segment(self) -> bytes:
        limit = min(self._window, segment_size(min(self.source.up.rate, self.target.down.rate)))
        first = self._unsent.popleft()
        if len(first) > limit:
            view = memoryview(first)  # a slice of it copies nothing
            self._unsent.appendleft(view[limit:])
            return bytes(view[:limit])
        if not self._unsent:
            return bytes(first)
        parts = [first]
        room = limit - len(first)
        while self._unsent and len(self._unsent[0]) <= room:
            room -= len(self._unsent[0])
            parts.append(self._unsent.popleft())
        return b"".join(parts)

    def _launch(self, item: Item) -> None:
        network, source, target = self._network, self.source, self.target
        data, kind = (item, Kind.DATA) if isinstance(item, bytes) else (b"", item.value)
        now = network.scheduler.time()
        self._leaves_at = now if source is target else source.up.send_segment(now, len(data))
        arrival = self._leaves_at + network.segment_delay(source, target)
        self._last_arrival = max(arrival, self._last_arrival)
        self._flight.append(item)
        network.trace.record(now, self._last_arrival, kind, self.flow, data)
        network.scheduler.deliver_at(self._last_arrival, self._arrive, context=self._context)

    # On the way

    def _arrive(self) -> None:
        """The first segment in flight has come to the down-link, if it still flies."""
        if not self._flight:
            return
        network, target = self._network, self.target
        if self._stall or not network.is_open(self.source, target):
            self._wait_for_way()
            return
        item = self._flight.popleft()
        if (target.down.rate == float("inf") or self.source is target) and not self._down_queue:
            self._deliver(item)
            return
        self._down_queue.append(item)
        if len(self._down_queue) == 1:
            self._enter_down_link(item)

    def _enter_down_link(self, item: Item) -> None:
        scheduler = self._network.scheduler
        size = len(item) if isinstance(item, bytes) else 0
        through = self.target.down.send_segment(scheduler.time(), size)
        scheduler.deliver_at(through, self._leave_down_link, context=self._context)

    def _leave_down_link(self) -> None:
        self._deliver(self._down_queue.popleft())
        if self._down_queue:
            self._enter_down_link(self._down_queue[0])

    def _wait_for_way(self) -> None:
        if self._flight[-1] is Mark.RESET:
            self._flight.clear()
            return
        if self._stall == 0:
            self._stalls += 1
            network = self._network
            network.stall(self)
            give_up_at = network.scheduler.time() + GIVE_UP
            network.scheduler.deliver_at(
                give_up_at, self._give_up, self._stalls, context=self._sender_context
            )
        self._stall += 1

    def retry(self) -> None:
        """The way may be open again: what waited arrives one delay from now."""
        network = self._network
        if not network.is_open(self.source, self.target):
            network.stall(self)
            return
        arrival = network.scheduler.time() + network.segment_delay(self.source, self.target)
        self._last_arrival = max(arrival, self._last_arrival)
        waiting, self._stall = self._stall, 0
        self._stalls += 1
        for _ in range(waiting):
            network.scheduler.deliver_at(arrival, self._arrive, context=self._context)

    def _give_up(self, stall: int) -> None:
        if self._stall and stall == self._stalls and self._flight:
            self._flight.clear()
            self.discard()
            if self._sender is not None:
                self._sender.gave_up(TimeoutError(errno.ETIMEDOUT, "Connection timed out"))

    # The receiver's side

    def _deliver(self, item: Item) -> None:
        if self.target.frozen:
            self.target.hold(self._context, self._deliver, item)
        elif self._receiver is not None:
            self._receiver.arrived(item)

    def consumed(self, size: int) -> None:
        """The receiver has read: the window opens, a blocked sender hears of it one delay on."""
        self.received += size
        self._window += size
        if self._unsent:
            network = self._network
            delay = network.delay(self.target, self.source)
            self._wake_at(network.scheduler.time() + delay)
