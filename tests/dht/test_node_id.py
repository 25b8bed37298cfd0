"""Node IDs against the vectors of BEP 42."""

import random

import pytest

from dht.node_id import compliant_id, distance, id_in_range, is_compliant, random_id

VECTORS = [
    ("124.31.75.21", 1, "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
    ("21.75.31.124", 86, "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
    ("65.23.51.170", 22, "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
    ("84.124.73.14", 65, "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
    ("43.213.53.83", 90, "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
]


@pytest.mark.parametrize(("ip", "r", "node_id"), VECTORS)
def test_d5_the_vectors_of_bep_42(ip: str, r: int, node_id: str) -> None:
    assert is_compliant(bytes.fromhex(node_id), ip)
    ours = compliant_id(ip, random.Random(1), r)
    assert ours[:2] == bytes.fromhex(node_id)[:2]
    assert ours[2] & 0xF8 == bytes.fromhex(node_id)[2] & 0xF8
    assert ours[19] == r


@pytest.mark.parametrize(("ip", "r", "node_id"), VECTORS)
def test_d5_another_address_prefix_or_r_does_not_comply(ip: str, r: int, node_id: str) -> None:
    good = bytes.fromhex(node_id)
    assert not is_compliant(good, "8.8.8.8")
    assert not is_compliant(bytes((good[0] ^ 0x80,)) + good[1:], ip)
    assert not is_compliant(good[:2] + bytes((good[2] ^ 0x08,)) + good[3:], ip)
    assert is_compliant(good[:2] + bytes((good[2] ^ 0x07,)) + good[3:], ip)  # 21 bits, no more
    assert not is_compliant(good[:19] + bytes((good[19] ^ 1,)), ip)


def test_d5_ids_of_ipv6_depend_on_the_upper_half_of_the_address() -> None:
    rng = random.Random(2)
    node_id = compliant_id("2a00:1450:4001:81b::200e", rng)
    assert is_compliant(node_id, "2a00:1450:4001:81b::200e")
    assert is_compliant(node_id, "2a00:1450:4001:81b:ffff::1")
    assert not is_compliant(node_id, "2a01:4f8::1")


def test_d5_an_address_has_eight_prefixes() -> None:
    rng = random.Random(3)
    ids = [compliant_id("8.8.8.8", rng, r) for r in range(256)]
    assert len({(node_id[0], node_id[1], node_id[2] & 0xF8) for node_id in ids}) == 8


@pytest.mark.parametrize(
    "ip", ["10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "127.0.0.1"]
)
def test_d5_local_addresses_are_exempt(ip: str) -> None:
    assert is_compliant(bytes(20), ip)


def test_distance_is_xor() -> None:
    assert distance(b"\0" * 19 + b"\x05", b"\0" * 19 + b"\x03") == 6
    assert distance(b"\x80" + bytes(19), bytes(20)) == 1 << 159


def test_random_ids_fall_into_their_range() -> None:
    rng = random.Random(4)
    assert len(random_id(rng)) == 20
    low, high = 1 << 159, (1 << 159) + (1 << 100)
    for _ in range(50):
        assert low <= int.from_bytes(id_in_range(low, high, rng), "big") < high
    assert id_in_range(0, 1, rng) == bytes(20)
    assert id_in_range(2**160 - 1, 2**160, rng) == b"\xff" * 20
