"""Queries out, answers in, and the other way round: KRPC on one UDP socket (BEP 5).

Whoever can send a datagram can send anything under any address. What strangers try:

* answering in another's name: an answer counts only with the transaction ID, four random bytes, of
  a query that went to exactly its address and port (D3);
* a flood: `SourceBudget` and `cheap_check` judge a datagram before it is queued, the queue has a
  bound, and nothing is decoded, allocated or scheduled for what they refuse (D1, D9). What has
  the transaction ID of a query to its source is let through, so that our own queries go on;
* answers that come never, or late: each query has its own time; what comes after it still counts;
* queries that have us send more than they cost: the observer's answer is sent, or nothing.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, cast

from asyncio_dgram import TransportClosed

from dht.contact import Contact
from dht.counters import Counters, method_of
from dht.datagram_stream import GuardedStream, open_stream
from dht.krpc import (
    Body,
    ErrorReply,
    FindNode,
    GetPeers,
    KrpcError,
    Ping,
    Query,
    Response,
    cheap_check,
    encode_error,
    encode_query,
    parse,
)
from dht.latency import LatencyTable
from dht.lookup import PATIENCE
from dht.node_id import NodeId
from dht.source_budget import SourceBudget
from formats.endpoint import Endpoint
from formats.errors import EverswarmError, ProtocolError

TRANSACTION_SIZE = 4
"""Bytes: 32 bits, to be guessed within seconds (D3)."""

LATE_SECONDS = 10.0
"""After the query for which its answer is still accepted."""

MAX_TRANSACTIONS = 4_096
"""Queries whose answers are awaited; more are not sent (G5)."""

QUEUE_LENGTH = 256
"""Datagrams that wait to be decoded; strangers' beyond it are dropped, and answers to us beyond
twice as many (G5)."""

_OUR_TRANSACTION = b"1:t%d:" % TRANSACTION_SIZE
TIMER_ERROR = 0.001
"""Seconds by which event loops may call too early (uvloop rounds to them): who then sees that
nothing is due yet, and waits again, spins."""

_ANSWERED_BY_ALL = (Ping, FindNode, GetPeers)
"""Living nodes answer these. Many are silent when they do not know a method of a later BEP."""

_NOBODY = NodeId(bytes(20))

Outcome: TypeAlias = Response | ErrorReply | None
"""How a query ended; None: nobody answered in time."""

Listener: TypeAlias = Callable[[Outcome], None]
"""Called with None once the query is lost, and with the answer whenever that comes, even then."""


class NoAnswerError(EverswarmError):
    """A node did not answer in time."""


class RefusedError(ProtocolError):
    """A node answered with an error."""

    def __init__(self, source: Endpoint, reply: ErrorReply) -> None:
        super().__init__(f"{source} refused: {reply.code} {reply.message}")
        self.code = reply.code


class Observer(Protocol):
    """Who we are, and who learns from the traffic."""

    @property
    def identity(self) -> tuple[NodeId, bool]:
        """Our node ID, and whether we are read-only (BEP 43)."""

    def answer(self, query: Query, source: Endpoint, size: int, now: float) -> bytes | None:
        """The datagram that answers a query of `size` bytes."""

    def answered(
        self, contact: Contact, expected: NodeId | None, response: Response, rtt: float, now: float
    ) -> None:
        """A node answered after `rtt` seconds. `expected` is the ID it was asked under."""

    def unanswered(self, endpoint: Endpoint, node_id: NodeId | None, now: float) -> None:
        """A query is given up for lost. `node_id` is None if it went to nobody in particular."""

    def sent_to(self, endpoint: Endpoint, now: float) -> None:
        """A query goes out."""


class _Transaction:
    __slots__ = ("endpoint", "is_lost", "listener", "node_id", "sent_at", "tells", "timer")

    def __init__(
        self, endpoint: Endpoint, node_id: NodeId | None, listener: Listener, sent_at: float
    ) -> None:
        self.endpoint = endpoint
        self.node_id = node_id
        self.listener = listener
        self.sent_at = sent_at
        self.is_lost = False
        self.tells = True
        """Whether nodes that are alive would answer."""
        self.timer: asyncio.TimerHandle


class RpcSocket:
    """One UDP socket. `open` it, keep `run` running in a task, `close` it at the end."""

    def __init__(
        self,
        observer: Observer,
        *,
        budget: SourceBudget,
        latency: LatencyTable,
        counters: Counters,
        rng: random.Random,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._observer = observer
        self._budget = budget
        self._latency = latency
        self._counters = counters
        self._rng = rng
        self._transactions: dict[bytes, _Transaction] = {}
        self._stream: GuardedStream | None = None
        self._opened = asyncio.Event()
        self._is_closed = False

    async def open(self, host: str, port: int) -> None:
        """Bind a numeric address; port 0 is any free one. Raises OSError."""
        self._stream = await open_stream(host, port, self._admit)
        self._bound = self._stream.endpoint
        self._opened.set()

    @property
    def endpoint(self) -> Endpoint:
        """What the socket is bound to, or was until it was lost."""
        return self._bound

    @property
    def in_flight(self) -> int:
        """Queries that may still be answered."""
        return len(self._transactions)

    async def rebind(self) -> None:
        """Close the socket and open one with the same address and port. Raises OSError.

        Queries in flight stay, and their answers are welcome at the new socket.
        """
        if self._stream is not None:
            stream, self._stream = self._stream, None
            self._opened.clear()
            stream.close()
            await stream.wait_closed()
        await self.open(self._bound.host, self._bound.port)

    async def close(self) -> None:
        """Close the socket; whoever waits for an answer hears that there is none."""
        self._is_closed = True
        transactions = list(self._transactions.values())
        self._transactions.clear()
        for transaction in transactions:
            transaction.timer.cancel()
            if not transaction.is_lost:
                transaction.listener(None)
        if self._stream is not None:
            self._stream.close()
            await self._stream.wait_closed()
        self._opened.set()

    async def run(self) -> None:
        """Receive until the socket is closed, over all rebinding."""
        while not self._is_closed:
            await self._opened.wait()
            stream = self._stream
            if stream is None:
                continue
            try:
                while True:
                    data, source = await stream.recv()
                    self._received(data, cast(Endpoint, source))
            except TransportClosed:
                if stream is self._stream:
                    self._stream = None
                    self._opened.clear()

    async def query(
        self, endpoint: Endpoint, body: Body, *, node_id: NodeId | None = None
    ) -> Response:
        """Ask one node. Raises NoAnswerError, and RefusedError for an error it sends."""
        (outcome,) = await self.query_all([(endpoint, node_id, body)])
        if outcome is None:
            raise NoAnswerError(f"{endpoint} did not answer")
        if isinstance(outcome, ErrorReply):
            raise RefusedError(endpoint, outcome)
        return outcome

    async def query_all(
        self, questions: Sequence[tuple[Endpoint, NodeId | None, Body]]
    ) -> list[Outcome]:
        """Ask several nodes at once; returns when each answered or was given up for lost."""
        outcomes: dict[int, Outcome] = {}
        ended: asyncio.Future[None] = self._loop.create_future()

        def listener(position: int) -> Listener:
            def listen(outcome: Outcome) -> None:
                outcomes[position] = outcome
                if len(outcomes) == len(questions) and not ended.done():
                    ended.set_result(None)

            return listen

        for position, (endpoint, node_id, body) in enumerate(questions):
            await self.ask(endpoint, body, listener(position), node_id=node_id)
        if questions:
            await ended
        return [outcomes[position] for position in range(len(questions))]

    async def ask(
        self, endpoint: Endpoint, body: Body, listener: Listener, *, node_id: NodeId | None = None
    ) -> None:
        """Send a query and return at once; `listener` hears how it ends."""
        if self._is_closed or len(self._transactions) >= MAX_TRANSACTIONS:
            self._counters.drops["too many queries of ours"] += 1
            listener(None)
            return
        now = self._loop.time()
        transaction_id = self._new_id()
        own_id, read_only = self._observer.identity
        data = encode_query(Query(transaction_id, own_id, body, read_only))
        transaction = _Transaction(endpoint, node_id, listener, now)
        patience = self._latency.timeout(Contact(node_id or _NOBODY, endpoint)) * PATIENCE
        transaction.timer = self._loop.call_later(patience, self._lose, transaction_id)
        self._transactions[transaction_id] = transaction
        self._counters.queries_out[method_of(body)] += 1
        self._observer.sent_to(endpoint, now)
        was_sent = self._send(data, endpoint)
        transaction.tells = was_sent and isinstance(body, _ANSWERED_BY_ALL)

    def _new_id(self) -> bytes:
        while True:
            transaction_id = self._rng.randbytes(TRANSACTION_SIZE)
            if transaction_id not in self._transactions:
                return transaction_id

    def _lose(self, transaction_id: bytes) -> None:
        """The time for an answer is over; one that comes late will still be known."""
        transaction = self._transactions[transaction_id]
        transaction.is_lost = True
        self._counters.timeouts += 1
        forget_at = max(transaction.sent_at + LATE_SECONDS, self._loop.time())
        transaction.timer = self._loop.call_at(forget_at, self._forget, transaction_id)
        # what the system would not take, or the node may not know, says nothing about the node
        node_id = transaction.node_id if transaction.tells else None
        self._observer.unanswered(transaction.endpoint, node_id, self._loop.time())
        transaction.listener(None)

    def _forget(self, transaction_id: bytes) -> _Transaction:
        transaction = self._transactions.pop(transaction_id)
        transaction.timer.cancel()
        return transaction

    def _send(self, data: bytes, endpoint: Endpoint) -> bool:
        """Whether the system took it. Waits for nothing."""
        if self._stream is None or not self._stream.send_now(data, endpoint):
            self._counters.send_failures += 1
            return False
        self._counters.bytes_out += len(data)
        return True

    def _admit(self, data: bytes, source: Endpoint, waiting: int) -> bool:
        """Judge a datagram before it is queued (D1, D9)."""
        drops = self._counters.drops
        if self._is_awaited(data, source):
            if waiting >= 2 * QUEUE_LENGTH:
                drops["queue full"] += 1
                return False
        else:
            drop = self._budget.admit(source, self._loop.time())
            if drop is not None:
                drops[drop.value] += 1
                return False
            if waiting >= QUEUE_LENGTH:
                drops["queue full"] += 1
                return False
        if not cheap_check(data):
            drops["not KRPC"] += 1
            return False
        return True

    def _is_awaited(self, data: bytes, source: Endpoint) -> bool:
        """Whether this looks like the answer to a query of ours, told without decoding it."""
        at = data.rfind(_OUR_TRANSACTION) + len(_OUR_TRANSACTION)
        transaction = self._transactions.get(data[at : at + TRANSACTION_SIZE])
        return transaction is not None and transaction.endpoint == source

    def _received(self, data: bytes, source: Endpoint) -> None:
        self._counters.bytes_in += len(data)
        try:
            message = parse(data)
        except KrpcError as error:
            self._counters.drops["malformed"] += 1
            if error.reply is not None and not self._observer.identity[1]:
                self._reply(encode_error(error.reply, len(data)), source)
            return
        if isinstance(message, Query):
            self._counters.queries_in[method_of(message.body)] += 1
            reply = self._observer.answer(message, source, len(data), self._loop.time())
            if reply:
                self._reply(reply, source)
        else:
            self._ended(message, source)

    def _reply(self, data: bytes, source: Endpoint) -> None:
        self._budget.spend(len(data))
        if data and self._send(data, source):
            self._counters.replies += 1

    def _ended(self, message: Response | ErrorReply, source: Endpoint) -> None:
        """An answer: it must be to a query of ours that went to exactly this source (D3)."""
        transaction = self._transactions.get(message.transaction)
        if transaction is None or transaction.endpoint != source:
            self._counters.drops["unknown transaction"] += 1
            return
        own_id = self._observer.identity[0]
        if isinstance(message, Response) and message.sender == own_id:
            self._counters.drops["our own ID"] += 1
            return
        self._forget(message.transaction)
        now = self._loop.time()
        self._counters.late += transaction.is_lost
        self._budget.verified(source, now)
        if isinstance(message, Response):
            self._counters.responses += 1
            rtt = now - transaction.sent_at
            self._latency.answered(source, rtt)
            contact = Contact(message.sender, source)
            self._observer.answered(contact, transaction.node_id, message, rtt, now)
        else:
            self._counters.refusals += 1
        transaction.listener(message)
