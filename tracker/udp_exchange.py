"""Requests to UDP trackers and their replies, of one address family on one socket (BEP 15).

Anybody can send us a datagram under any address. What is tried, and the answer:

* replying in a tracker's name: a reply counts only from exactly the address and port that were
  asked, with the 32 random bits of the transaction ID and the action that is awaited, or as an
  error; everything else is counted and forgotten, and we go on waiting (C8);
* replaying an old connect: its transaction is over (C8);
* silence: 15·2ⁿ seconds for the n-th unanswered packet, and four of them are enough (C8);
* a flood: nothing is stored of what nobody waits for (G5).
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from formats.endpoint import Endpoint
from tracker.datagram_socket import DatagramSocket, open_socket
from tracker.errors import TrackerError, TrackerFailure
from tracker.udp_message import (
    Action,
    UdpMessageError,
    connect_request,
    parse_connection_id,
    parse_error,
    parse_reply_head,
)

CONNECTION_SECONDS = 60.0
"""For which a connection ID may be used after it came (BEP 15)."""
KEPT_CONNECTIONS = 1_000
"""Connection IDs remembered; more trackers than that are asked for theirs more often."""

Write: TypeAlias = Callable[[int, int], bytes]
"""Makes a request from a connection ID and a transaction ID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpLimits:
    """How long we try. Times are seconds."""

    first_wait: float = 15.0
    """For a reply; doubled after each packet that got none (BEP 15)."""
    tries: int = 4
    """Packets without a reply, connects included: 225 seconds in all (C8)."""
    resolve_timeout: float = 10.0
    """For a tracker's name."""
    family_patience: float = 1.0
    """Given to the other address family once one has answered."""


class _Connection(NamedTuple):
    number: int
    expires_at: float


class _Waiter(NamedTuple):
    action: Action
    reply: asyncio.Future[tuple[Action, bytes]]


class UdpExchange:
    """Asks trackers of one family; its socket opens with the first request."""

    def __init__(self, host: str, *, limits: UdpLimits, rng: random.Random) -> None:
        """`host` is the address to send from, or the unspecified one."""
        self.rejected: Counter[str] = Counter()
        self._host = host
        self._limits = limits
        self._rng = rng
        self._socket: DatagramSocket | None = None
        self._opening = asyncio.Lock()
        self._is_closed = False
        self._waiting: dict[tuple[Endpoint, int], _Waiter] = {}
        self._connections: dict[Endpoint, _Connection] = {}

    async def ask(self, tracker: Endpoint, action: Action, write: Write) -> bytes:
        """The reply to a request, connecting first if need be.

        Raises TrackerFailure for the tracker's own error, TrackerError if there is no answer.
        """
        transaction = self._rng.getrandbits(32)
        silences, is_new = 0, False
        while silences < self._limits.tries:
            wait = self._limits.first_wait * 2**silences
            connection = self._connection_to(tracker)
            if connection is None:
                packet = connect_request(transaction)
                reply = await self._send(tracker, Action.CONNECT, transaction, packet, wait=wait)
                if reply is None:
                    silences += 1
                else:
                    self._remember(tracker, parse_connection_id(reply))
                    is_new = True
                continue
            packet = write(connection, transaction)
            try:
                reply = await self._send(tracker, action, transaction, packet, wait=wait)
            except TrackerFailure:
                if is_new:
                    raise
                reply = None  # perhaps it has forgotten our connection
            else:
                silences += reply is None
            if reply is not None:
                return reply
            if not is_new:
                self._connections.pop(tracker, None)
        raise TrackerError("timed out")

    async def close(self) -> None:
        """Close the socket; whoever still waits hears nothing any more."""
        self._is_closed = True
        async with self._opening:
            if self._socket is not None:
                self._socket.close()
                await self._socket.wait_closed()

    async def _send(
        self, tracker: Endpoint, action: Action, transaction: int, packet: bytes, *, wait: float
    ) -> bytes | None:
        """Send once; the reply, or None if there was none within `wait` seconds."""
        socket = await self._open()
        waiter = _Waiter(action, asyncio.get_running_loop().create_future())
        self._waiting[tracker, transaction] = waiter
        try:
            if not socket.send_now(packet, tracker):
                raise TrackerError("no route to the tracker")
            async with asyncio.timeout(wait):
                answered, reply = await waiter.reply
        except TimeoutError:
            return None
        finally:
            del self._waiting[tracker, transaction]
        if answered is Action.ERROR:
            raise parse_error(reply)
        return reply

    async def _open(self) -> DatagramSocket:
        async with self._opening:
            if self._is_closed:
                raise TrackerError("we are leaving")
            if self._socket is None:
                try:
                    self._socket = await open_socket(self._host, 0, self._received)
                except OSError:
                    raise TrackerError("no route to the tracker") from None
            return self._socket

    def _received(self, data: bytes, source: tuple[Any, ...]) -> None:
        try:
            action, transaction = parse_reply_head(data)
        except UdpMessageError as error:
            self.rejected[str(error)] += 1
            return
        waiter = self._waiting.get((Endpoint(source[0], source[1]), transaction))
        if waiter is None or waiter.reply.done():
            self.rejected["a reply that nobody waits for"] += 1
        elif action not in (waiter.action, Action.ERROR):
            self.rejected["a reply with another action"] += 1
        else:
            waiter.reply.set_result((action, data))

    def _connection_to(self, tracker: Endpoint) -> int | None:
        connection = self._connections.get(tracker)
        if connection is None or asyncio.get_running_loop().time() >= connection.expires_at:
            return None
        return connection.number

    def _remember(self, tracker: Endpoint, number: int) -> None:
        now = asyncio.get_running_loop().time()
        self._connections.pop(tracker, None)  # so that the oldest stand first
        self._connections[tracker] = _Connection(number, now + CONNECTION_SECONDS)
        if len(self._connections) > KEPT_CONNECTIONS:
            del self._connections[next(iter(self._connections))]
