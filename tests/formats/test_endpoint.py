import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats import endpoint
from formats.endpoint import AddressClass, Endpoint, EndpointError, classify

PROPERTY = settings(derandomize=True, deadline=None, database=None)
GLOBAL, PRIVATE, LOOPBACK, LINK_LOCAL, CGNAT, MULTICAST, UNSPECIFIED, RESERVED = AddressClass
PORTS = st.integers(1, 65535)
IPV4 = st.ip_addresses(v=4)
IPV6 = st.ip_addresses(v=6)


# Text


@pytest.mark.parametrize(
    ("text", "host", "port", "canonical"),
    [
        ("1.2.3.4:6881", "1.2.3.4", 6881, "1.2.3.4:6881"),
        ("0.0.0.0:0", "0.0.0.0", 0, "0.0.0.0:0"),
        ("255.255.255.255:65535", "255.255.255.255", 65535, "255.255.255.255:65535"),
        ("[::1]:80", "::1", 80, "[::1]:80"),
        ("[::]:0", "::", 0, "[::]:0"),
        ("[2001:DB8:0:0:0:0:0:1]:1", "2001:db8::1", 1, "[2001:db8::1]:1"),
        ("[2001:db8::0001]:00080", "2001:db8::1", 80, "[2001:db8::1]:80"),
        ("[::ffff:1.2.3.4]:5", "1.2.3.4", 5, "1.2.3.4:5"),
        ("[::FFFF:102:304]:5", "1.2.3.4", 5, "1.2.3.4:5"),
        ("[64:ff9b::1.2.3.4]:5", "64:ff9b::102:304", 5, "[64:ff9b::102:304]:5"),
    ],
)
def test_endpoints_as_text(text: str, host: str, port: int, canonical: str) -> None:
    found = endpoint.parse_endpoint(text)
    assert found == (host, port)
    assert (found.host, found.port) == (host, port)
    assert str(found) == canonical
    assert endpoint.parse_endpoint(canonical) == found


BAD_HOSTS = [
    "127.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "0", "01.2.3.4", "1.2.3.04",
    "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.-4", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4\0", "1.2.3.4\n",
    "\u0661.2.3.4", "\uff11.2.3.4", "localhost", "tracker.example", "", "\udcff",
]  # fmt: skip
BAD_IPV6 = [
    ":", ":::", "1::2::3", "::g", "12345::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0",
    "fe80::1%1", "::1 ", "::ffff:127.1", "::ffff:1.2.3.256", "::1\0",
]  # fmt: skip


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_c1_odd_spellings_are_no_addresses(host: str) -> None:
    for function in (endpoint.normalise, endpoint.classify, endpoint.subnet):
        with pytest.raises(EndpointError):
            function(host)
    with pytest.raises(EndpointError):
        endpoint.parse_endpoint(f"{host}:80")
    with pytest.raises(EndpointError):
        endpoint.pack(Endpoint(host, 80))
    with pytest.raises(EndpointError):
        endpoint.parse_endpoint(f"[{host}]:80")


