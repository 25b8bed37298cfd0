"""What a node keeps over a restart: its IDs and the contacts it relied on, as bytes for a file.

The file may be damaged, or planted to lead us into a network of liars (D15): it is parsed like a
datagram, its size and numbers are bounded, and a contact from it is only somebody to ask.

A bencoded dictionary: `saved`, Unix seconds; `id4` and `id6`, 20 bytes each; `nodes4` and `nodes6`,
lists in one string each: `<compact node: 26 or 38><age: 4>`, the age in seconds when it was saved.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dht.contact import (
    COMPACT_NODE4_SIZE,
    COMPACT_NODE6_SIZE,
    Contact,
    Family,
    unpack_contacts4,
    unpack_contacts6,
)
from dht.node_id import NODE_ID_SIZE, NodeId
from formats.bencode import BencodeError, Limits, Value, decode_dict, encode, get_bytes, get_int
from formats.errors import ProtocolError

MAX_CONTACTS = 200
"""Of one family (D15): a full table."""

_AGE_SIZE = 4
_MAX_AGE = 0xFFFF_FFFF
_LIMITS = Limits(depth=2, tokens=64, size=65_536, strict=True)
"""Two lists of MAX_CONTACTS take about 14,400 bytes."""
_MAX_TIME = 1 << 40
"""Unix seconds; far beyond any clock."""

_KEYS = {
    Family.V4: (b"id4", b"nodes4", COMPACT_NODE4_SIZE, unpack_contacts4),
    Family.V6: (b"id6", b"nodes6", COMPACT_NODE6_SIZE, unpack_contacts6),
}


class SavedStateError(ProtocolError):
    """Bytes that no node has saved."""


@dataclass(frozen=True, slots=True)
class SavedContact:
    """A contact and how long ago it was last heard of, seconds."""

    contact: Contact
    age: float


@dataclass(frozen=True, slots=True)
class SavedState:
    """What one node keeps."""

    node_ids: Mapping[Family, NodeId]
    contacts: tuple[SavedContact, ...]
    """The most reliable first."""


def encode_state(state: SavedState, saved_at: float) -> bytes:
    """The bytes to keep; `saved_at` is in Unix seconds. At most MAX_CONTACTS of each family."""
    fields: dict[bytes, Value] = {b"saved": int(saved_at)}
    for family, (id_key, nodes_key, *_) in _KEYS.items():
        if family in state.node_ids:
            fields[id_key] = bytes(state.node_ids[family])
        own = [each for each in state.contacts if Family.of(each.contact.endpoint) is family]
        fields[nodes_key] = b"".join(
            each.contact.compact() + min(int(each.age), _MAX_AGE).to_bytes(_AGE_SIZE, "big")
            for each in own[:MAX_CONTACTS]
        )
    return encode(fields)


def parse_state(data: bytes, now: float) -> SavedState:
    """Read what `encode_state` wrote; ages are as of `now`, Unix seconds.

    Contacts beyond MAX_CONTACTS of a family are left out, an ID of the wrong size as well. Raises
    SavedStateError.
    """
    try:
        fields = decode_dict(data, _LIMITS)
    except BencodeError as error:
        raise SavedStateError(f"not a saved DHT state: {error}") from None
    saved_at = get_int(fields, b"saved", minimum=0, maximum=_MAX_TIME)
    if saved_at is None:
        raise SavedStateError("not a saved DHT state: it has no date")
    elapsed = max(0.0, now - saved_at)
    node_ids = {}
    contacts: list[SavedContact] = []
    for family, (id_key, nodes_key, size, unpack) in _KEYS.items():
        node_id = get_bytes(fields, id_key, size=NODE_ID_SIZE)
        if node_id is not None:
            node_ids[family] = NodeId(node_id)
        entries = get_bytes(fields, nodes_key) or b""
        if len(entries) % (size + _AGE_SIZE):
            raise SavedStateError("the saved contacts end inside an entry")
        for entry in _entries(entries, size + _AGE_SIZE):
            age = int.from_bytes(entry[size:], "big") + elapsed
            contacts += [SavedContact(contact, age) for contact in unpack(entry[:size])]
    return SavedState(node_ids, tuple(contacts))


def _entries(data: bytes, size: int) -> Iterable[bytes]:
    for at in range(0, min(len(data), size * MAX_CONTACTS), size):
        yield data[at : at + size]
