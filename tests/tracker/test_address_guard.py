import pytest

from tracker.address_guard import check_port, is_allowed
from tracker.errors import TrackerError

LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]
OWN_NETWORK = ["10.1.2.3", "172.16.0.1", "192.168.1.1", "fd00::1", "100.64.0.1"]
NEVER = ["169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255",
         "240.0.0.1", "2001:db8::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"]  # fmt: skip
PUBLIC = ["8.8.8.8", "2600::1", "::ffff:8.8.8.8"]


def allowed(address: str, *, trusted: bool, path: str = "/x/announce", query: str = "") -> bool:
    return is_allowed(address, trusted=trusted, path=path, query=query)


@pytest.mark.parametrize("address", PUBLIC)
def test_c1_public_addresses_are_allowed(address: str) -> None:
    assert allowed(address, trusted=False, query="pass=key")


@pytest.mark.parametrize("address", LOOPBACK)
def test_c1_a_stranger_may_name_loopback_only_as_plain_announce(address: str) -> None:
    assert allowed(address, trusted=False, path="/announce")
    assert not allowed(address, trusted=False, path="/announce", query="a=1")
    assert not allowed(address, trusted=False, path="/announce/")
    assert not allowed(address, trusted=False, path="/api/shutdown")
    assert allowed(address, trusted=True, path="/x", query="a=1")


@pytest.mark.parametrize("address", OWN_NETWORK)
def test_c1_the_own_network_is_for_the_users_own_torrents(address: str) -> None:
    assert not allowed(address, trusted=False, path="/announce")
    assert allowed(address, trusted=True)


@pytest.mark.parametrize("address", NEVER)
def test_c1_some_addresses_are_for_nobody(address: str) -> None:
    assert not allowed(address, trusted=False, path="/announce")
    assert not allowed(address, trusted=True)


@pytest.mark.parametrize("port", [80, 443, 1024, 6969, 65535])
def test_c2_tracker_ports(port: int) -> None:
    check_port(port, trusted=False)


@pytest.mark.parametrize("port", [0, 22, 25, 53, 79, 1023])
def test_c2_low_ports_are_refused_to_strangers(port: int) -> None:
    with pytest.raises(TrackerError, match=f"port {port}"):
        check_port(port, trusted=False)
    check_port(port, trusted=True)