@pytest.mark.parametrize("host", BAD_IPV6)
def test_c1_odd_spellings_of_ipv6(host: str) -> None:
    for function in (endpoint.normalise, endpoint.classify, endpoint.subnet):
        with pytest.raises(EndpointError, match="not an IPv6 address"):
            function(host)
    for text in (f"[{host}]:80", f"{host}:80"):
        with pytest.raises(EndpointError):
            endpoint.parse_endpoint(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1.2.3.4", "a port is missing"),
        ("[::1]", "a port is missing"),
        ("::1", "an IPv6 address needs brackets before its port"),
        ("1.2.3.4:", "not a port between 0 and 65535"),
        ("1.2.3.4:65536", "not a port between 0 and 65535"),
        ("1.2.3.4:-1", "not a port between 0 and 65535"),
        ("1.2.3.4:+1", "not a port between 0 and 65535"),
        ("1.2.3.4:1_0", "not a port between 0 and 65535"),
        ("1.2.3.4: 1", "not a port between 0 and 65535"),
        ("1.2.3.4:٣", "not a port between 0 and 65535"),
        ("1.2.3.4:²", "not a port between 0 and 65535"),
        ("1.2.3.4:000080", "not a port between 0 and 65535"),
        ("1.2.3.4:" + "9" * 5_000, "not a port between 0 and 65535"),
        ("[::1]80", "not an address and a port"),
        ("[::1", "not an address and a port"),
        ("[1.2.3.4]:80", "not an IPv6 address"),
        (":80", "not a host"),
        ("", "not a host"),
    ],
)
def test_texts_that_are_no_endpoints(text: str, reason: str) -> None:
    with pytest.raises(EndpointError) as caught:
        endpoint.parse_endpoint(text)
    assert str(caught.value).startswith(reason)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("tracker.example:6969", None, ("tracker.example", 6969)),
        ("tracker.example:6969", 80, ("tracker.example", 6969)),
        ("tracker.example", 80, ("tracker.example", 80)),
        ("[::1]:80", None, ("::1", 80)),
        ("[::1]", 80, ("::1", 80)),
        ("::1", 80, ("::1", 80)),
        ("0.0.0.0:0", None, ("0.0.0.0", 0)),
        ("bücher.example:1", None, ("bücher.example", 1)),
        ("_under.score-1.example:1", None, ("_under.score-1.example", 1)),
        ("x" * 253 + ":1", None, ("x" * 253, 1)),
    ],
)
def test_split_host_port(text: str, default: int | None, expected: tuple[str, int]) -> None:
    assert endpoint.split_host_port(text, default) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", ":1", "a b:1", "a\tb:1", "a\nb:1", "a\0:1", "user@host:1", "http://host:1", "host/path", "ho[st:1",
        "host]:1", "h%6fst:1", "h#:1", "h?x:1", "a\\b:1", "\udcff:1", "a\u00a0b:1", "x" * 254 + ":1", "host:", "host:x",
        "host:65536", "1:2:3", "[host]:1", "[]:1", "[::1]x:1", "[[::1]]:1",
    ],
)  # fmt: skip
def test_split_host_port_refuses(text: str) -> None:
    with pytest.raises(EndpointError):
        endpoint.split_host_port(text)
    with pytest.raises(EndpointError):
        endpoint.split_host_port(text, 80)


def test_split_host_port_without_a_default_wants_a_port() -> None:
    with pytest.raises(EndpointError, match=r"a port is missing: 'tracker\.example'"):
        endpoint.split_host_port("tracker.example")


@PROPERTY
@given(st.text(max_size=40))
def test_g2_nothing_but_endpoint_error_leaves(text: str) -> None:
    for function in (endpoint.parse_endpoint, endpoint.normalise, classify, endpoint.subnet):
        try:
            function(text)
        except EndpointError as error:
            assert "\n" not in str(error)


def test_is_ipv6() -> None:
    assert endpoint.is_ipv6("::1")
    assert not endpoint.is_ipv6("1.2.3.4")


@PROPERTY
@given(IPV4 | IPV6)
def test_normalise_agrees_with_ipaddress(address: Any) -> None:
    expected = address
    if address.version == 6 and address.ipv4_mapped is not None:
        expected = address.ipv4_mapped
    for spelling in (str(address), address.exploded, str(address).upper()):
        assert ipaddress.ip_address(endpoint.normalise(spelling)) == expected
    once = endpoint.normalise(str(address))
    assert endpoint.normalise(once) == once


# Compact forms


def test_the_peers_of_bep_5() -> None:
    peers = endpoint.unpack4(b"axje.uidhtnm")
    assert peers == [("97.120.106.101", 11893), ("105.100.104.116", 28269)]
    assert all(type(peer) is Endpoint for peer in peers)
    assert endpoint.pack_many(peers) == (b"axje.uidhtnm", b"")


def test_the_layout_of_bep_7() -> None:
    data = bytes.fromhex("20010db8000000000000000000000001 1ae1")
    peers = endpoint.unpack6(data)
    assert peers == [("2001:db8::1", 6881)]
    assert type(peers[0]) is Endpoint
    assert endpoint.pack(peers[0]) == data


def test_pack_many_sorts_by_family_and_keeps_the_order() -> None:
    endpoints = [
        Endpoint("2001:db8::2", 2),
        Endpoint("10.0.0.9", 258),
        Endpoint("2001:db8::1", 1),
        Endpoint("10.0.0.1", 1),
    ]
    four, six = endpoint.pack_many(iter(endpoints))
    assert four == b"\x0a\0\0\x09\x01\x02\x0a\0\0\x01\0\x01"
    assert six == endpoint.pack(endpoints[0]) + endpoint.pack(endpoints[2])
    assert endpoint.pack_many([]) == (b"", b"")


