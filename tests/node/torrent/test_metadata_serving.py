"""What a peer is given of the metadata, and when it is refused."""

import pytest

from formats.bencode import encode
from node.peer.errors import Breach, PeerError
from node.peer.extension import UT_METADATA
from node.torrent.metadata import (
    PIECE_SIZE,
    MetadataPiece,
    MetadataReject,
    MetadataRequest,
    encode_message,
    parse_message,
)
from node.torrent.metadata_serving import COPIES, MAX_REFUSALS, MetadataServing
from node.torrent.token_bucket import TokenBucket
from simulation.network import Network
from tests.node.torrent.swarm import Stranger, dial, made, play, sharing, until

INFO = bytes(range(256)) * 100  # two pieces, the second short


def test_pieces_with_the_total_size() -> None:
    serving = MetadataServing(INFO, 0.0)
    first = parse_message(serving.answer(0, 0.0))
    second = parse_message(serving.answer(1, 0.0))
    assert first == MetadataPiece(0, len(INFO), INFO[:PIECE_SIZE])
    assert second == MetadataPiece(1, len(INFO), INFO[PIECE_SIZE:])


def test_p14_ten_copies_a_minute_then_refusals() -> None:
    serving = MetadataServing(INFO, 0.0)
    for turn in range(COPIES):
        for piece in (0, 1):
            assert isinstance(parse_message(serving.answer(piece, float(turn))), MetadataPiece)
    assert parse_message(serving.answer(0, 59.9)) == MetadataReject(0)
    assert isinstance(parse_message(serving.answer(0, 60.0)), MetadataPiece)
    assert isinstance(parse_message(serving.answer(1, 60.0)), MetadataPiece)
    assert parse_message(serving.answer(0, 60.0)) == MetadataReject(0)  # the next at 61


def test_p14_a_piece_that_there_is_not() -> None:
    assert parse_message(MetadataServing(INFO, 0.0).answer(2, 0.0)) == MetadataReject(2)


def test_p14_asked_before_we_have_it() -> None:
    assert parse_message(MetadataServing(None, 0.0).answer(0, 0.0)) == MetadataReject(0)


def test_p14_a_peer_that_does_not_read_is_refused() -> None:
    answer = MetadataServing(INFO, 0.0).answer(0, 0.0, has_room=False)
    assert parse_message(answer) == MetadataReject(0)


def test_p14_a_flood_ends_the_connection() -> None:
    serving = MetadataServing(None, 0.0)
    for _ in range(MAX_REFUSALS):
        serving.answer(0, 59.0)
    with pytest.raises(PeerError) as refusal:
        serving.answer(0, 59.0)
    assert refusal.value.breach is Breach.TOO_MUCH_CHATTER
    for _ in range(MAX_REFUSALS):  # spread out, there is nothing to say against it
        serving.answer(0, 119.0)


# In a session


METAINFO, DATA = made(8)


def ask(stranger: Stranger, *pieces: int) -> None:
    for piece in pieces:
        stranger.talk.send_extension(UT_METADATA, encode_message(MetadataRequest(piece)))
    stranger.say()


def answers(stranger: Stranger) -> list[object]:
    """What came under the ID that the stranger gave."""
    return [
        parse_message(payload[1:])
        for kind, payload in stranger.frames
        if kind == "EXTENDED" and payload[0] == 9
    ]


def test_a_seed_offers_and_serves_its_metadata() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA) as us:
            bucket = TokenBucket(1.0, us.torrent.now())
            us.torrent.upload_limits = (bucket, TokenBucket(None, 0.0))
            before = bucket.available(us.torrent.now())
            stranger = await dial(net, us, Stranger(METAINFO))
            stranger.introduce(extensions={UT_METADATA: 9})
            hello = next(p for kind, p in stranger.frames if kind == "EXTENDED")
            size = len(METAINFO.info_bytes)
            assert b"11:ut_metadatai2e" in hello
            assert b"13:metadata_sizei%de" % size in hello
            ask(stranger, 0, 1)
            await until(lambda: len(answers(stranger)) == 2, within=1)
            assert answers(stranger) == [
                MetadataPiece(0, size, METAINFO.info_bytes), MetadataReject(1),
            ]  # fmt: skip
            after = bucket.available(us.torrent.now())
            assert before is not None and after is not None and after < before

    play(main)


def test_p14_garbage_ends_the_session_and_unasked_pieces_are_nothing() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA) as us:
            stranger = await dial(net, us, Stranger(METAINFO))
            stranger.introduce(extensions={UT_METADATA: 9})
            stranger.talk.remote_extensions[UT_METADATA] = 2
            stranger.talk.send_extension(UT_METADATA, encode({b"msg_type": 7}))
            stranger.talk.send_extension(UT_METADATA, encode_message(MetadataPiece(0, 5, b"lies!")))
            ask(stranger, 0)
            await until(lambda: len(answers(stranger)) == 1, within=1)
            stranger.talk.send_extension(UT_METADATA, b"nonsense")
            stranger.say()
            await until(lambda: stranger.closed, within=1)

    play(main)
