"""Contacts: the nodes that messages name, and the compact lists they come in (BEP 5, BEP 32).

A list of strangers may be cut short (refused), name port 0 (dropped), or hide IPv4 addresses among
the IPv6 ones (dropped: each family has a network of its own).
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from socket import inet_ntoa

from dht.node_id import NODE_ID_SIZE, NodeId
from formats.endpoint import (
    COMPACT4_SIZE,
    COMPACT6_SIZE,
    Endpoint,
    EndpointError,
    is_ipv6,
    pack,
    unpack6,
)

COMPACT_NODE4_SIZE = NODE_ID_SIZE + COMPACT4_SIZE
"""`<id: 20><address: 4><port: 2>`, big-endian (BEP 5)."""
COMPACT_NODE6_SIZE = NODE_ID_SIZE + COMPACT6_SIZE
"""`<id: 20><address: 16><port: 2>`, big-endian (BEP 32)."""


class Family(IntEnum):
    """An address family. Each is a network of its own, with its own table and peers (BEP 32)."""

    V4 = 4
    V6 = 6

    @staticmethod
    def of(endpoint: Endpoint) -> "Family":
        """The family of an endpoint's address."""
        return Family.V6 if is_ipv6(endpoint.host) else Family.V4


@dataclass(frozen=True, slots=True)
class Contact:
    """A node as heard of on the wire; whether it lives is not said."""

    id: NodeId
    endpoint: Endpoint

    def compact(self) -> bytes:
        """26 bytes for IPv4, 38 for IPv6."""
        return self.id + pack(self.endpoint)


def pack_contacts(contacts: Iterable[Contact]) -> bytes:
    """The compact list of contacts of one family, in the order given."""
    return b"".join([contact.compact() for contact in contacts])


_iter4 = struct.Struct(">20s4sH").iter_unpack


def unpack_contacts4(data: bytes) -> list[Contact]:
    """Read `nodes`; entries with port 0 are dropped. Raises EndpointError for a list cut short."""
    if len(data) % COMPACT_NODE4_SIZE:
        raise EndpointError(f"a compact node list of {len(data)} bytes ends inside an entry")
    return [
        Contact(NodeId(node_id), Endpoint(inet_ntoa(address), port))
        for node_id, address, port in _iter4(data)
        if port
    ]


def unpack_contacts6(data: bytes) -> list[Contact]:
    """Read `nodes6`; entries with port 0 and IPv4-mapped ones are dropped.

    Raises EndpointError for a list cut short.
    """
    if len(data) % COMPACT_NODE6_SIZE:
        raise EndpointError(f"a compact IPv6 node list of {len(data)} bytes ends inside an entry")
    contacts = []
    for at in range(0, len(data), COMPACT_NODE6_SIZE):
        split = at + NODE_ID_SIZE
        for endpoint in unpack6(data[split : at + COMPACT_NODE6_SIZE]):
            if is_ipv6(endpoint.host):
                contacts.append(Contact(NodeId(data[at:split]), endpoint))
    return contacts