@PROPERTY
@given(st.lists(st.tuples(IPV4, PORTS), max_size=60), st.lists(st.tuples(IPV6, PORTS), max_size=20))
def test_compact_lists_agree_with_ipaddress(four: list[Any], six: list[Any]) -> None:
    data4 = b"".join(host.packed + port.to_bytes(2, "big") for host, port in four)
    data6 = b"".join(host.packed + port.to_bytes(2, "big") for host, port in six)
    found4 = endpoint.unpack4(memoryview(data4))
    found6 = endpoint.unpack6(memoryview(data6))
    assert found4 == [(str(host), port) for host, port in four]
    assert [port for _, port in found6] == [port for _, port in six]
    unmapped = [each for each in found6 if endpoint.is_ipv6(each.host)]
    if len(unmapped) == len(six):
        assert endpoint.pack_many(found4 + found6) == (data4, data6)
    for found in found4 + found6:
        assert endpoint.normalise(found.host) == found.host


def test_x3_port_0_is_dropped() -> None:
    assert endpoint.unpack4(b"\x01\x02\x03\x04\0\0axje.u") == [("97.120.106.101", 11893)]
    assert endpoint.unpack6(bytes(15) + b"\x01\0\0") == []


@pytest.mark.parametrize("size", [1, 5, 7, 11])
def test_x3_lists_that_end_inside_an_entry(size: int) -> None:
    with pytest.raises(EndpointError, match=f"IPv4 list of {size} bytes ends inside an entry"):
        endpoint.unpack4(bytes(size))
    with pytest.raises(EndpointError, match=f"IPv6 list of {size + 18} bytes ends inside an entry"):
        endpoint.unpack6(bytes(size + 18))


def test_k12_mapped_addresses_become_ipv4() -> None:
    mapped = bytes(10) + b"\xff\xff\x01\x02\x03\x04\x1a\xe1"
    assert endpoint.unpack6(mapped) == [("1.2.3.4", 6881)]
    assert endpoint.pack(endpoint.unpack6(mapped)[0]) == b"\x01\x02\x03\x04\x1a\xe1"
    assert endpoint.normalise("::ffff:1.2.3.4") == "1.2.3.4"
    assert endpoint.normalise("::FFFF:0102:0304") == "1.2.3.4"


# What addresses reach

NETWORKS = {
    "0.0.0.0/32": UNSPECIFIED,
    "0.0.0.1/32": RESERVED,
    "0.128.0.0/9": RESERVED,
    "10.0.0.0/8": PRIVATE,
    "100.64.0.0/10": CGNAT,
    "127.0.0.0/8": LOOPBACK,
    "169.254.0.0/16": LINK_LOCAL,
    "172.16.0.0/12": PRIVATE,
    "192.0.0.0/24": RESERVED,
    "192.0.2.0/24": RESERVED,
    "192.88.99.0/24": RESERVED,
    "192.168.0.0/16": PRIVATE,
    "198.18.0.0/15": RESERVED,
    "198.51.100.0/24": RESERVED,
    "203.0.113.0/24": RESERVED,
    "224.0.0.0/4": MULTICAST,
    "240.0.0.0/4": RESERVED,
    "1.0.0.0/8": GLOBAL,
    "9.0.0.0/8": GLOBAL,
    "11.0.0.0/8": GLOBAL,
    "100.0.0.0/10": GLOBAL,
    "100.128.0.0/9": GLOBAL,
    "126.0.0.0/8": GLOBAL,
    "128.0.0.0/8": GLOBAL,
    "169.253.0.0/16": GLOBAL,
    "169.255.0.0/16": GLOBAL,
    "172.0.0.0/12": GLOBAL,
    "172.32.0.0/11": GLOBAL,
    "192.0.1.0/24": GLOBAL,
    "192.0.3.0/24": GLOBAL,
    "192.88.98.0/24": GLOBAL,
    "192.88.100.0/24": GLOBAL,
    "192.167.0.0/16": GLOBAL,
    "192.169.0.0/16": GLOBAL,
    "198.16.0.0/15": GLOBAL,
    "198.20.0.0/14": GLOBAL,
    "198.51.99.0/24": GLOBAL,
    "198.51.101.0/24": GLOBAL,
    "203.0.112.0/24": GLOBAL,
    "203.0.114.0/24": GLOBAL,
    "223.0.0.0/8": GLOBAL,
    # IPv6
    "::/128": UNSPECIFIED,
    "::1/128": LOOPBACK,
    "::2/128": RESERVED,
    "::7f00:0/104": RESERVED,  # IPv4-compatible, deprecated
    "::ffff:0:0:0/96": RESERVED,  # IPv4-translated
    "64:ff9b:1::/48": RESERVED,  # local NAT64
    "100::/64": RESERVED,
    "1fff::/16": RESERVED,
    "2000::/16": GLOBAL,
    "2001:1::/32": RESERVED,
    "2001:20::/28": RESERVED,
    "2001:1ff::/32": RESERVED,
    "2001:200::/32": GLOBAL,
    "2001:db7::/32": GLOBAL,
    "2001:db8::/32": RESERVED,
    "2001:db9::/32": GLOBAL,
    "2003::/16": GLOBAL,
    "2a00::/12": GLOBAL,
    "3ffe::/16": GLOBAL,
    "3fff::/20": RESERVED,
    "3fff:1000::/20": GLOBAL,
    "4000::/3": RESERVED,
    "5f00::/16": RESERVED,
    "fbff::/16": RESERVED,
    "fc00::/7": PRIVATE,
    "fe00::/10": RESERVED,
    "fe80::/10": LINK_LOCAL,
    "fec0::/10": PRIVATE,
    "ff00::/8": MULTICAST,
}


