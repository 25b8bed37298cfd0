from tracker.connections import Connections, HttpLimits

PROXY = b"\x0a\0\0\1"
LOOPBACK = b"\x7f\0\0\1"
LOOPBACK6 = bytes(15) + b"\1"


class Dummy:
    """A connection that notes when it is cut."""

    def __init__(self, deadline: float = 0.0) -> None:
        self.deadline = deadline
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


def connections(**limits: int) -> Connections:
    return Connections(HttpLimits(**limits), frozenset([PROXY]))


def test_k2_thirty_two_connections_of_one_address() -> None:
    site = connections()
    first = Dummy()
    assert site.admit(first, b"\5\6\7\x08")
    assert [site.admit(Dummy(), b"\5\6\7\x08") for _ in range(40)] == [True] * 31 + [False] * 9
    assert site.admit(Dummy(), b"\5\6\7\x09")
    assert site.refused == {"connections per address": 9}
    site.left(first)
    site.left(first)  # once is enough
    assert [site.admit(Dummy(), b"\5\6\7\x08") for _ in range(2)] == [True, False]


def test_k2_one_ipv6_network_counts_as_one_address() -> None:
    site = connections(connections_per_ip=2)
    network = bytes.fromhex("20010db8000000")
    hosts = [network + bytes([n]) * 9 for n in range(3)]
    assert [site.admit(Dummy(), host) for host in hosts] == [True, True, False]
    assert site.admit(Dummy(), network[:6] + b"\1" + bytes(9))


def test_k2_loopback_and_proxies_are_exempt_but_not_from_the_cap_on_all() -> None:
    site = connections(connections_per_ip=1, connections=5)
    hosts = [LOOPBACK, LOOPBACK, LOOPBACK6, PROXY, PROXY, LOOPBACK]
    assert [site.admit(Dummy(), host) for host in hosts] == [True] * 5 + [False]
    assert len(site) == 5
    assert site.refused == {"connections": 1}


def test_k2_the_tick_cuts_those_whose_time_is_up() -> None:
    site = connections()
    early, late = Dummy(10), Dummy(11)
    for connection in early, late:
        site.admit(connection, LOOPBACK)
    site.tick(10)
    assert (early.aborted, late.aborted) == (True, False)
    assert site.refused == {"timeouts": 1}
    site.abort_all()
    assert late.aborted
