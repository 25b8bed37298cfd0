"""The messages of ut_metadata, held against BEP 9's examples and libtorrent's bencoding."""

import libtorrent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.peer.errors import Breach, PeerError
from node.torrent.metadata import (
    PIECE_SIZE,
    MetadataMessage,
    MetadataPiece,
    MetadataReject,
    MetadataRequest,
    encode_message,
    parse_message,
    piece_count,
    piece_size,
)


def test_the_examples_of_the_specification() -> None:
    assert parse_message(b"d8:msg_typei0e5:piecei0ee") == MetadataRequest(0)
    assert parse_message(b"d8:msg_typei2e5:piecei0ee") == MetadataReject(0)
    data = b"d8:msg_typei1e5:piecei0e10:total_sizei34256ee" + b"x" * PIECE_SIZE
    assert parse_message(data) == MetadataPiece(0, 34256, b"x" * PIECE_SIZE)
    assert encode_message(MetadataRequest(0)) == b"d8:msg_typei0e5:piecei0ee"
    assert encode_message(MetadataReject(0)) == b"d8:msg_typei2e5:piecei0ee"
    assert encode_message(MetadataPiece(0, 34256, b"x" * PIECE_SIZE)) == data


def test_libtorrent_reads_what_we_write() -> None:
    head = {b"msg_type": 1, b"piece": 7, b"total_size": 200_000}
    assert encode_message(MetadataPiece(7, 200_000, b"d1:")) == libtorrent.bencode(head) + b"d1:"


@given(
    st.one_of(
        st.builds(MetadataRequest, st.integers(0, 610)),
        st.builds(MetadataReject, st.integers(0, 610)),
        st.builds(
            MetadataPiece,
            st.integers(0, 610),
            st.one_of(st.none(), st.integers(0, 10_000_000)),
            st.binary(min_size=1, max_size=100),
        ),
    )
)
def test_what_is_written_is_read(message: MetadataMessage) -> None:
    assert parse_message(encode_message(message)) == message


@pytest.mark.parametrize("kind", [3, 17, -1])
def test_kinds_that_are_not_known_are_ignored(kind: int) -> None:
    assert parse_message(b"d8:msg_typei%de5:piecei0eewhatever" % kind) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"i1e",
        b"le",
        b"de",
        b"d8:msg_type1:0e",
        b"d8:msg_typei0ee",  # no piece
        b"d8:msg_typei0e5:piece1:0e",
        b"d8:msg_typei0e5:piecei-1ee",
        b"d8:msg_typei0e5:piecei611ee",  # beyond the largest metadata
        b"d8:msg_typei1e5:piecei0e10:total_sizei5ee",  # no bytes
        b"d8:msg_typei1e5:piecei0e10:total_sizei5ee" + bytes(PIECE_SIZE + 1),
        b"d8:msg_typei0e5:piecei0e",  # cut short
    ],
)
def test_p14_what_is_no_message_is_refused(payload: bytes) -> None:
    with pytest.raises(PeerError) as refusal:
        parse_message(payload)
    assert refusal.value.breach is Breach.BAD_EXTENSION_MESSAGE


@pytest.mark.parametrize(
    ("size", "count", "last"),
    [(1, 1, 1), (16_384, 1, 16_384), (16_385, 2, 1), (10_000_000, 611, 5_760)],
)
def test_sizes(size: int, count: int, last: int) -> None:
    assert piece_count(size) == count
    assert piece_size(size, count - 1) == last
    assert sum(piece_size(size, piece) for piece in range(count)) == size
