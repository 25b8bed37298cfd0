"""What a peer may say and what it may not: rows P3 to P10, P14 and P15 of the threat list."""

from collections.abc import Callable
from typing import Any

import pytest

from node.peer import messages
from node.peer.errors import Breach, PeerError
from node.peer.events import (
    DontHave,
    ExtensionHandshakeReceived,
    ExtensionMessage,
    RequestsDropped,
    Unrequested,
)
from node.peer.extension import ExtensionHandshake
from node.peer.message_handlers import (
    MAX_BAD_REQUESTS,
    MAX_BITFIELDS,
    MAX_REQUESTS_WHILE_CHOKED,
)
from node.peer.messages import MAX_PIECES, MessageId, Request

Start = Callable[..., Any]
BLOCK = bytes(range(256)) * 64


def plain(kind: MessageId) -> bytes:
    return messages.encode_plain(kind)


def indexed(kind: MessageId, index: int) -> bytes:
    return messages.encode_index(kind, index)


def ranged(kind: MessageId, index: int, begin: int, length: int) -> bytes:
    return messages.encode_request(kind, index, begin, length)


def refusal(us: Any, data: bytes) -> Breach:
    with pytest.raises(PeerError) as caught:
        us.feed(data)
    return caught.value.breach


def test_choke_and_interest_are_told_when_they_change(talk: Start) -> None:
    us = talk()
    kinds = [0, 1, 1, 3, 2, 2, 3, 0]
    events = us.feed(b"".join(plain(MessageId(kind)) for kind in kinds))
    assert events == [
        messages.Unchoke(),
        messages.Interested(),
        messages.NotInterested(),
        messages.Choke(),
    ]
    assert us.protocol.peer_choking and not us.protocol.peer_interested
    us.feed(plain(MessageId.UNCHOKE) + plain(MessageId.INTERESTED))
    assert not us.protocol.peer_choking and us.protocol.peer_interested


def test_every_other_message_becomes_its_event(talk: Start) -> None:
    us = talk()
    assert us.feed(
        messages.encode_bitfield(b"\x80\x40")
        + indexed(MessageId.HAVE, 9)
        + indexed(MessageId.SUGGEST, 1)
        + indexed(MessageId.ALLOWED_FAST, 2)
        + ranged(MessageId.CANCEL, 3, 4, 5)
        + messages.encode_port(6881)
        + messages.encode_port(0)
        + messages.KEEP_ALIVE
    ) == [
        messages.Bitfield(b"\x80\x40"),
        messages.Have(9),
        messages.Suggest(1),
        messages.AllowedFast(2),
        messages.Cancel(3, 4, 5),
        messages.Port(6881),
    ]


def test_p3_ten_unknown_messages_a_minute_are_skipped(talk: Start) -> None:
    us = talk()
    unknown = b"\0\0\0\x03\x15ab"
    assert us.feed(unknown * 10) == []
    assert refusal(us, unknown) is Breach.TOO_MANY_UNKNOWN
    us = talk()
    us.feed(unknown * 10)
    us.protocol.tick(60.0)
    assert us.feed(unknown * 10) == []


def test_p3_an_unknown_message_beyond_1_kib_is_refused_by_its_head(talk: Start) -> None:
    us = talk()
    assert us.feed((1024).to_bytes(4) + b"\x15" + bytes(1023)) == []
    assert refusal(us, (1025).to_bytes(4) + b"\x15") is Breach.MESSAGE_TOO_LONG


def test_p3_extended_messages_nobody_offered_are_unknown(talk: Start) -> None:
    us = talk()
    assert us.feed(messages.encode_extended(7, b"x") * 10) == []
    assert refusal(us, messages.encode_extended(7, b"x")) is Breach.TOO_MANY_UNKNOWN
    us = talk()
    head = messages.encode_extended(7, bytes(1025))[:6]
    assert refusal(us, head) is Breach.MESSAGE_TOO_LONG
    us = talk(extensions=False)
    assert us.feed(messages.encode_extended(0, b"de") * 9 + b"\0\0\0\x01\x14") == []
    assert refusal(us, messages.encode_extended(0, b"de")) is Breach.TOO_MANY_UNKNOWN


@pytest.mark.parametrize(
    "word",
    [
        messages.encode_bitfield(b"\xff\xc0"),
        plain(MessageId.HAVE_ALL),
        plain(MessageId.HAVE_NONE),
    ],
)
def test_p4_the_pieces_are_described_a_hundred_times_at_most(talk: Start, word: bytes) -> None:
    us = talk()
    assert len(us.feed(word * MAX_BITFIELDS)) == MAX_BITFIELDS
    assert refusal(us, word) is Breach.TOO_MANY_BITFIELDS


