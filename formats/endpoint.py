"""Addresses of peers and DHT nodes: text, compact bytes (BEP 5, 7, 23, 32) and what they reach.

A stranger's address may aim our connections at machines that it cannot reach itself. What it tries,
and the answer:

* an IPv4 address dressed as IPv6 (mapped, NAT64, 6to4, Teredo): unwrapped before it is judged (C1);
* loopback, private, link-local, multicast and reserved addresses: `classify` names them (X3);
* one peer under two spellings: hosts are canonical, mapped addresses become IPv4 (K12);
* `127.1`, `0x7f.1`, `2130706433` and the like: names or refusals, never addresses (C1);
* port 0, and lists that end inside an entry: dropped, and refused (X3).
"""

import struct
from collections.abc import Iterable
from enum import Enum, auto
from socket import AF_INET, AF_INET6, inet_ntoa, inet_ntop, inet_pton
from typing import NamedTuple

from formats.errors import ProtocolError

COMPACT4_SIZE = 6
"""`<address: 4><port: 2>`, both big-endian (BEP 23)."""
COMPACT6_SIZE = 18
"""`<address: 16><port: 2>`, both big-endian (BEP 7)."""
PORT_MAX = 65535
_NAME_MAX = 253
"""Characters of a name that the DNS can hold (RFC 1035)."""
_NOT_IN_NAMES = frozenset("/\\?#@[]:%\"'<>")
_MAPPED = bytes(10) + b"\xff\xff"
"""The first 96 bits of an IPv4-mapped address, `::ffff:0:0/96` (RFC 4291)."""


class EndpointError(ProtocolError):
    """Text or bytes that are not an address and a port."""


class Endpoint(NamedTuple):
    """Where a peer or a DHT node is reached.

    `host` is canonical: IPv4 in dotted decimal, IPv6 as `inet_ntop` writes it, and never an
    IPv4-mapped address. `port` 0 is fit to listen on, not to connect to.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_ipv6(host: str) -> bool:
    """Whether a numeric `host` is an IPv6 address."""
    return ":" in host


def normalise(host: str) -> str:
    """The canonical form of a numeric address; an IPv4-mapped one becomes IPv4.

    Raises EndpointError for anything else, names included.
    """
    return _text(_bytes(host))


def parse_endpoint(text: str) -> Endpoint:
    """Read `1.2.3.4:6881` or `[2001:db8::1]:6881`. Raises EndpointError; names are no addresses."""
    host, port = split_host_port(text)
    return Endpoint(normalise(host), port)


def split_host_port(text: str, default_port: int | None = None) -> tuple[str, int]:
    """Read `tracker.example:6969`, `1.2.3.4:80` or `[::1]:80` into host and port (0–65535).

    Without a port the default counts; then an IPv6 address may come without its brackets.
    The host comes back as written, without brackets. Raises EndpointError.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise EndpointError(f"not an address and a port: {text[:80]!r}")
        _bytes6(host)
        return host, _port(rest[1:] if rest else None, default_port, text)
    if text.count(":") > 1:
        if default_port is None:
            raise EndpointError(f"an IPv6 address needs brackets before its port: {text[:80]!r}")
        _bytes6(text)
        return text, default_port
    host, colon, digits = text.partition(":")
    if not host or len(host) > _NAME_MAX or not host.isprintable() or " " in host:
        raise EndpointError(f"not a host: {host[:80]!r}")
    if not _NOT_IN_NAMES.isdisjoint(host):
        raise EndpointError(f"not a host: {host[:80]!r}")
    return host, _port(digits if colon else None, default_port, text)


def _port(digits: str | None, default: int | None, text: str) -> int:
    if digits is None:
        if default is None:
            raise EndpointError(f"a port is missing: {text[:80]!r}")
        return default
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= PORT_MAX):
        raise EndpointError(f"not a port between 0 and {PORT_MAX}: {text[:80]!r}")
    return int(digits)


