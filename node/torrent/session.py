"""One connected peer of a swarm: what it has, what we owe it, what it owes us.

Threats: everything a peer may say has passed `node.peer` (well formed, legal, in range). What is
left is what only the torrent can judge: requests for pieces we do not have or did not show
(rejected), a queue without end (bounded), promises that are not kept (snubbed, its blocks go to
others), lies about pieces (availability only orders the choice), corrupt blocks (`smart_ban`).
"""

import asyncio
from typing import TYPE_CHECKING, assert_never

from formats.endpoint import Endpoint
from formats.errors import StorageError
from formats.identifiers import PeerId, client_name
from node.peer import extension
from node.peer.connection import PeerConnection
from node.peer.events import (
    DontHave,
    Event,
    ExtensionHandshakeReceived,
    ExtensionMessage,
    HandshakeReceived,
    RequestsDropped,
    Unrequested,
)
from node.peer.extension import ExtensionHandshake
from node.peer.messages import (
    AllowedFast,
    Bitfield,
    Block,
    Cancel,
    Choke,
    Have,
    HaveAll,
    HaveNone,
    Interested,
    NotInterested,
    Port,
    Reject,
    Request,
    Suggest,
    Unchoke,
)
from node.torrent import bitfield
from node.torrent.metadata_serving import MetadataServing
from node.torrent.partial_piece import Request as RequestKey
from node.torrent.rates import Rate
from node.torrent.request_pipeline import RequestPipeline
from node.torrent.token_bucket import take_all, wait_all
from node.torrent.upload_queue import UploadQueue, read_burst

if TYPE_CHECKING:
    from node.torrent.torrent import Torrent

REFILL_SHARE = 4
"""The pipeline is refilled when a quarter of it has drained: requests go out, and are served, in
runs rather than one by one."""

BURST_BYTES = 1 << 20
"""Payload read and written together at most."""

SEND_AHEAD_SECONDS = 1.0
"""Of upload that may wait in the connection: what was sent ahead can be neither cancelled nor
choked away."""

FIRST_SEND_AHEAD = 1 << 20
"""Bytes that may wait before the rate is known."""

SHORTEST_WAIT = 0.01
"""Seconds; a limit is looked at again no sooner, so that bursts stay worth a system call."""


