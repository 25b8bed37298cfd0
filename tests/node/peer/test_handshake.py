import pytest

from formats.identifiers import InfoHash, PeerId
from node.peer.errors import Breach, PeerError
from node.peer.handshake import Handshake, keeps_outgoing, parse_handshake

# What libtorrent 2.1.1 sends: extension protocol, fast extension, DHT.
LIBTORRENT = (
    b"\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x05"
    b'\xd3zu<ho"e\xb6~\n\x997!\xdd\xbdb\x0en\xa2-LT2110-lUY.eMwrLBbe'
)


def test_reads_the_handshake_of_libtorrent() -> None:
    assert parse_handshake(memoryview(LIBTORRENT)) == Handshake(
        InfoHash(b'\xd3zu<ho"e\xb6~\n\x997!\xdd\xbdb\x0en\xa2'),
        PeerId(b"-LT2110-lUY.eMwrLBbe"),
        extensions=True,
        fast=True,
        dht=True,
    )


@pytest.mark.parametrize(
    ("extensions", "fast", "dht", "reserved"),
    [
        (False, False, False, "0000000000000000"),
        (True, False, False, "0000000000100000"),
        (False, True, False, "0000000000000004"),
        (False, False, True, "0000000000000001"),
        (True, True, True, "0000000000100005"),
    ],
)
def test_each_extension_has_its_reserved_bit(
    extensions: bool, fast: bool, dht: bool, reserved: str
) -> None:
    handshake = Handshake(
        InfoHash(b"i" * 20), PeerId(b"p" * 20), extensions=extensions, fast=fast, dht=dht
    )
    data = handshake.encode()
    assert data == b"\x13BitTorrent protocol" + bytes.fromhex(reserved) + b"i" * 20 + b"p" * 20
    assert parse_handshake(memoryview(data)) == handshake


def test_bits_we_do_not_know_are_ignored() -> None:
    data = LIBTORRENT[:20] + b"\xff" * 8 + LIBTORRENT[28:]
    assert parse_handshake(memoryview(data)) == parse_handshake(memoryview(LIBTORRENT))


def test_waits_for_all_68_bytes() -> None:
    for size in range(68):
        assert parse_handshake(memoryview(LIBTORRENT[:size])) is None


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n", b"\x00", b"\x12", b"\x13BitTorrent Protocol", b"\x13b"]
)
def test_p9_another_protocol_is_refused_at_its_first_wrong_byte(data: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        parse_handshake(memoryview(data))
    assert caught.value.breach is Breach.NOT_BITTORRENT


def test_p16_both_ends_keep_the_same_of_two_connections() -> None:
    one, other = PeerId(b"a" * 20), PeerId(b"b" * 20)
    assert keeps_outgoing(one, other) != keeps_outgoing(other, one)