def _bytes(host: str) -> bytes:
    """The 4 or 16 bytes of a numeric address."""
    return _bytes6(host) if ":" in host else _bytes4(host)


def _bytes4(host: str) -> bytes:
    try:
        return inet_pton(AF_INET, host)
    except (OSError, ValueError):
        raise EndpointError(f"not an IP address: {host[:80]!r}") from None


def _bytes6(host: str) -> bytes:
    try:
        return inet_pton(AF_INET6, host)
    except (OSError, ValueError):
        raise EndpointError(f"not an IPv6 address: {host[:80]!r}") from None


def _text(address: bytes) -> str:
    """The canonical host of 4 or 16 bytes."""
    if len(address) == 4:
        return inet_ntoa(address)
    if address.startswith(_MAPPED):
        return inet_ntoa(address[12:])
    return inet_ntop(AF_INET6, address)


def pack(endpoint: Endpoint) -> bytes:
    """6 bytes for IPv4 (BEP 23), 18 for IPv6 (BEP 7). Raises EndpointError for a name."""
    return _bytes(endpoint.host) + endpoint.port.to_bytes(2, "big")


def pack_many(endpoints: Iterable[Endpoint]) -> tuple[bytes, bytes]:
    """The IPv4 and the IPv6 endpoints as two compact lists, in the order given.

    Raises EndpointError for a name.
    """
    compact4: list[bytes] = []
    compact6: list[bytes] = []
    for endpoint in endpoints:
        (compact6 if ":" in endpoint.host else compact4).append(pack(endpoint))
    return b"".join(compact4), b"".join(compact6)


_new = tuple.__new__
"""What `Endpoint(...)` does after it has sorted its arguments, which costs a quarter of a list."""
_iter4 = struct.Struct(">4sH").iter_unpack
_iter6 = struct.Struct(">16sH").iter_unpack


def unpack4(data: bytes | memoryview) -> list[Endpoint]:
    """Read a compact IPv4 list, 6 bytes an entry (BEP 23); entries with port 0 are dropped.

    Raises EndpointError when an entry is cut short.
    """
    if len(data) % COMPACT4_SIZE:
        raise EndpointError(f"a compact IPv4 list of {len(data)} bytes ends inside an entry")
    return [_new(Endpoint, (inet_ntoa(address), port)) for address, port in _iter4(data) if port]


def unpack6(data: bytes | memoryview) -> list[Endpoint]:
    """Read a compact IPv6 list, 18 bytes an entry (BEP 7); entries with port 0 are dropped.

    IPv4-mapped entries become IPv4. Raises EndpointError when an entry is cut short.
    """
    if len(data) % COMPACT6_SIZE:
        raise EndpointError(f"a compact IPv6 list of {len(data)} bytes ends inside an entry")
    return [_new(Endpoint, (_text(address), port)) for address, port in _iter6(data) if port]


class AddressClass(Enum):
    """What an address reaches."""

    GLOBAL = auto()
    PRIVATE = auto()
    LOOPBACK = auto()
    LINK_LOCAL = auto()
    CGNAT = auto()
    MULTICAST = auto()
    UNSPECIFIED = auto()
    RESERVED = auto()


_Table = tuple[tuple[int, int, AddressClass], ...]


def _table(family: int, bits: int, networks: dict[str, AddressClass]) -> _Table:
    """Networks as (right shift, remaining prefix, class), the order kept."""
    rows = []
    for network, kind in networks.items():
        prefix, _, length = network.partition("/")
        shift = bits - int(length)
        rows.append((shift, int.from_bytes(inet_pton(family, prefix), "big") >> shift, kind))
    return tuple(rows)