def test_p4_a_bitfield_after_a_have_stands_for_many_haves(talk: Start) -> None:
    bitfield = messages.encode_bitfield(b"\xc0\x40")  # as aria2 sends it
    said = talk().feed(indexed(MessageId.HAVE, 1) + bitfield)
    assert said == [messages.Have(1), messages.Bitfield(b"\xc0\x40")]


def test_p4_words_about_other_things_may_come_before_the_bitfield(talk: Start) -> None:
    us = talk()
    us.feed(messages.encode_extended(0, b"de") + plain(MessageId.INTERESTED))
    assert us.feed(plain(MessageId.HAVE_NONE)) == [messages.HaveNone()]


@pytest.mark.parametrize("bitfield", [b"", b"\xff", b"\xff\xc0\x00", b"\xff\xe0"])
def test_p4_a_bitfield_that_does_not_fit_is_refused(talk: Start, bitfield: bytes) -> None:
    assert refusal(talk(), messages.encode_bitfield(bitfield)) is Breach.WRONG_BITFIELD


def test_p4_a_bitfield_before_the_metadata_is_judged_later(talk: Start) -> None:
    us = talk(sizes=False)
    assert us.feed(messages.encode_bitfield(b"\xff")) == [messages.Bitfield(b"\xff")]
    with pytest.raises(PeerError) as caught:
        us.protocol.set_piece_sizes(10, 1, 10)
    assert caught.value.breach is Breach.WRONG_BITFIELD


@pytest.mark.parametrize("kind", [MessageId.HAVE, MessageId.SUGGEST, MessageId.ALLOWED_FAST])
def test_p5_have_beyond_the_last_piece_closes(talk: Start, kind: MessageId) -> None:
    assert len(talk().feed(indexed(kind, 9))) == 1
    assert refusal(talk(), indexed(kind, 10)) is Breach.INDEX_OUT_OF_RANGE
    unknown = talk(sizes=False)
    assert len(unknown.feed(indexed(kind, MAX_PIECES - 1))) == 1
    assert refusal(talk(sizes=False), indexed(kind, MAX_PIECES)) is Breach.INDEX_OUT_OF_RANGE


@pytest.mark.parametrize("kind", [MessageId.REQUEST, MessageId.CANCEL, MessageId.REJECT])
@pytest.mark.parametrize("is_choking", [True, False])
def test_p5_request_beyond_the_last_piece_closes(
    talk: Start, kind: MessageId, is_choking: bool
) -> None:
    us = talk()
    if not is_choking:
        us.protocol.unchoke()
    assert refusal(us, ranged(kind, 10, 0, 1)) is Breach.INDEX_OUT_OF_RANGE


def test_p5_haves_without_end_are_refused(talk: Start) -> None:
    us = talk()
    allowed = 4 * 10 + 1_000
    us.feed(indexed(MessageId.HAVE, 1) * allowed)
    assert refusal(us, indexed(MessageId.HAVE, 1)) is Breach.TOO_MUCH_CHATTER


BAD_RANGES = [(0, 0, 0), (0, 0, 16_385), (0, 32_768, 1), (0, 2**32 - 1, 16_384), (9, 19_999, 2)]


@pytest.mark.parametrize("bad", BAD_RANGES)
def test_p6_a_bad_request_is_rejected_or_closes(talk: Start, bad: tuple[int, int, int]) -> None:
    us = talk()
    us.protocol.unchoke()
    us.sent()
    assert us.feed(ranged(MessageId.REQUEST, *bad)) == []
    assert us.sent() == ranged(MessageId.REJECT, *bad)
    slow = talk(fast=False)
    slow.protocol.unchoke()
    assert refusal(slow, ranged(MessageId.REQUEST, *bad)) is Breach.BAD_REQUEST


def test_p6_bad_requests_are_counted(talk: Start) -> None:
    us = talk()
    us.protocol.unchoke()
    bad = ranged(MessageId.REQUEST, 0, 0, 0)
    assert us.feed(bad * MAX_BAD_REQUESTS) == []
    assert refusal(us, bad) is Breach.BAD_REQUEST


def test_p6_good_requests_reach_the_owner(talk: Start) -> None:
    us = talk()
    us.protocol.unchoke()
    good = [(0, 0, 16_384), (0, 16_384, 16_384), (9, 16_384, 3_616), (3, 5, 7)]
    data = b"".join(ranged(MessageId.REQUEST, *request) for request in good)
    assert us.feed(data) == [Request(*request) for request in good]


