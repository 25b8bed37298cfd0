"""The extension handshake: only PeerError leaves the parser, and what it keeps can be sent on."""

from node.peer.errors import PeerError
from node.peer.extension import (
    MAX_EXTENSIONS,
    ExtensionHandshake,
    parse_extension_handshake,
)

SEEDS: list[bytes] = [
    b"d12:complete_agoi-1e1:md11:lt_donthavei7e10:share_modei8e11:upload_onlyi3e12:ut_holepunchi4e"
    b"11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei201e4:reqqi2000e11:upload_onlyi1e1:v18:libtorre"
    b"nt/2.1.1.06:yourip4:\x7f\x00\x00\x01e",
    b"d1:ei1e4:ipv44:\x01\x02\x03\x044:ipv616:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
    b"1:md6:ut_pexi1eee",
    ExtensionHandshake({"ut_pex": 1}, listen_port=6881, client="everswarm").encode(),
    b"d1:md1:ai0eee",
]


def execute(data: bytes) -> None:
    """Parse, check the bounds, encode and parse again."""
    try:
        handshake = parse_extension_handshake(data)
    except PeerError:
        return
    assert len(handshake.extensions) <= MAX_EXTENSIONS
    assert all(0 <= number <= 255 for number in handshake.extensions.values())
    assert 1 <= handshake.request_queue <= 500
    assert handshake.client is None or len(handshake.client) <= 100
    assert parse_extension_handshake(handshake.encode()) == handshake
