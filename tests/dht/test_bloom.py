"""Bloom filters against the vector of BEP 33."""

from ipaddress import ip_address

import pytest

from dht.bloom import BLOOM_SIZE, bloom_filter, estimate, union

VECTOR = bytes.fromhex(
    """
    F6C3F5EA A07FFD91 BDE89F77 7F26FB2B FF37BDB8 FB2BBAA2 FD3DDDE7 BACFFF75 EE7CCBAE
    FE5EEDB1 FBFAFF67 F6ABFF5E 43DDBCA3 FD9B9FFD F4FFD3E9 DFF12D1B DF59DB53 DBE9FA5B
    7FF3B8FD FCDE1AFB 8BEDD7BE 2F3EE71E BBBFE93B CDEEFE14 8246C2BC 5DBFF7E7 EFDCF24F
    D8DC7ADF FD8FFFDF DDFFF7A4 BBEEDF5C B95CE81F C7FCFF1F F4FFFFDF E5F7FDCB B7FD79B3
    FA1FC77B FE07FFF9 05B7B7FF C7FEFEFF E0B8370B B0CD3F5B 7F2BD93F EB4386CF DD6F7FD5
    BFAF2E9E BFFFFEEC D67ADBF7 C67F17EF D5D75EBA 6FFEBA7F FF47A91E B1BFBB53 E8ABFB57
    62ABE8FF 237279BF EFBFEEF5 FFC5FEBF DFE5ADFF ADFEE1FB 737FFFFB FD9F6AEF FEEE76B6
    FD8F72EF
    """
)
IPV4 = [(ip_address("192.0.2.0") + i).packed for i in range(256)]
IPV6 = [(ip_address("2001:DB8::") + i).packed for i in range(0x3E8)]


def test_the_vector_of_bep_33() -> None:
    assert bloom_filter(IPV4 + IPV6) == VECTOR
    assert estimate(VECTOR) == pytest.approx(1224.9308, abs=0.0001)


def test_the_union_counts_both() -> None:
    assert union([bloom_filter(IPV4), bloom_filter(IPV6)]) == VECTOR
    assert union([]) == bloom_filter([]) == bytes(BLOOM_SIZE)


def test_the_ends_of_the_scale() -> None:
    assert estimate(bytes(BLOOM_SIZE)) == 0.5  # what the formula of BEP 33 says
    assert 7_000 < estimate(b"\xff" * BLOOM_SIZE) < 8_000
