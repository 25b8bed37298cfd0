"""Who may bind what, as the kernel says without SO_REUSEPORT."""

import errno

import pytest

from simulation.ports import FIRST_EPHEMERAL_PORT, Ports, socket_address, wildcard


@pytest.mark.parametrize(
    ("first", "second", "free"),
    [
        ("20.0.1.1", "20.0.1.1", False),
        ("20.0.1.1", "20.0.1.2", True),
        ("20.0.1.1", "0.0.0.0", False),
        ("0.0.0.0", "20.0.1.1", False),
        ("0.0.0.0", "::", True),
        ("::", "20.0.1.1", True),
        ("::", "2600::1", False),
        ("127.0.0.1", "20.0.1.1", True),
    ],
)
def test_two_sockets_on_one_port(first: str, second: str, free: bool):
    ports: Ports[str] = Ports()
    ports.bind(first, 80, "first")
    if free:
        assert ports.bind(second, 80, "second") == 80
        assert (ports.find(first, 80), ports.find(second, 80)) == ("first", "second")
    else:
        with pytest.raises(OSError, match="address already in use") as caught:
            ports.bind(second, 80, "second")
        assert caught.value.errno == errno.EADDRINUSE
    ports.release(first, 80)
    ports.bind(first, 81, "again")


def test_the_wildcard_answers_for_every_address_of_its_family():
    ports: Ports[str] = Ports()
    ports.bind("::", 80, "six")
    assert ports.find("2600::1", 80) == "six"
    assert ports.find("20.0.1.1", 80) is None
    ports.bind("0.0.0.0", 80, "four")
    assert ports.find("20.0.1.1", 80) == "four"


def test_ephemeral_ports_go_up_go_round_and_run_out():
    ports: Ports[int] = Ports()
    assert ports.bind("20.0.1.1", 0, 0) == FIRST_EPHEMERAL_PORT
    ports.bind("20.0.1.1", FIRST_EPHEMERAL_PORT + 1, 0)
    assert ports.free_port() == FIRST_EPHEMERAL_PORT + 2
    ports.clear()
    for port in range(FIRST_EPHEMERAL_PORT + 3, 65_536):
        assert ports.free_port() == port
    assert ports.free_port() == FIRST_EPHEMERAL_PORT


def test_addresses_as_the_socket_module_writes_them():
    assert socket_address("20.0.1.1", 1) == ("20.0.1.1", 1)
    assert socket_address("2600::1", 1) == ("2600::1", 1, 0, 0)
    assert (wildcard("20.0.1.1"), wildcard("2600::1")) == ("0.0.0.0", "::")
