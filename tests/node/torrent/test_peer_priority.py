import pytest

from formats.endpoint import Endpoint
from node.torrent.peer_priority import _crc32c, peer_priority

US = Endpoint("123.213.32.10", 6881)


def crc(text: str) -> int:
    return _crc32c(bytes.fromhex(text))


def test_crc32c_as_its_specification_checks_it() -> None:
    assert _crc32c(b"123456789") == 0xE3069283  # RFC 3720's polynomial, the catalogue's check value
    assert _crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


@pytest.mark.parametrize(
    ("theirs", "priority"), [("98.76.54.32", 0xEC2D7224), ("123.213.32.234", 0x99568189)]
)
def test_the_vectors_of_bep_40(theirs: str, priority: int) -> None:
    them = Endpoint(theirs, 51413)
    assert peer_priority(US, them) == peer_priority(them, US) == priority


def test_within_one_16_the_third_byte_counts_in_full() -> None:
    them = Endpoint("123.213.99.234", 6881)
    assert peer_priority(US, them) == crc("7BD52000 7BD56340")


def test_within_one_24_the_whole_address_counts() -> None:
    assert peer_priority(US, Endpoint("123.213.32.11", 1)) == crc("7BD5200A 7BD5200B")


def test_behind_one_address_the_ports_count() -> None:
    them = Endpoint(US.host, 6880)
    assert peer_priority(US, them) == peer_priority(them, US) == crc("1AE0 1AE1")


@pytest.mark.parametrize(
    ("theirs", "ours_masked", "theirs_masked"),
    [
        ("2600:2::ffff", "26000001000000000000000000000000", "26000002000000000000000000005555"),
        ("2600:1:0:ffff::", "26000001000000000000000000000000", "260000010000ff550000000000000000"),
        ("2600:1:0:ff::", "26000001000000000000000000000000", "26000001000000ff0000000000000000"),
        (
            "2600:1::ffff:0:0:0",
            "26000001000000000000000000000000",
            "2600000100000000ff55000000000000",
        ),
    ],
)
def test_ipv6_counts_the_48_and_one_byte_more_than_is_common(
    theirs: str, ours_masked: str, theirs_masked: str
) -> None:
    priority = peer_priority(Endpoint("2600:1::", 6881), Endpoint(theirs, 6881))
    assert priority == crc(ours_masked + theirs_masked)
