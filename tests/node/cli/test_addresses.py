import pytest

from node.cli.addresses import AddressError, HostPort, parse_host_port, parse_listen


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1:6881", HostPort("10.0.0.1", 6881)),
        ("seed.example:51413", HostPort("seed.example", 51413)),
        ("[2001:db8::1]:80", HostPort("2001:db8::1", 80)),
    ],
)
def test_addresses_to_reach(text: str, address: HostPort) -> None:
    assert parse_host_port(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "host", ":6881", "host:", "host:0", "host:99999", "::1:80"])
def test_what_cannot_be_reached_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match="write HOST:PORT"):
        parse_host_port(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", HostPort("127.0.0.1", 0)),
        (":6881", HostPort("0.0.0.0", 6881)),
        ("[::]:6881", HostPort("::", 6881)),
    ],
)
def test_addresses_to_listen_on(text: str, address: HostPort) -> None:
    assert parse_listen(text) == address


@pytest.mark.parametrize("text", ["localhost:6881", "6881", "0x7f.1:80", "1.2.3.4:65536"])
def test_listening_asks_for_a_numeric_address(text: str) -> None:
    with pytest.raises(AddressError, match="write ADDR:PORT with a numeric address"):
        parse_listen(text)
