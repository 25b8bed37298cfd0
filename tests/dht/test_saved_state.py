"""The saved contacts: ours come back, damaged ones are refused (D15)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from formats.bencode import encode
from formats.endpoint import Endpoint

ID4, ID6 = NodeId(b"4" * 20), NodeId(b"6" * 20)
ONE = SavedContact(Contact(NodeId(b"a" * 20), Endpoint("81.2.3.4", 6881)), 60.0)
SIX = SavedContact(Contact(NodeId(b"b" * 20), Endpoint("2600::1", 6882)), 0.0)


def test_the_bytes():
    state = SavedState({Family.V4: ID4}, (ONE,))
    data = encode_state(state, 1_000.5)
    assert data == (
        b"d3:id420:" + b"4" * 20 + b"6:nodes430:" + b"a" * 20 + b"\x51\x02\x03\x04\x1a\xe1"
        b"\x00\x00\x00\x3c" + b"6:nodes60:5:savedi1000ee"
    )


def test_what_was_saved_comes_back_older():
    state = SavedState({Family.V4: ID4, Family.V6: ID6}, (ONE, SIX))
    back = parse_state(encode_state(state, 1_000.0), 1_100.0)
    assert back.node_ids == state.node_ids
    assert back.contacts == (SavedContact(ONE.contact, 160.0), SavedContact(SIX.contact, 100.0))
    assert parse_state(encode_state(state, 1_000.0), 0.0).contacts == (ONE, SIX), "clock set back"


def test_d15_no_more_than_a_table_full_is_kept_or_taken():
    many = tuple(
        SavedContact(Contact(ID4, Endpoint(f"81.2.{n >> 8}.{n & 255}", 1)), 0.0) for n in range(300)
    )
    data = encode_state(SavedState({}, many), 0.0)
    assert parse_state(data, 0.0).contacts == many[:MAX_CONTACTS]
    nodes = many[0].contact.compact() + bytes(4)
    planted = encode({b"nodes4": nodes * 1_000, b"saved": 0})
    assert len(parse_state(planted, 0.0).contacts) == MAX_CONTACTS


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a saved DHT state"),
        (b"i1e", "not a saved DHT state"),
        (encode({b"nodes4": b""}), "it has no date"),
        (encode({b"saved": -1}), "it has no date"),
        (encode({b"nodes4": b"x" * 29, b"saved": 0}), "end inside an entry"),
        (encode({b"nodes6": b"x" * 30, b"saved": 0}), "end inside an entry"),
        (encode({b"nodes4": b"x" * 70_000, b"saved": 0}), "not a saved DHT state"),
        (encode({b"saved": [[[0]]]}), "not a saved DHT state"),
    ],
)
def test_d15_what_no_node_saved_is_refused(data, why):
    with pytest.raises(SavedStateError, match=why):
        parse_state(data, 0.0)


def test_an_id_of_the_wrong_size_and_port_0_are_left_out():
    entry = bytes(24) + b"\0\0" + bytes(4)
    state = parse_state(encode({b"id4": b"short", b"nodes4": entry, b"saved": 0}), 0.0)
    assert state == SavedState({}, ())


@given(st.binary(max_size=300))
def test_nothing_but_its_error_is_raised(noise):
    whole = encode_state(SavedState({Family.V4: ID4}, (ONE, SIX)), 1.0)
    for data in (noise, whole[: len(noise)] + noise, noise + whole):
        try:
            parse_state(data, 0.0)
        except SavedStateError:
            pass
