import random

import libtorrent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats import identifiers
from formats.identifiers import IdentifierError

PROPERTY = settings(derandomize=True, deadline=None, database=None)
DIGEST = bytes.fromhex("cf23df2207d99a74fbe169e3eba035e633b65d94")


@pytest.mark.parametrize(
    "text",
    [
        "cf23df2207d99a74fbe169e3eba035e633b65d94",
        "CF23DF2207D99A74FBE169E3EBA035E633B65D94",
        "Z4R56IQH3GNHJ67BNHR6XIBV4YZ3MXMU",
        "z4r56iqh3gnhj67bnhr6xibv4yz3mxmu",
    ],
)
def test_info_hashes(text: str) -> None:
    assert identifiers.parse_info_hash(text) == DIGEST
    magnet = libtorrent.parse_magnet_uri(f"magnet:?xt=urn:btih:{text}")
    assert magnet.info_hashes.v1.to_bytes() == DIGEST


@pytest.mark.parametrize(
    "text",
    [
        "", "cf23df", "c" * 39, "c" * 41, "g" * 40, "\u0661" * 40, "\udcff" * 40, "0x" + "c" * 38,
        "cf " * 13 + "c", "cf" * 19 + "  ", "A" * 31, "A" * 33, "1" * 32, "A" * 24 + "=" * 8, "A" * 26 + "=" * 6, " " * 32,
    ],
)  # fmt: skip
def test_texts_that_are_no_info_hashes(text: str) -> None:
    with pytest.raises(IdentifierError, match="not an info hash"):
        identifiers.parse_info_hash(text)


@PROPERTY
@given(st.text(min_size=32, max_size=40))
def test_g2_nothing_but_identifier_error_leaves(text: str) -> None:
    try:
        assert len(identifiers.parse_info_hash(text)) == 20
    except IdentifierError as error:
        assert "\n" not in str(error)


def test_peer_ids_follow_bep_20() -> None:
    peer_id = identifiers.new_peer_id(random.Random(1))
    assert len(peer_id) == identifiers.PEER_ID_SIZE == 20
    assert peer_id.startswith(b"-ES0100-")
    assert peer_id[8:].isalnum()
    assert peer_id == identifiers.new_peer_id(random.Random(1))
    assert peer_id != identifiers.new_peer_id(random.Random(2))


@pytest.mark.parametrize(
    ("peer_id", "name"),
    [
        (b"-ES0100-abcdefghijkl", "everswarm 0.1.0"),
        (b"-TR4050-abcdefghijkl", "Transmission 4.0.5"),
        (b"-qB4650-abcdefghijkl", "qBittorrent 4.6.5"),
        (b"-LT20B0-abcdefghijkl", "libtorrent 2.0.11"),
        (b"-lt0D80-abcdefghijkl", "rTorrent 0.13.8"),
        (b"A2-1-36-0-abcdefghij", "aria2 1.36.0"),
        (b"-XX1234-abcdefghijkl", "-XX1234-"),
        (b"M7-3-5--abcdefghijkl", "M7-3-5--"),
        (b"-TR\x00\x1b\n0-abcdefghijkl", "-TR???0-"),
        (b"-TR4050_abcdefghijkl", "-TR4050_"),
        (b"A2-\xff\n-", "aria2 ??"),
        (b"\x1b[31mred\xc2\xb5", "?[31mred"),
        (bytes(20), "????????"),
        (b"", ""),
    ],
)
def test_client_names(peer_id: bytes, name: str) -> None:
    assert identifiers.client_name(peer_id) == name


@PROPERTY
@given(st.binary(max_size=20))
def test_client_names_are_printable(peer_id: bytes) -> None:
    assert identifiers.client_name(peer_id).isprintable()
