import pytest

from formats.endpoint import AddressClass, Endpoint
from node.torrent.known_peer import KnownPeer, Source, SourceKind, allow_by_class, new_peer

TRACKER = Source(SourceKind.TRACKER, "http://t/announce")
PEX = Source(SourceKind.PEX, "1.2.3.4:5")
LAN_PEX = Source(SourceKind.PEX, "192.168.0.9:5", AddressClass.PRIVATE)
LOCAL_TRACKER = Source(SourceKind.TRACKER, "http://127.0.0.1/announce", AddressClass.LOOPBACK)
USER = Source(SourceKind.USER)


@pytest.mark.parametrize(
    ("host", "source", "allowed"),
    [
        ("8.8.8.8", PEX, True),
        ("8.8.8.8", LOCAL_TRACKER, True),
        ("127.0.0.1", TRACKER, False),
        ("127.0.0.1", PEX, False),
        ("127.0.0.1", LAN_PEX, False),
        ("127.0.0.1", LOCAL_TRACKER, True),
        ("127.0.0.1", USER, True),
        ("192.168.0.1", PEX, False),
        ("192.168.0.1", LAN_PEX, True),
        ("192.168.0.1", LOCAL_TRACKER, True),
        ("100.64.0.1", PEX, False),
        ("169.254.169.254", TRACKER, False),
        ("::ffff:10.0.0.1", TRACKER, False),
        ("64:ff9b::a00:1", TRACKER, False),
        ("224.0.0.1", USER, False),
        ("0.0.0.0", USER, False),
        ("255.255.255.255", USER, False),
    ],
)
def test_x3_who_may_name_what(host: str, source: Source, allowed: bool) -> None:
    assert allow_by_class(Endpoint(host, 6_881), source) is allowed


def test_hearsay_is_what_only_gossip_vouches_for() -> None:
    known = new_peer(Endpoint("8.8.8.8", 1), PEX, 0.0)
    assert known.is_hearsay
    known.named(Source(SourceKind.DHT), 1.0)
    assert known.is_hearsay
    known.named(TRACKER, 1.0)
    assert not known.is_hearsay
    assert not new_peer(Endpoint("8.8.8.8", 1), TRACKER, 0.0).is_hearsay
    assert not new_peer(Endpoint("192.168.0.1", 1), LAN_PEX, 0.0).is_hearsay


def test_an_address_that_never_works_rests_until_it_is_named_anew() -> None:
    known = KnownPeer(Endpoint("8.8.8.8", 1), 100.0, {TRACKER: 0.0}, failures=3)
    assert known.is_resting
    known.named(TRACKER, 99.0)
    assert known.is_resting  # named, but before its time
    known.named(TRACKER, 100.0)
    assert not known.is_resting
    assert not KnownPeer(Endpoint("8.8.8.8", 1), 0.0, {USER: 0.0}, failures=9).is_resting


def test_sources_of_one_address_are_bounded() -> None:
    known = KnownPeer(Endpoint("8.8.8.8", 1), 0.0, {PEX: 0.0})
    for i in range(50):
        known.named(Source(SourceKind.PEX, str(i)), 1.0)
    assert len(known.sources) == 8
    known.named(PEX, 7.0)
    assert known.sources[PEX] == 7.0