@pytest.mark.parametrize(("text", "expected"), NETWORKS.items(), ids=str)
def test_x3_networks_from_their_first_to_their_last_address(
    text: str, expected: AddressClass
) -> None:
    network = ipaddress.ip_network(text)
    for address in (network[0], network[-1], network[network.num_addresses // 2]):
        assert classify(str(address)) is expected


EMBEDDED = {
    "8.8.8.8": GLOBAL,
    "127.0.0.1": LOOPBACK,
    "10.1.2.3": PRIVATE,
    "192.168.1.1": PRIVATE,
    "169.254.169.254": LINK_LOCAL,
    "100.64.0.1": CGNAT,
    "224.0.0.1": MULTICAST,
    "0.0.0.0": UNSPECIFIED,
    "255.255.255.255": RESERVED,
}


@pytest.mark.parametrize(("inner", "expected"), EMBEDDED.items())
def test_c1_embedded_ipv4_decides(inner: str, expected: AddressClass) -> None:
    number = int(ipaddress.IPv4Address(inner))
    for outer in (
        (0xFFFF << 32) | number,  # mapped
        (0x64FF9B << 96) | number,  # NAT64
        (0x2002 << 112) | (number << 80) | 1,  # 6to4
        (0x20010000 << 96) | (0x08080808 << 64) | (number ^ 0xFFFFFFFF),  # Teredo client
    ):
        assert classify(str(ipaddress.IPv6Address(outer))) is expected
        assert classify(ipaddress.IPv6Address(outer).exploded) is expected
    assert classify(f"::ffff:{inner}") is expected
    assert classify(f"64:ff9b::{inner}") is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("::ffff:127.0.0.1", LOOPBACK),
        ("64:ff9b::7f00:1", LOOPBACK),
        ("2002:7f00:1::", LOOPBACK),
        ("224.0.0.1", MULTICAST),
        ("100.64.0.1", CGNAT),
        ("192.0.0.8", RESERVED),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", RESERVED),  # RFC 4380's form; client 192.0.2.45
        ("2001:0:7f00:1:0:0:f7f7:f7f7", LOOPBACK),  # Teredo, a global client behind a bad server
        ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", GLOBAL),
    ],
)
def test_c1_addresses_that_the_ipaddress_module_misjudges(
    host: str, expected: AddressClass
) -> None:
    assert classify(host) is expected


# Subnets


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("1.2.3.4", "1.2.3.0/24"),
        ("1.2.3.255", "1.2.3.0/24"),
        ("::ffff:1.2.3.4", "1.2.3.0/24"),
        ("2001:db8:1:2ff:ffff::1", "2001:db8:1:200::/56"),
        ("2001:db8:1:200::", "2001:db8:1:200::/56"),
        ("2001:db8:1:300::", "2001:db8:1:300::/56"),
        ("::1", "::/56"),
    ],
)
def test_g6_subnets(host: str, expected: str) -> None:
    assert endpoint.subnet(host) == expected
    assert ipaddress.ip_address(endpoint.normalise(host)) in ipaddress.ip_network(expected)
