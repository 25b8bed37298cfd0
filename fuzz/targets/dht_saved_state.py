"""Saved DHT contacts: what is read is bounded, and saving it again loses nothing (D15)."""

from dht.contact import Contact, Family
from dht.node_id import NodeId
from dht.saved_state import (
    MAX_CONTACTS,
    SavedContact,
    SavedState,
    SavedStateError,
    encode_state,
    parse_state,
)
from formats.endpoint import Endpoint

_NOW = 1_800_000_000.0
_ID = NodeId(b"abcdefghij0123456789")
_CONTACTS = (
    SavedContact(Contact(_ID, Endpoint("1.2.3.4", 6881)), 60.0),
    SavedContact(Contact(NodeId(bytes(20)), Endpoint("2a00:1450:4001:81b::200e", 6881)), 0.0),
)

SEEDS: list[bytes] = [
    encode_state(SavedState({}, ()), _NOW),
    encode_state(SavedState({Family.V4: _ID}, _CONTACTS), _NOW - 3600),
    encode_state(SavedState(dict.fromkeys(Family, _ID), 40 * _CONTACTS), 0),
    b"de",
]


def execute(data: bytes) -> None:
    """Read `data`, and what is written of it."""
    try:
        state = parse_state(data, _NOW)
    except SavedStateError:
        return
    assert len(state.contacts) <= MAX_CONTACTS * len(Family)
    again = parse_state(encode_state(state, _NOW), _NOW)
    assert [saved.contact for saved in again.contacts] == [
        saved.contact for saved in state.contacts
    ]
    assert again.node_ids == state.node_ids