def test_p6_no_request_is_good_before_the_metadata(talk: Start) -> None:
    us = talk(sizes=False)
    us.protocol.unchoke()
    us.sent()
    request = (0, 0, 16_384)
    assert us.feed(ranged(MessageId.REQUEST, *request)) == []
    assert us.sent() == ranged(MessageId.REJECT, *request)


def test_p7_300_requests_while_choked_are_refused_one_by_one(talk: Start) -> None:
    request = ranged(MessageId.REQUEST, 1, 0, 16_384)
    for fast in (True, False):
        us = talk(fast=fast)
        assert us.feed(request * MAX_REQUESTS_WHILE_CHOKED) == []
        rejects = ranged(MessageId.REJECT, 1, 0, 16_384) * MAX_REQUESTS_WHILE_CHOKED
        assert us.sent() == (rejects if fast else b"")
        assert refusal(us, request) is Breach.REQUESTS_WHILE_CHOKED


def test_p7_requests_under_way_when_we_choke_are_not_held_against_the_peer(talk: Start) -> None:
    us = talk()
    request = ranged(MessageId.REQUEST, 1, 0, 16_384)
    us.protocol.unchoke()
    us.protocol.choke()
    assert us.feed(request * 2_300) == []
    assert refusal(us, request) is Breach.REQUESTS_WHILE_CHOKED


def test_allowed_fast_pieces_may_be_requested_while_choked(talk: Start) -> None:
    us = talk()
    us.protocol.allowed_fast(1)
    assert us.feed(ranged(MessageId.REQUEST, 1, 0, 16_384)) == [Request(1, 0, 16_384)]
    assert us.feed(ranged(MessageId.REQUEST, 2, 0, 16_384)) == []


def test_p8_a_block_nobody_asked_for_is_waste(talk: Start) -> None:
    us = talk()
    us.protocol.request([(1, 0, 16_384)])
    for index, begin, data in [(2, 0, BLOCK), (1, 1, BLOCK), (1, 0, BLOCK[:-1])]:
        block = messages.encode_block(index, begin, data)
        assert us.feed(block) == [Unrequested(index, begin, len(data))]
    assert us.protocol.unrequested_bytes == 3 * 16_384 - 1
    assert us.protocol.block_bytes_received == 0
    assert list(us.protocol.requested) == [(1, 0, 16_384)]


def test_p8_a_block_comes_once(talk: Start) -> None:
    us = talk()
    us.protocol.request([(1, 0, 16_384)])
    block, extra = us.feed(messages.encode_block(1, 0, BLOCK) * 2)
    assert block == messages.Block(1, 0, memoryview(BLOCK))
    assert extra == Unrequested(1, 0, 16_384)
    assert us.protocol.block_bytes_received == 16_384


def test_p8_more_than_64_kib_unrequested_closes(talk: Start) -> None:
    us = talk()
    us.feed(messages.encode_block(1, 0, BLOCK) * 4)
    assert refusal(us, messages.encode_block(1, 0, b"x")) is Breach.UNREQUESTED_BLOCKS


def test_p8_a_cancelled_block_may_still_come(talk: Start) -> None:
    us = talk()
    us.protocol.request([(1, 0, 16_384)])
    us.protocol.cancel(1, 0, 16_384)
    (block,) = us.feed(messages.encode_block(1, 0, BLOCK))
    assert block.data == BLOCK
    assert us.protocol.unrequested_bytes == 0
    assert us.protocol.block_bytes_received == 16_384


def test_a_choke_drops_our_requests_only_without_the_fast_extension(talk: Start) -> None:
    requests = [(1, 16_384, 16_384), (1, 0, 16_384)]
    for fast in (False, True):
        us = talk(fast=fast)
        us.feed(plain(MessageId.UNCHOKE))
        us.protocol.request(requests)
        dropped = [] if fast else [RequestsDropped(requests)]
        assert us.feed(plain(MessageId.CHOKE)) == [messages.Choke(), *dropped]
        assert list(us.protocol.requested) == (requests if fast else [])
        (block,) = us.feed(messages.encode_block(1, 0, BLOCK))
        assert isinstance(block, messages.Block)


def test_p10_a_reject_is_told_if_it_was_asked_for(talk: Start) -> None:
    us = talk()
    us.protocol.request([(1, 0, 16_384), (2, 0, 16_384)])
    us.protocol.cancel(2, 0, 16_384)
    for index in (1, 2, 3):
        events = us.feed(ranged(MessageId.REJECT, index, 0, 16_384))
        assert events == ([messages.Reject(1, 0, 16_384)] if index == 1 else [])
    assert not us.protocol.requested


def test_p10_rejects_without_end_close(talk: Start) -> None:
    us = talk()
    reject = ranged(MessageId.REJECT, 1, 0, 16_384)
    us.feed(reject * 50)
    assert refusal(us, reject) is Breach.TOO_MANY_REJECTS


