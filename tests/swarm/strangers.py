"""Peers that break the unwritten rules: small programs on raw bytes, each with one bad habit."""

import asyncio
import struct
from typing import TYPE_CHECKING

from formats.endpoint import Endpoint
from formats.identifiers import PeerId
from node.peer.handshake import HANDSHAKE_SIZE, Handshake
from node.peer.messages import BLOCK_SIZE, MessageId, encode_index, encode_plain, encode_request
from simulation import Host
from tracker.announce import AnnounceRequest

if TYPE_CHECKING:
    from tests.swarm.world import World

PORT = 6881
REDIAL_SECONDS = 5.0
"""A stranger that was sent away comes back after this."""


class Conversation(asyncio.Protocol):
    """One connection of a stranger: introduces itself, then does what its habit says."""

    def __init__(self, stranger: "Stranger") -> None:
        self.stranger = stranger
        self.buffer = bytearray()
        self.is_introduced = False
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.is_open = True
        self.opened_at = asyncio.get_running_loop().time()
        self.stranger.conversations.append(self)
        self.stranger.greet(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.is_introduced:
            if len(self.buffer) < HANDSHAKE_SIZE:
                return
            self.is_introduced = True
            del self.buffer[:HANDSHAKE_SIZE]
        while len(self.buffer) >= 4:
            (length,) = struct.unpack_from(">I", self.buffer)
            if len(self.buffer) < 4 + length:
                return
            if length:
                self.stranger.heard(self, self.buffer[4], bytes(self.buffer[5 : 4 + length]))
            del self.buffer[: 4 + length]

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self.closed_at = asyncio.get_running_loop().time()

    def say(self, *messages: bytes) -> None:
        if self.is_open:
            self.transport.write(b"".join(messages))


class Stranger:
    """Listens, is known to the tracker, and dials everybody again and again.

    This one claims to have everything, lets everybody ask, and never sends a byte of it (P12).
    """

    unchokes = True

    def __init__(self, world: "World", host: Host) -> None:
        self.world = world
        self.host = host
        self.conversations: list[Conversation] = []
        self.peer_id = PeerId(b"-XX0001-" + host.rng.randbytes(12))
        self.piece_count = world.content.metainfo.piece_count

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.host.address, PORT)

    # The habit

    def greet(self, conversation: Conversation) -> None:
        conversation.say(self.handshake(), encode_plain(MessageId.HAVE_ALL))
        if self.unchokes:
            conversation.say(encode_plain(MessageId.UNCHOKE))

    def heard(self, conversation: Conversation, kind: int, payload: bytes) -> None:
        """Nothing makes an impression."""

    async def misbehave(self) -> None:
        """Runs beside the conversations."""

    # The rest

    def handshake(self) -> bytes:
        return Handshake(self.world.content.metainfo.info_hash, self.peer_id).encode()

    def every_request(self) -> bytes:
        """Requests for all blocks of the torrent."""
        metainfo = self.world.content.metainfo
        return b"".join(
            encode_request(MessageId.REQUEST, index, begin, BLOCK_SIZE)
            for index in range(self.piece_count)
            for begin in range(0, metainfo.piece_size(index), BLOCK_SIZE)
        )

    async def live(self) -> None:
        loop = asyncio.get_running_loop()
        for tracker in self.world.trackers.values():
            request = AnnounceRequest(
                info_hash=self.world.content.metainfo.info_hash,
                peer_id=self.peer_id,
                port=PORT,
                left=1,
            )
            ip = bytes(map(int, self.host.address.split(".")))
            tracker.swarms.announce(request, ip, now=loop.time())
        server = await loop.create_server(lambda: Conversation(self), self.host.address, PORT)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.misbehave())
                while True:
                    await self._dial_everybody()
                    await asyncio.sleep(REDIAL_SECONDS)
        finally:
            server.close()
            for conversation in self.conversations:
                conversation.transport.abort()

    async def _dial_everybody(self) -> None:
        loop = asyncio.get_running_loop()
        talking = {
            conversation.transport.get_extra_info("peername")[0]
            for conversation in self.conversations
            if conversation.is_open
        }
        for member in self.world.members:
            if member.is_alive and member.host.address not in talking:
                try:
                    await loop.create_connection(
                        lambda: Conversation(self), member.host.address, PORT
                    )
                except OSError:
                    pass