_IPV4 = _table(AF_INET, 32, {
    "0.0.0.0/32": AddressClass.UNSPECIFIED,
    "0.0.0.0/8": AddressClass.RESERVED,  # "this network"
    "10.0.0.0/8": AddressClass.PRIVATE,
    "100.64.0.0/10": AddressClass.CGNAT,
    "127.0.0.0/8": AddressClass.LOOPBACK,
    "169.254.0.0/16": AddressClass.LINK_LOCAL,
    "172.16.0.0/12": AddressClass.PRIVATE,
    "192.0.0.0/24": AddressClass.RESERVED,  # protocol assignments
    "192.0.2.0/24": AddressClass.RESERVED,  # documentation
    "192.88.99.0/24": AddressClass.RESERVED,  # 6to4 relays, deprecated
    "192.168.0.0/16": AddressClass.PRIVATE,
    "198.18.0.0/15": AddressClass.RESERVED,  # benchmarks
    "198.51.100.0/24": AddressClass.RESERVED,  # documentation
    "203.0.113.0/24": AddressClass.RESERVED,  # documentation
    "224.0.0.0/4": AddressClass.MULTICAST,
    "240.0.0.0/4": AddressClass.RESERVED,
    "0.0.0.0/0": AddressClass.GLOBAL,
})  # fmt: skip
"""IANA's special-purpose registry; the first network that holds the address decides."""

_IPV6 = _table(AF_INET6, 128, {
    "2001::/23": AddressClass.RESERVED,  # protocol assignments
    "2001:db8::/32": AddressClass.RESERVED,  # documentation
    "3fff::/20": AddressClass.RESERVED,  # documentation
    "2000::/3": AddressClass.GLOBAL,
    "fc00::/7": AddressClass.PRIVATE,
    "fe80::/10": AddressClass.LINK_LOCAL,
    "fec0::/10": AddressClass.PRIVATE,  # site-local, deprecated
    "ff00::/8": AddressClass.MULTICAST,
    "::1/128": AddressClass.LOOPBACK,
    "::/128": AddressClass.UNSPECIFIED,
    "::/0": AddressClass.RESERVED,  # only 2000::/3 is handed out
})  # fmt: skip
"""IANA's special-purpose registry, after the forms that hold an IPv4 address are unwrapped."""

_NAT64 = bytes.fromhex("0064ff9b") + bytes(8)
"""`64:ff9b::/96`: the last 32 bits are the IPv4 address (RFC 6052)."""
_TEREDO = bytes.fromhex("20010000")
"""`2001::/32`: the server in bits 32 to 63, the client inverted at the end (RFC 4380)."""
_6TO4 = bytes.fromhex("2002")
"""`2002::/16`: the IPv4 address in bits 16 to 47 (RFC 3056)."""


def classify(host: str) -> AddressClass:
    """What a numeric address reaches, judged by the IPv4 address inside it if it holds one.

    Raises EndpointError for a name.
    """
    address = _bytes(host)
    if len(address) == 4:
        return _classify4(address)
    if address.startswith((_MAPPED, _NAT64)):
        return _classify4(address[12:])
    if address.startswith(_6TO4):
        return _classify4(address[2:6])
    if address.startswith(_TEREDO):
        client = _classify4(bytes(byte ^ 0xFF for byte in address[12:]))
        return _classify4(address[4:8]) if client is AddressClass.GLOBAL else client
    return _look_up(address, _IPV6)


def _classify4(address: bytes) -> AddressClass:
    return _look_up(address, _IPV4)


def _look_up(address: bytes, table: _Table) -> AddressClass:
    number = int.from_bytes(address, "big")
    return next(kind for shift, prefix, kind in table if number >> shift == prefix)


def subnet(host: str) -> str:
    """The network that shares one budget with `host`: the /24 of IPv4, the /56 of IPv6 (G6).

    `1.2.3.4` gives `1.2.3.0/24`. Raises EndpointError for a name.
    """
    address = _bytes(normalise(host))
    if len(address) == 4:
        return inet_ntoa(address[:3] + b"\0") + "/24"
    return inet_ntop(AF_INET6, address[:7] + bytes(9)) + "/56"
