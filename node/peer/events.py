"""What a conversation tells its owner: the peer's messages, and what follows from them."""

from dataclasses import dataclass
from typing import TypeAlias

from formats.identifiers import InfoHash, PeerId
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


@dataclass(frozen=True, slots=True)
class HandshakeReceived:
    """The peer introduced itself; it is always the only event of its batch."""

    info_hash: InfoHash
    peer_id: PeerId


@dataclass(frozen=True, slots=True)
class RequestsDropped:
    """A choke, or a piece given up, voided these requests of ours: `(index, begin, length)`."""

    requests: list[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Unrequested:
    """A block came that we never asked for; its bytes are dropped and counted as waste (P8)."""

    index: int
    begin: int
    length: int


@dataclass(frozen=True, slots=True)
class ExtensionHandshakeReceived:
    """The peer's extension handshake, the first or a later one (BEP 10)."""

    handshake: ExtensionHandshake


@dataclass(frozen=True, slots=True)
class ExtensionMessage:
    """A message of an extension that we offered, by its name (BEP 10)."""

    name: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class DontHave:
    """The peer no longer has this piece (`lt_donthave`, BEP 54)."""

    index: int


Event: TypeAlias = (
    HandshakeReceived
    | Choke
    | Unchoke
    | Interested
    | NotInterested
    | Have
    | Bitfield
    | HaveAll
    | HaveNone
    | Request
    | Block
    | Cancel
    | Reject
    | Port
    | Suggest
    | AllowedFast
    | RequestsDropped
    | Unrequested
    | ExtensionHandshakeReceived
    | ExtensionMessage
    | DontHave
)