class NeverUnchokes(Stranger):
    """Claims everything and lets nobody ask (P10)."""

    unchokes = False


class Flapper(Stranger):
    """Chokes and unchokes three times a second, and sends nothing (P10)."""

    async def misbehave(self) -> None:
        while True:
            for kind in (MessageId.CHOKE, MessageId.UNCHOKE):
                await asyncio.sleep(0.15)
                for conversation in self.conversations:
                    conversation.say(encode_plain(kind))


class Rejecter(Stranger):
    """Claims everything and rejects every request (P10)."""

    def heard(self, conversation: Conversation, kind: int, payload: bytes) -> None:
        if kind == MessageId.REQUEST:
            conversation.say(encode_request(MessageId.REJECT, *struct.unpack(">III", payload)))


class Flooder(Stranger):
    """Asks for everything, over and over (P7)."""

    def greet(self, conversation: Conversation) -> None:
        conversation.say(
            self.handshake(), encode_plain(MessageId.HAVE_NONE), encode_plain(MessageId.INTERESTED)
        )

    async def misbehave(self) -> None:
        requests = self.every_request()
        while True:
            await asyncio.sleep(0.5)
            for conversation in self.conversations:
                if conversation.is_introduced:
                    conversation.say(requests)


class NeverReads(Stranger):
    """Asks for everything once it may, and reads no more from then on (P9)."""

    def greet(self, conversation: Conversation) -> None:
        conversation.say(
            self.handshake(), encode_plain(MessageId.HAVE_NONE), encode_plain(MessageId.INTERESTED)
        )

    def heard(self, conversation: Conversation, kind: int, payload: bytes) -> None:
        if kind == MessageId.UNCHOKE and conversation.transport.is_reading():
            conversation.transport.pause_reading()
            asyncio.get_running_loop().call_later(2.0, conversation.say, self.every_request())


class Garbage(Stranger):
    """Half of its connections begin with noise, in the others noise follows the handshake."""

    def greet(self, conversation: Conversation) -> None:
        if self.host.rng.randrange(2):
            conversation.say(self.handshake())
        conversation.say(self.host.rng.randbytes(10_000))

    async def misbehave(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for conversation in self.conversations:
                conversation.say(self.host.rng.randbytes(1_000))


class Boaster(Stranger):
    """Says `have` for pieces of the rarest sort, to lead rarest-first astray, and chokes (P12)."""

    def greet(self, conversation: Conversation) -> None:
        conversation.say(self.handshake(), encode_plain(MessageId.HAVE_NONE))

    async def misbehave(self) -> None:
        for index in range(self.piece_count):
            await asyncio.sleep(0.05)
            for conversation in self.conversations:
                conversation.say(encode_index(MessageId.HAVE, index))


class Hoarder(Stranger):
    """Wants every connection there is, each under another name, and says no more on any."""

    def greet(self, conversation: Conversation) -> None:
        self.peer_id = PeerId(self.host.rng.randbytes(20))
        conversation.say(self.handshake(), encode_plain(MessageId.HAVE_NONE))

    async def misbehave(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for member in self.world.members:
                for _ in range(20):
                    try:
                        await loop.create_connection(
                            lambda: Conversation(self), member.host.address, PORT
                        )
                    except OSError:
                        pass
            await asyncio.sleep(10)


class Impostor(Stranger):
    """Says that it is the seed, to everybody, before the seed does; chokes."""

    def greet(self, conversation: Conversation) -> None:
        self.peer_id = self.world.members[0].torrent.context.peer_id
        conversation.say(self.handshake(), encode_plain(MessageId.HAVE_NONE))


class LureImpostor(Stranger):
    """Says that it is the seed, has everything and serves everybody, and never sends a byte."""

    def greet(self, conversation: Conversation) -> None:
        self.peer_id = self.world.members[0].torrent.context.peer_id
        super().greet(conversation)
