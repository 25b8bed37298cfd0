"""Endpoints as text and as compact lists: what is accepted is canonical and packs back."""

from formats import endpoint
from formats.endpoint import AddressClass, Endpoint, EndpointError

SEEDS: list[bytes] = [
    b"1.2.3.4:6881",
    b"[2001:db8::1]:6881",
    b"[::ffff:127.0.0.1]:80",
    b"[64:ff9b::7f00:1]:65535",
    b"tracker.example:6969",
    b"2001:0:4136:e378:8000:63bf:3fff:fdd2",
    b"\x7f\x00\x00\x01\x1a\xe1\x08\x08\x08\x08\x00\x35",
    bytes(10) + b"\xff\xff\x7f\x00\x00\x01\x1a\xe1",
    bytes.fromhex("20010db8000000000000000000000001") + b"\x1a\xe1",
]


def execute(data: bytes) -> None:
    """Read `data` as text and as both compact lists."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        host, port = endpoint.split_host_port(text, 80)
        assert host
        assert 0 <= port <= endpoint.PORT_MAX
    except EndpointError as error:
        assert len(str(error)) < 600
    try:
        _check(endpoint.parse_endpoint(text))
    except EndpointError:
        pass
    for unpack in (endpoint.unpack4, endpoint.unpack6):
        try:
            found = unpack(data)
        except EndpointError:
            continue
        for each in found:
            _check(each)
        if unpack is endpoint.unpack4 and len(found) * endpoint.COMPACT4_SIZE == len(data):
            assert endpoint.pack_many(found) == (data, b"")


def _check(found: Endpoint) -> None:
    assert endpoint.normalise(found.host) == found.host
    assert endpoint.parse_endpoint(str(found)) == found
    assert type(endpoint.classify(found.host)) is AddressClass
    assert endpoint.subnet(found.host)
    packed = endpoint.pack(found)
    unpack = endpoint.unpack6 if endpoint.is_ipv6(found.host) else endpoint.unpack4
    assert unpack(packed) == ([found] if found.port else [])
