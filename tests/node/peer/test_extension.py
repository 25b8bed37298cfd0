import pytest

from formats.bencode import encode
from node.peer.errors import Breach, PeerError
from node.peer.extension import (
    MAX_EXTENSIONS,
    ExtensionHandshake,
    message_limit,
    parse_extension_handshake,
)

# Captured from libtorrent 2.1.1 seeding a small torrent.
LIBTORRENT = (
    b"d12:complete_agoi-1e1:md11:lt_donthavei7e10:share_modei8e11:upload_onlyi3e12:ut_holepunchi4e"
    b"11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei201e4:reqqi2000e11:upload_onlyi1e1:v18:libtorre"
    b"nt/2.1.1.06:yourip4:\x7f\x00\x00\x01e"
)


def test_reads_the_handshake_of_libtorrent() -> None:
    assert parse_extension_handshake(LIBTORRENT) == ExtensionHandshake(
        extensions={
            "lt_donthave": 7,
            "share_mode": 8,
            "upload_only": 3,
            "ut_holepunch": 4,
            "ut_metadata": 2,
            "ut_pex": 1,
        },
        client="libtorrent/2.1.1.0",
        your_ip="127.0.0.1",
        request_queue=500,
        upload_only=True,
        metadata_size=201,
    )


def test_reads_the_example_of_bep_10() -> None:
    example = "d1:md11:LT_metadatai1e6:µT_PEXi2ee1:pi6881e1:v13:µTorrent 1.2e"
    payload = example.encode().replace(b"6:\xc2\xb5T_PEX", b"7:\xc2\xb5T_PEX")
    assert parse_extension_handshake(payload) == ExtensionHandshake(
        extensions={"LT_metadata": 1}, listen_port=6881, client="µTorrent 1.2"
    )


def test_encodes_sorted_and_leaves_out_what_is_unsaid() -> None:
    assert ExtensionHandshake().encode() == b"d1:mde4:reqqi250ee"
    full = ExtensionHandshake(
        {"ut_pex": 1, "ut_metadata": 2},
        listen_port=6881,
        client="everswarm",
        your_ip="1.2.3.4",
        request_queue=300,
        ipv4="5.6.7.8",
        ipv6="2001:db8::1",
        upload_only=True,
        metadata_size=9,
    )
    assert full.encode() == (
        b"d4:ipv44:\x05\x06\x07\x084:ipv616:"
        + bytes.fromhex("20010db8" + "00" * 11 + "01")
        + b"1:m"
        b"d11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei9e1:pi6881e4:reqqi300e11:upload_onlyi1e"
        b"1:v9:everswarm6:yourip4:\x01\x02\x03\x04e"
    )
    assert parse_extension_handshake(full.encode()) == full


@pytest.mark.parametrize("payload", [b"", b"le", b"i1e", b"d1:m", b"\xff", b"de.", b"d" * 2000])
def test_p15_what_is_no_dictionary_is_refused(payload: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        parse_extension_handshake(payload)
    assert caught.value.breach is Breach.BAD_EXTENSION_HANDSHAKE


def test_p15_at_most_64_extensions_are_kept() -> None:
    names = {f"x{number:03}".encode(): number for number in range(1, 256)}
    handshake = parse_extension_handshake(encode({b"m": names}))
    assert len(handshake.extensions) == MAX_EXTENSIONS


def test_p15_ids_outside_a_byte_or_used_twice_are_dropped() -> None:
    source = {b"a": -1, b"b": 256, b"c": 255, b"d": 255, b"e": b"7", b"f": 0, b"n" * 65: 9}
    assert parse_extension_handshake(encode({b"m": source})).extensions == {"c": 255, "f": 0}


@pytest.mark.parametrize(
    ("stated", "taken"), [(-5, 1), (0, 1), (77, 77), (10**9, 500), (b"9", 250), (None, 250)]
)
def test_p15_the_request_queue_is_clamped(stated: int | bytes | None, taken: int) -> None:
    payload = encode({} if stated is None else {b"reqq": stated})
    assert parse_extension_handshake(payload).request_queue == taken


def test_p15_a_long_client_name_is_cut() -> None:
    client = parse_extension_handshake(encode({b"v": b"x" * 10_000})).client
    assert client == "x" * 100


def test_p15_values_of_the_wrong_type_are_absent() -> None:
    source = {
        b"m": [], b"p": b"80", b"v": 1, b"yourip": b"12345", b"ipv4": b"x" * 16,
        b"ipv6": b"x" * 4, b"upload_only": b"1", b"metadata_size": b"9",
    }  # fmt: skip
    assert parse_extension_handshake(encode(source)) == ExtensionHandshake()


@pytest.mark.parametrize("size", [0, -1, 10_000_001, 2**62])
def test_p14_an_absurd_metadata_size_is_dropped(size: int) -> None:
    assert parse_extension_handshake(encode({b"metadata_size": size})).metadata_size is None


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_p15_a_port_that_is_none_is_dropped(port: int) -> None:
    assert parse_extension_handshake(encode({b"p": port})).listen_port is None


def test_p1_messages_have_limits_by_name() -> None:
    assert message_limit("ut_pex") == 500 * 1024
    assert message_limit("ut_metadata") == message_limit("anything") == 17 * 1024
