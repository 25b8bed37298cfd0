"""Messages as values: their compact fields, read."""

from dht.contact import Contact
from dht.item import ImmutableItem, MutableItem
from dht.krpc_messages import VERSION, Response
from dht.node_id import NodeId
from formats.endpoint import Endpoint

ID = NodeId(b"abcdefghij0123456789")
NODE4 = ID + b"\1\2\3\4\x1a\xe1"
NODE6 = ID + bytes(15) + b"\1\x1a\xe1"


def test_an_empty_response_has_nothing() -> None:
    empty = Response(b"aa", ID)
    assert empty.contacts == []
    assert empty.peers == []
    assert empty.external is None
    assert empty.item() is None


def test_contacts_of_both_families() -> None:
    response = Response(b"aa", ID, nodes=NODE4, nodes6=NODE6)
    assert response.contacts == [
        Contact(ID, Endpoint("1.2.3.4", 6881)),
        Contact(ID, Endpoint("::1", 6881)),
    ]


def test_peers_of_both_families() -> None:
    response = Response(b"aa", ID, values=(NODE4[20:], NODE6[20:], NODE4[20:24] + b"\0\0"))
    assert response.peers == [Endpoint("1.2.3.4", 6881), Endpoint("::1", 6881)]


def test_d13_the_address_we_are_seen_at() -> None:
    assert Response(b"aa", ID, ip=NODE4[20:]).external == Endpoint("1.2.3.4", 6881)
    assert Response(b"aa", ID, ip=NODE6[20:]).external == Endpoint("::1", 6881)
    assert Response(b"aa", ID, ip=bytes(6)).external is None  # port 0


def test_items() -> None:
    immutable = Response(b"aa", ID, value=b"1:x")
    assert immutable.item(b"salt") == ImmutableItem(b"1:x")
    assert immutable._replace(sequence=1).item() == ImmutableItem(b"1:x")
    mutable = immutable._replace(public_key=bytes(32), signature=bytes(64), sequence=0)
    assert mutable.item(b"salt") == MutableItem(b"1:x", bytes(32), bytes(64), 0, b"salt")
    assert mutable._replace(value=None).item() is None


def test_the_version_is_two_letters_and_two_digits() -> None:
    assert len(VERSION) == 4