@pytest.mark.parametrize(
    "data",
    [
        plain(MessageId.HAVE_ALL),
        plain(MessageId.HAVE_NONE),
        indexed(MessageId.SUGGEST, 1),
        indexed(MessageId.ALLOWED_FAST, 1),
        ranged(MessageId.REJECT, 1, 0, 1),
    ],
)
def test_words_of_the_fast_extension_close_without_it(talk: Start, data: bytes) -> None:
    assert len(talk().feed(data)) == (0 if data[4] == MessageId.REJECT else 1)
    assert refusal(talk(fast=False), data) is Breach.NOT_AGREED


@pytest.mark.parametrize(
    "data",
    [
        messages.KEEP_ALIVE,
        plain(MessageId.CHOKE),
        plain(MessageId.UNCHOKE) + plain(MessageId.CHOKE),
        indexed(MessageId.SUGGEST, 1),
        messages.encode_port(1),
        ranged(MessageId.CANCEL, 1, 0, 1),
    ],
)
def test_p10_a_flood_without_data_is_refused(talk: Start, data: bytes) -> None:
    us = talk()
    assert refusal(us, data * 20_001) is Breach.TOO_MUCH_CHATTER


def test_p15_the_extension_table_is_additive_and_bounded(talk: Start) -> None:
    us = talk()
    (event,) = us.feed(messages.encode_extended(0, b"d1:md1:ai1e1:bi2eee"))
    assert event == ExtensionHandshakeReceived(ExtensionHandshake({"a": 1, "b": 2}))
    us.feed(messages.encode_extended(0, b"d1:md1:ai0e1:bi5e1:ci6eee"))
    assert us.protocol.remote_extensions == {"b": 5, "c": 6}
    for start in (0, 60):
        names = {f"{start}_{i}": i + 1 for i in range(60)}
        us.feed(messages.encode_extended(0, ExtensionHandshake(names).encode()))
    assert len(us.protocol.remote_extensions) == 64
    assert us.protocol.remote_extensions["b"] == 5


def test_p15_repeated_handshakes_have_a_budget(talk: Start) -> None:
    us = talk()
    us.feed(messages.encode_extended(0, b"de") * 10)
    assert refusal(us, messages.encode_extended(0, b"de")) is Breach.TOO_MANY_UNKNOWN


def test_p15_a_malformed_handshake_closes(talk: Start) -> None:
    for payload in (b"", b"d1:m"):
        data = messages.encode_extended(0, payload)
        assert refusal(talk(), data) is Breach.BAD_EXTENSION_HANDSHAKE


def test_extension_messages_come_by_name(talk: Start) -> None:
    us = talk()
    us.protocol.send_extension_handshake(ExtensionHandshake({"ut_pex": 1, "ut_metadata": 2}))
    assert us.feed(messages.encode_extended(1, b"de") + messages.encode_extended(2, b"")) == [
        ExtensionMessage("ut_pex", b"de"),
        ExtensionMessage("ut_metadata", b""),
    ]
    us.protocol.send_extension_handshake(ExtensionHandshake({"ut_pex": 0, "ut_metadata": 3}))
    assert us.feed(messages.encode_extended(1, b"de") + messages.encode_extended(2, b"")) == []
    assert us.feed(messages.encode_extended(3, b"x")) == [ExtensionMessage("ut_metadata", b"x")]


def test_a_peer_may_take_a_piece_back(talk: Start) -> None:
    for fast in (False, True):
        us = talk(fast=fast)
        us.protocol.send_extension_handshake(ExtensionHandshake({"lt_donthave": 1}))
        us.protocol.request([(3, 0, 16_384), (4, 0, 16_384)])
        dropped = [] if fast else [RequestsDropped([(3, 0, 16_384)])]
        events = us.feed(messages.encode_extended(1, b"\0\0\0\x03"))
        assert events == [DontHave(3), *dropped]
        assert us.feed(messages.encode_extended(1, b"\0\0\0\x05")) == [DontHave(5)]


def test_p5_a_piece_taken_back_must_exist(talk: Start) -> None:
    for payload, breach in (
        (b"\0\0\0\x0a", Breach.INDEX_OUT_OF_RANGE),
        (b"\0\0\0", Breach.BAD_EXTENSION_MESSAGE),
        (b"\0\0\0\0\0", Breach.MESSAGE_TOO_LONG),
    ):
        us = talk()
        us.protocol.send_extension_handshake(ExtensionHandshake({"lt_donthave": 1}))
        assert refusal(us, messages.encode_extended(1, payload)) is breach
