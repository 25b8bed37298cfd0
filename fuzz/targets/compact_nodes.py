"""Compact node lists: what is read is routable and packs back to the same bytes."""

from dht.contact import (
    COMPACT_NODE4_SIZE,
    COMPACT_NODE6_SIZE,
    Family,
    pack_contacts,
    unpack_contacts4,
    unpack_contacts6,
)
from formats.endpoint import EndpointError, normalise

_ID = b"abcdefghij0123456789"

SEEDS: list[bytes] = [
    b"",
    _ID + b"\x01\x02\x03\x04\x1a\xe1",
    2 * (_ID + b"\x7f\x00\x00\x01\x00\x35"),
    _ID + bytes.fromhex("2a0014504001081b000000000000200e") + b"\x1a\xe1",
    _ID + bytes(10) + b"\xff\xff\x7f\x00\x00\x01\x1a\xe1",
    bytes(COMPACT_NODE4_SIZE * COMPACT_NODE6_SIZE // 2),
]


def execute(data: bytes) -> None:
    """Read `data` as both lists."""
    for unpack, size, family in (
        (unpack_contacts4, COMPACT_NODE4_SIZE, Family.V4),
        (unpack_contacts6, COMPACT_NODE6_SIZE, Family.V6),
    ):
        try:
            contacts = unpack(data)
        except EndpointError:
            assert len(data) % size
            continue
        assert len(contacts) <= len(data) // size
        for contact in contacts:
            assert contact.endpoint.port
            assert Family.of(contact.endpoint) is family
            assert normalise(contact.endpoint.host) == contact.endpoint.host
        packed = pack_contacts(contacts)
        assert unpack(packed) == contacts
        if len(contacts) * size == len(data):
            assert packed == data
