"""Compact node lists, against bytes written by hand."""

import pytest

from dht.contact import Contact, Family, pack_contacts, unpack_contacts4, unpack_contacts6
from dht.node_id import NodeId
from formats.endpoint import Endpoint, EndpointError

ID = NodeId(b"abcdefghij0123456789")
FOUR = ID + b"\x01\x02\x03\x04\x1a\xe1"
SIX = ID + bytes.fromhex("2a0014504001081b000000000000200e") + b"\x1a\xe1"


def test_a_list_reads_and_packs_back() -> None:
    assert unpack_contacts4(2 * FOUR) == 2 * [Contact(ID, Endpoint("1.2.3.4", 6881))]
    assert unpack_contacts6(SIX) == [Contact(ID, Endpoint("2a00:1450:4001:81b::200e", 6881))]
    assert pack_contacts(unpack_contacts4(2 * FOUR)) == 2 * FOUR
    assert pack_contacts(unpack_contacts6(2 * SIX)) == 2 * SIX
    assert unpack_contacts4(b"") == unpack_contacts6(b"") == []


def test_d2_a_list_cut_short_is_refused() -> None:
    for size in (1, 25, 27):
        with pytest.raises(EndpointError):
            unpack_contacts4(bytes(size))
    for size in (1, 26, 37, 39):
        with pytest.raises(EndpointError):
            unpack_contacts6(bytes(size))


def test_d2_port_0_is_dropped() -> None:
    assert unpack_contacts4(FOUR[:-2] + b"\0\0" + FOUR) == [Contact(ID, Endpoint("1.2.3.4", 6881))]
    assert unpack_contacts6(SIX[:-2] + b"\0\0") == []


def test_d7_ipv4_in_ipv6_clothes_is_dropped() -> None:
    assert unpack_contacts6(ID + bytes(10) + b"\xff\xff\x7f\0\0\x01\x1a\xe1") == []


def test_families() -> None:
    assert Family.of(Endpoint("1.2.3.4", 1)) is Family.V4
    assert Family.of(Endpoint("::1", 1)) is Family.V6