class PeerSession:
    """The torrent's side of one connection; it is the connection's owner (`PeerOwner`)."""

    __slots__ = (
        "_allowance",
        "_allowed",
        "_metadata",
        "_resume",
        "_serving",
        "client",
        "connection",
        "down",
        "endpoint",
        "listens",
        "peer_id",
        "pipeline",
        "queue",
        "source",
        "torrent",
        "up",
        "upload_only",
        "wants_nothing_since",
    )

    def __init__(
        self,
        torrent: "Torrent",
        connection: PeerConnection,
        *,
        peer_id: PeerId,
        source: str,
        now: float,
    ) -> None:
        self.torrent = torrent
        self.peer_id = peer_id
        self.connection = connection
        self.endpoint: Endpoint = connection.remote
        """The address to reach the peer at: its listening port once that is known."""
        self.listens = connection.is_outgoing
        """Whether `endpoint` is where the peer takes connections, as far as is known."""
        self.source = source
        """The kind of source that first named this address."""
        connection.set_write_limit(FIRST_SEND_AHEAD)
        self.client = client_name(peer_id)
        self.pipeline = RequestPipeline(now)
        self.queue = UploadQueue()
        self.down = Rate(now)
        self.up = Rate(now)
        self.upload_only = False
        """The peer says it wants nothing more (BEP 21)."""
        self.wants_nothing_since = now
        """When the peer was last seen, by `Disclosure`, to want something of ours."""
        self._allowed = 0
        """Pieces we may ask for while choked (BEP 6)."""
        self._metadata = MetadataServing(torrent.metainfo.info_bytes, now)
        self._allowance: asyncio.TimerHandle | None = None
        """Set while the upload limit makes us wait."""
        self._serving: asyncio.Task[None] | None = None
        self._resume: asyncio.TimerHandle | None = None

    # Events

    def on_events(self, connection: PeerConnection, events: list[Event]) -> None:
        """One batch of the peer's messages, blocks and requests first because they are many."""
        torrent = self.torrent
        now = torrent.now()
        received = 0
        asked = False
        for event in events:
            match event:
                case Block(index, begin, data):
                    received += len(data)
                    outcome = torrent.picker.block_received(self, index, begin, data, now)
                    if outcome is not None:
                        torrent.on_block_outcome(self, event, outcome)
                case Request(index, begin, length):
                    asked = True
                    self._on_request(index, begin, length)
                case _:
                    self._on_other(event, now)
            if connection.close_reason is not None:
                return
        if received:
            self._account(received, now)
        if asked:
            self.serve()
        self.refill(now)

    def _on_other(self, event: Event, now: float) -> None:
        torrent = self.torrent
        match event:
            case Have(index):
                self._gained(1 << index)
            case Bitfield(data):
                self._gained(bitfield.from_wire(data, torrent.picker.piece_count))
            case HaveAll():
                self._gained(bitfield.all_pieces(torrent.picker.piece_count))
            case Unchoke():
                torrent.picker.peer_unchoked(self)
                self.pipeline.restart(now)
            case Choke():
                pass  # without the fast extension RequestsDropped follows, with it rejects do
            case RequestsDropped():
                torrent.picker.peer_choked(self)
            case Reject(index, begin, _):
                torrent.picker.request_rejected(self, index, begin)
            case Interested():
                torrent.upload_slots.interested(self, now)
            case NotInterested():
                torrent.upload_slots.not_interested(self, now)
            case Cancel(index, begin, length):
                if self.queue.cancel((index, begin, length)):
                    self.connection.protocol.reject(index, begin, length)
            case AllowedFast(index):
                self._allowed |= 1 << index
            case Unrequested(_, _, length):
                torrent.wasted += length
            case ExtensionHandshakeReceived(handshake):
                self._introduced(handshake)
            case Port(port):
                torrent.discovery.dht_port(self.connection.remote, port)
            case DontHave(index):
                torrent.picker.peer_lost(self, index)
                self.update_interest()
            case ExtensionMessage(extension.UT_METADATA, payload):
                limits = torrent.upload_limits
                self._metadata.received(self.connection, payload, now, limits=limits)
            case ExtensionMessage(extension.UT_PEX, payload):
                torrent.gossip.received(self, payload, now)
            case HaveNone() | Suggest():
                pass
            case HandshakeReceived() | Block() | Request() | ExtensionMessage():
                raise AssertionError(f"handled elsewhere or never offered: {event}")
            case _:
                assert_never(event)

    def on_writable(self, connection: PeerConnection) -> None:
        """The send buffer has room again."""
        self.serve()

    def on_closed(self, connection: PeerConnection, reason: str) -> None:
        """The connection is gone."""
        if self._resume is not None:
            self._resume.cancel()
        if self._allowance is not None:
            self._allowance.cancel()
        self.queue.clear()
        self.torrent.members.left(self)

    def _introduced(self, handshake: ExtensionHandshake) -> None:
        self.client = handshake.client or self.client
        self.upload_only = handshake.upload_only
        self.pipeline.set_peer_queue(handshake.request_queue)
        if handshake.listen_port and not self.connection.is_outgoing:
            self.endpoint = Endpoint(self.endpoint.host, handshake.listen_port)
            self.listens = True
            self.torrent.members.learned_address(self)
        self.torrent.members.consider_dropping(self)

    # What it has, what we want

    def _gained(self, bits: int) -> None:
        self.torrent.picker.peer_has(self, bits)
        self.update_interest()
        self.torrent.members.gained(self)

    def update_interest(self) -> None:
        """Tell the peer whether we want something it has."""
        protocol = self.connection.protocol
        if self.torrent.may_download and self.torrent.picker.is_interesting(self):
            protocol.interested()
        else:
            protocol.not_interested()

    def refill(self, now: float) -> None:
        """Ask for blocks until the pipeline is full."""
        protocol = self.connection.protocol
        if not protocol.am_interested or not self.torrent.may_download:
            return
        depth = self.pipeline.depth
        room = depth - len(protocol.requested)
        if room * REFILL_SHARE < depth:
            return
        allowed = self._allowed if protocol.peer_choking else None
        if allowed == 0:
            return
        requests = self.torrent.picker.next_requests(
            self, room, now, rate=self.down.rate(now), allowed=allowed
        )
        if requests:
            protocol.request(requests)
            self.connection.request_flush()

    def _account(self, received: int, now: float) -> None:
        """Count payload bytes, and pause reading while they are over the limit."""
        self.down.add(received, now)
        self.pipeline.received(received, now)
        self.torrent.received(self, received, now)
        wait = 0.0
        for bucket in self.torrent.download_limits:
            bucket.spend(received, now)
            wait = max(wait, bucket.wait(1, now))
        if wait > 0 and self._resume is None:
            self.connection.pause_reading()
            self._resume_in(wait)

    def _resume_reading(self) -> None:
        self._resume = None
        now = self.torrent.now()
        wait = max((bucket.wait(1, now) for bucket in self.torrent.download_limits), default=0.0)
        if wait > 0:
            self._resume_in(wait)
        else:
            self.connection.resume_reading()

    def _resume_in(self, wait: float) -> None:
        delay = max(wait, SHORTEST_WAIT)
        self._resume = self.torrent.loop.call_later(delay, self._resume_reading)

    def tick(self, now: float) -> None:
        """About once a second: deadlines, and what a slow peer keeps from others."""
        self.connection.set_write_limit(int(self.up.rate(now) * SEND_AHEAD_SECONDS))
        self.connection.tick(now)
        if self.connection.close_reason is not None:
            return
        protocol = self.connection.protocol
        if self.pipeline.check_snub(len(protocol.requested), now):
            self.torrent.picker.peer_choked(self)
        self.refill(now)
        self.serve()

    # What it asked for

    def _on_request(self, index: int, begin: int, length: int) -> None:
        if not self.torrent.disclosure.may_ask(self, index) or not self.queue.add(
            (index, begin, length)
        ):
            self.connection.protocol.reject(index, begin, length)

    def choke(self) -> None:
        """Answer nothing more; what is queued is rejected (BEP 6) or forgotten (BEP 3)."""
        protocol = self.connection.protocol
        protocol.choke()
        for request in self.queue.clear():
            if protocol.is_allowed_fast(request[0]):
                self.queue.add(request)
            else:
                protocol.reject(*request)
        self.connection.request_flush()

    def piece_lost(self, index: int) -> None:
        """We do not have a piece any more: tell the peer, if it understands, and refuse what it
        asked for (BEP 54)."""
        protocol = self.connection.protocol
        protocol.send_extension(extension.LT_DONTHAVE, index.to_bytes(4, "big"))
        for request in self.queue.clear():
            if request[0] == index:
                protocol.reject(*request)
            else:
                self.queue.add(request)
        self.connection.request_flush()

    def unchoke(self) -> None:
        """Answer requests from now on."""
        self.connection.protocol.unchoke()
        self.torrent.disclosure.turn_began(self)
        self.connection.request_flush()

    def serve(self) -> None:
        """Start sending what is queued, unless that is under way already."""
        if (
            self._serving is None
            and self._allowance is None
            and len(self.queue)
            and self.connection.write_room > 0
            and self.connection.close_reason is None
        ):
            self._serving = self.torrent.start(self._serve())

    def _allowance_came(self) -> None:
        self._allowance = None
        self.serve()

    async def _serve(self) -> None:
        """Send bursts while there are requests, room and allowance."""
        torrent = self.torrent
        try:
            while len(self.queue) and self.connection.write_room > 0:
                now = torrent.now()
                room = max(self.connection.write_room, self.queue.next_length)
                wish = min(len(self.queue) * self.queue.next_length, BURST_BYTES, room)
                allowance = take_all(torrent.upload_limits, wish, now)
                burst = self.queue.take(allowance)
                size = sum(length for _, _, length in burst)
                for bucket in torrent.upload_limits:
                    bucket.spend(size - allowance, now)  # what was not needed goes back
                if not burst:
                    wait = wait_all(torrent.upload_limits, self.queue.next_length, now)
                    self._allowance = torrent.loop.call_later(
                        max(wait, SHORTEST_WAIT), self._allowance_came
                    )
                    return
                await self._send(burst, size)
        finally:
            self._serving = None

    async def _send(self, burst: list[RequestKey], size: int) -> None:
        torrent = self.torrent
        try:
            buffer = await read_burst(burst, torrent.picker.piece_length, torrent.piece_store.read)
        except StorageError as error:
            for request in burst:
                self.connection.protocol.reject(*request)
            torrent.piece_store.read_failed(error)
            return
        if self.connection.close_reason is not None:
            return
        self.connection.write_blocks(buffer, size)
        now = torrent.now()
        self.up.add(size, now)
        torrent.up.add(size, now)
