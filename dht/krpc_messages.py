"""The messages of KRPC as values: queries, responses and errors (BEP 5, 32, 33, 42, 43, 44, 51).

Lists of nodes and peers stay in their compact form, checked for length; the properties that read
them make contacts and endpoints when somebody wants them.
"""

from enum import IntEnum
from typing import NamedTuple, TypeAlias

from dht.contact import Contact, Family, unpack_contacts4, unpack_contacts6
from dht.item import ImmutableItem, Item, MutableItem
from dht.node_id import NodeId
from formats.endpoint import COMPACT4_SIZE, Endpoint, unpack4, unpack6
from formats.errors import ProtocolError
from formats.identifiers import InfoHash

VERSION = b"ES01"
"""Our `v`: the client `ES` and a version of two characters (BEP 5, BEP 20)."""

MAX_TRANSACTION_SIZE = 16
"""Bytes of a transaction ID that we echo (D2)."""

MAX_INTERVAL = 21_600
"""Seconds; the longest that samples may stay the same (BEP 51)."""


class ErrorCode(IntEnum):
    """The errors of BEP 5 and, from 205, of BEP 44."""

    GENERIC = 201
    SERVER = 202
    PROTOCOL = 203
    METHOD_UNKNOWN = 204
    VALUE_TOO_BIG = 205
    INVALID_SIGNATURE = 206
    SALT_TOO_BIG = 207
    CAS_MISMATCH = 301
    SEQUENCE_TOO_LOW = 302


class ErrorReply(NamedTuple):
    """`y` is `e`: the query could not be fulfilled."""

    transaction: bytes
    code: int
    """One of ErrorCode from us; anything from others."""
    message: str


class KrpcError(ProtocolError):
    """A datagram that is no KRPC message, or a query that breaks a rule."""

    def __init__(
        self,
        message: str,
        code: ErrorCode = ErrorCode.PROTOCOL,
        *,
        transaction: bytes | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.transaction = transaction
        """Of the query at fault; None if there is nothing to answer."""

    @property
    def reply(self) -> ErrorReply | None:
        """What to answer; None to stay silent."""
        if self.transaction is None:
            return None
        return ErrorReply(self.transaction, self.code, str(self))


class Ping(NamedTuple):
    """Are you there?"""


class FindNode(NamedTuple):
    """Which nodes are closest to `target`?"""

    target: bytes
    want: tuple[Family, ...] = ()
    """The families asked for; none means the one of the datagram (BEP 32)."""


class GetPeers(NamedTuple):
    """Who is in this swarm, and which nodes are closest to it?"""

    info_hash: InfoHash
    want: tuple[Family, ...] = ()
    noseed: bool = False
    """Peers that still download, please (BEP 33)."""
    scrape: bool = False
    """The bloom filters, please (BEP 33)."""


class AnnouncePeer(NamedTuple):
    """The sender's host has a peer of this swarm."""

    info_hash: InfoHash
    port: int
    """1 to 65535; meaningless with `implied_port`."""
    token: bytes
    implied_port: bool = False
    """The peer's port is the datagram's source port."""
    seed: bool = False
    """The peer has everything (BEP 33)."""


class Get(NamedTuple):
    """Which item is stored here (BEP 44)?"""

    target: bytes
    sequence: int | None = None
    """The value of a mutable item is wanted only if its number is higher than this."""
    want: tuple[Family, ...] = ()


class Put(NamedTuple):
    """Store this item (BEP 44)."""

    item: Item
    token: bytes
    cas: int | None = None
    """Only if this is the sequence number of what it replaces."""


class SampleInfohashes(NamedTuple):
    """Of which swarms do you know peers (BEP 51)?"""

    target: bytes
    want: tuple[Family, ...] = ()


class Unknown(NamedTuple):
    """A method we do not know; with a target it is answered like find_node."""

    method: bytes
    target: bytes | None = None
    want: tuple[Family, ...] = ()


Body: TypeAlias = Ping | FindNode | GetPeers | AnnouncePeer | Get | Put | SampleInfohashes | Unknown


class Query(NamedTuple):
    """`y` is `q`."""

    transaction: bytes
    sender: NodeId
    body: Body
    read_only: bool = False
    """The sender answers no queries: it belongs in no routing table (BEP 43)."""
    version: bytes | None = None


class Response(NamedTuple):
    """`y` is `r`. The query decides which fields are there; one of the wrong form is absent."""

    transaction: bytes
    sender: NodeId
    nodes: bytes = b""
    """Compact IPv4 nodes."""
    nodes6: bytes = b""
    """Compact IPv6 nodes."""
    token: bytes | None = None
    """The right to announce or put to the sender."""
    values: tuple[bytes, ...] = ()
    """Compact peers, 6 or 18 bytes each."""
    ip: bytes | None = None
    """The receiver's compact endpoint as the sender sees it, a vote (BEP 42, D13)."""
    version: bytes | None = None
    value: bytes | None = None
    """`v` of an item, bencoded (BEP 44)."""
    public_key: bytes | None = None
    signature: bytes | None = None
    sequence: int | None = None
    samples: bytes | None = None
    """Info hashes, 20 bytes each; None if the sender does not know BEP 51."""
    total: int | None = None
    """`num`: swarms the sender knows peers of (BEP 51)."""
    interval: int | None = None
    """Seconds before new samples are to be had (BEP 51)."""
    seeds_bloom: bytes | None = None
    """`BFsd`, 256 bytes (BEP 33)."""
    peers_bloom: bytes | None = None
    """`BFpe`: those who are no seeds, 256 bytes."""

    @property
    def contacts(self) -> list[Contact]:
        """`nodes` and `nodes6`, read."""
        return unpack_contacts4(self.nodes) + unpack_contacts6(self.nodes6)

    @property
    def peers(self) -> list[Endpoint]:
        """`values`, read; those with port 0 are dropped."""
        short = b"".join([value for value in self.values if len(value) == COMPACT4_SIZE])
        long = b"".join([value for value in self.values if len(value) != COMPACT4_SIZE])
        return unpack4(short) + unpack6(long)

    @property
    def external(self) -> Endpoint | None:
        """`ip`, read."""
        if self.ip is None:
            return None
        unpack = unpack4 if len(self.ip) == COMPACT4_SIZE else unpack6
        return next(iter(unpack(self.ip)), None)

    def item(self, salt: bytes = b"") -> Item | None:
        """The item that answers a `get` for a target with this salt; `item.verified` judges it."""
        if self.value is None:
            return None
        if self.public_key is None or self.signature is None or self.sequence is None:
            return ImmutableItem(self.value)
        return MutableItem(self.value, self.public_key, self.signature, self.sequence, salt)


Message: TypeAlias = Query | Response | ErrorReply
