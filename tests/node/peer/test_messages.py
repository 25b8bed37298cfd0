import pytest

from node.peer import messages
from node.peer.messages import LENGTHS, MessageId


@pytest.mark.parametrize(
    ("encoded", "wire"),
    [
        (messages.KEEP_ALIVE, "00000000"),
        (messages.encode_plain(MessageId.CHOKE), "00000001 00"),
        (messages.encode_plain(MessageId.HAVE_NONE), "00000001 0f"),
        (messages.encode_index(MessageId.HAVE, 258), "00000005 04 00000102"),
        (messages.encode_index(MessageId.SUGGEST, 1), "00000005 0d 00000001"),
        (messages.encode_bitfield(b"\xff\x80"), "00000003 05 ff80"),
        (
            messages.encode_request(MessageId.REQUEST, 1, 16384, 16384),
            "0000000d 06 00000001 00004000 00004000",
        ),
        (
            messages.encode_request(MessageId.REJECT, 1, 2, 3),
            "0000000d 10 000000010000000200000003",
        ),
        (messages.encode_port(6881), "00000003 09 1ae1"),
        (messages.encode_extended(3, b"de"), "00000004 14 03 6465"),
        (messages.encode_block(1, 2, b"data"), "0000000d 07 00000001 00000002 64617461"),
    ],
)
def test_the_layout_of_every_message(encoded: bytes, wire: str) -> None:
    assert encoded == bytes.fromhex(wire)


def test_block_headers_go_into_the_gaps_of_a_buffer() -> None:
    buffer = bytearray(b".dataDATA".rjust(30, b"."))
    messages.pack_block_header_into(buffer, 2, index=7, begin=16384, length=4)
    assert buffer[2:15] == messages.encode_block(7, 16384, b"data")[:13]
    assert buffer[:2] == b".." and buffer[15:] == b"." * 7 + b"dataDATA"


def test_p2_the_table_of_lengths_is_exact() -> None:
    assert {MessageId(kind).name: bounds for kind, bounds in LENGTHS.items()} == {
        "CHOKE": (1, 1), "UNCHOKE": (1, 1), "INTERESTED": (1, 1), "NOT_INTERESTED": (1, 1),
        "HAVE": (5, 5), "BITFIELD": (1, 262_145), "REQUEST": (13, 13), "PIECE": (10, 16_393),
        "CANCEL": (13, 13), "PORT": (3, 3), "SUGGEST": (5, 5), "HAVE_ALL": (1, 1),
        "HAVE_NONE": (1, 1), "REJECT": (13, 13), "ALLOWED_FAST": (5, 5),
        "EXTENDED": (2, 512_002),
    }  # fmt: skip
