"""ut_pex messages (BEP 11): which peers a neighbour has connected to, and which it has left.

Strangers write them. What they may try (X2): thousands of contacts (50 are kept, over a hundred are
a fault), a field of the wrong type or one that ends inside a contact (ignored, a fault), flags that
do not match the contacts (ignored, a fault), one contact twice, or added and dropped at once (kept
once, and no fault: aria2 says so of a peer that left and returned), port 0 (dropped, X3), a message
of megabytes (refused). Whether an address is fit to be dialled is for the receiver to judge (X3).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Flag, IntFlag, auto

from formats.bencode import BencodeError, Limits, Value, decode_dict, encode
from formats.endpoint import (
    COMPACT4_SIZE,
    COMPACT6_SIZE,
    Endpoint,
    is_ipv6,
    pack_many,
    unpack4,
    unpack6,
)
from formats.errors import ProtocolError

MOST_CONTACTS = 50
"""Contacts added, and contacts dropped, that one message may name, both families together."""
TOLERATED_CONTACTS = 100
"""Contacts of one message before they are a fault: libtorrent sends that many (X2)."""
MAX_SIZE = 500 * 1024
"""Bytes of a message (X2)."""

_LIMITS = Limits(depth=10, tokens=2_000, size=MAX_SIZE, strict=False)


class PexError(ProtocolError):
    """A message that is no bencoded dictionary, or too long."""


class PeerFlags(IntFlag):
    """What a neighbour says of a contact, one byte (BEP 11). Other bits are reserved."""

    PREFERS_ENCRYPTION = 0x01
    SEED = 0x02
    """It has everything, or wants nothing more."""
    UTP = 0x04
    HOLEPUNCH = 0x08
    OUTGOING = 0x10
    """The neighbour dialled it: it is reachable."""


class Faults(Flag):
    """What is wrong with a message that could be read all the same (X2)."""

    NONE = 0
    MALFORMED_FIELD = auto()
    """A field of the wrong type or length."""
    TOO_MANY = auto()
    """More than TOLERATED_CONTACTS added, or dropped."""


@dataclass(frozen=True, slots=True)
class PexMessage:
    """What changed since the last one. Contacts of both families, each once, in order."""

    added: dict[Endpoint, PeerFlags] = field(default_factory=dict)
    dropped: tuple[Endpoint, ...] = ()

    def encode(self) -> bytes:
        """The bencoded dictionary, without the fields that would be empty."""
        added4, added6 = pack_many(self.added)
        dropped4, dropped6 = pack_many(self.dropped)
        fields = {
            b"added": added4,
            b"added.f": bytes(f for c, f in self.added.items() if not is_ipv6(c.host)),
            b"added6": added6,
            b"added6.f": bytes(f for c, f in self.added.items() if is_ipv6(c.host)),
            b"dropped": dropped4,
            b"dropped6": dropped6,
        }
        return encode({name: value for name, value in fields.items() if value})


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """What could be read of a message, and what was wrong with it."""

    message: PexMessage
    faults: Faults


def parse_pex(payload: bytes | memoryview) -> ParsedMessage:
    """Read a neighbour's message; at most MOST_CONTACTS are kept of what it adds, and of what it
    drops. Raises PexError if it is not a bencoded dictionary of at most MAX_SIZE bytes."""
    try:
        source = decode_dict(payload, _LIMITS)
    except BencodeError as error:
        raise PexError("a peer exchange message is no dictionary") from error
    added, added_faults = _contacts(source, b"added")
    dropped, dropped_faults = _contacts(source, b"dropped")
    return ParsedMessage(PexMessage(added, tuple(dropped)), added_faults | dropped_faults)


_Contacts = list[tuple[Endpoint, PeerFlags]]


def _contacts(source: dict[bytes, Value], name: bytes) -> tuple[dict[Endpoint, PeerFlags], Faults]:
    """The contacts under `name`, of both families; each is left half of the room if it needs it."""
    ipv4, count4, faults4 = _family(source, name, COMPACT4_SIZE, unpack4)
    ipv6, count6, faults6 = _family(source, name + b"6", COMPACT6_SIZE, unpack6)
    faults = faults4 | faults6
    if count4 + count6 > TOLERATED_CONTACTS:
        faults |= Faults.TOO_MANY
    room4 = max(MOST_CONTACTS - len(ipv6), MOST_CONTACTS // 2)
    kept = dict(ipv4[:room4])
    for contact, flags in ipv6:
        if len(kept) == MOST_CONTACTS:
            break
        kept.setdefault(contact, flags)
    return kept, faults


def _family(
    source: dict[bytes, Value],
    name: bytes,
    size: int,
    unpack: Callable[[bytes], list[Endpoint]],
) -> tuple[_Contacts, int, Faults]:
    """The contacts of one field, how many it has, and its faults. At most TOLERATED_CONTACTS of
    them are looked at, those with port 0 and repetitions are left out."""
    compact = source.get(name, b"")
    if not isinstance(compact, bytes) or len(compact) % size:
        return [], 0, Faults.MALFORMED_FIELD
    count = len(compact) // size
    flags = source.get(name + b".f", bytes(count))
    faults = Faults.NONE
    if not isinstance(flags, bytes) or len(flags) != count:
        faults = Faults.MALFORMED_FIELD
        flags = bytes(count)
    contacts: dict[Endpoint, PeerFlags] = {}
    for number in range(min(count, TOLERATED_CONTACTS)):
        for contact in unpack(compact[number * size : (number + 1) * size]):
            contacts.setdefault(contact, PeerFlags(flags[number]))
    return list(contacts.items()), count, faults
