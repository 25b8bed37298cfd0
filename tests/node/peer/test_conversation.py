from collections.abc import Callable
from typing import Any

import pytest

from node.peer import messages
from node.peer.extension import ExtensionHandshake
from node.peer.messages import MessageId

Start = Callable[..., Any]


def plain(kind: MessageId) -> bytes:
    return messages.encode_plain(kind)


def test_starts_choked_and_not_interested_and_says_only_changes(talk: Start) -> None:
    us = talk()
    protocol = us.protocol
    assert protocol.am_choking and protocol.peer_choking
    assert not protocol.am_interested and not protocol.peer_interested
    protocol.choke()
    protocol.not_interested()
    assert us.sent() == b""
    protocol.unchoke()
    protocol.unchoke()
    protocol.interested()
    protocol.interested()
    assert us.sent() == plain(MessageId.UNCHOKE) + plain(MessageId.INTERESTED)
    assert us.sent() == b""
    protocol.choke()
    protocol.not_interested()
    assert us.sent() == plain(MessageId.CHOKE) + plain(MessageId.NOT_INTERESTED)


@pytest.mark.parametrize(
    ("fast", "pieces", "wire"),
    [
        (True, b"", "00000001 0f"),
        (True, b"\x00\x00", "00000001 0f"),
        (True, b"\xff\xc0", "00000001 0e"),
        (True, b"\xff\x80", "00000003 05 ff80"),
        (False, b"", ""),
        (False, b"\x00\x00", ""),
        (False, b"\xff\xc0", "00000003 05 ffc0"),
    ],
)
def test_our_pieces_are_said_in_the_shortest_form(
    talk: Start, fast: bool, pieces: bytes, wire: str
) -> None:
    us = talk(fast=fast)
    us.protocol.send_bitfield(pieces)
    assert us.sent() == bytes.fromhex(wire)


def test_requests_leave_in_order_and_are_remembered(talk: Start) -> None:
    us = talk()
    requests = [(1, 0, 16_384), (0, 16_384, 16_384), (9, 0, 20)]
    us.protocol.request(iter(requests))
    assert us.sent() == b"".join(
        messages.encode_request(MessageId.REQUEST, *request) for request in requests
    )
    assert list(us.protocol.requested) == requests


def test_only_what_was_requested_is_cancelled(talk: Start) -> None:
    us = talk()
    us.protocol.request([(1, 0, 16_384)])
    us.sent()
    us.protocol.cancel(1, 0, 16_384)
    us.protocol.cancel(1, 0, 16_384)
    us.protocol.cancel(2, 0, 16_384)
    assert us.sent() == messages.encode_request(MessageId.CANCEL, 1, 0, 16_384)
    assert not us.protocol.requested


def test_words_of_the_fast_extension_stay_unsaid_without_it(talk: Start) -> None:
    for fast in (False, True):
        us = talk(fast=fast)
        us.protocol.reject(1, 0, 16_384)
        us.protocol.suggest(3)
        us.protocol.allowed_fast(4)
        said = (
            messages.encode_request(MessageId.REJECT, 1, 0, 16_384)
            + messages.encode_index(MessageId.SUGGEST, 3)
            + messages.encode_index(MessageId.ALLOWED_FAST, 4)
        )
        assert us.sent() == (said if fast else b"")


def test_the_dht_port_is_told_to_those_who_run_one(talk: Start) -> None:
    for dht in (False, True):
        us = talk(dht=dht)
        us.protocol.port(6881)
        assert us.sent() == (messages.encode_port(6881) if dht else b"")


def test_haves_and_keep_alives(talk: Start) -> None:
    us = talk()
    assert not us.protocol.has_data_to_send
    us.protocol.have(7)
    us.protocol.keep_alive()
    assert us.protocol.has_data_to_send
    assert us.sent() == messages.encode_index(MessageId.HAVE, 7) + b"\0\0\0\0"


def test_extensions_are_used_under_the_ids_of_the_peer(talk: Start) -> None:
    us = talk()
    assert not us.protocol.send_extension("ut_pex", b"de")
    us.feed(messages.encode_extended(0, b"d1:md6:ut_pexi9eee"))
    assert us.protocol.send_extension("ut_pex", b"de")
    assert us.sent() == messages.encode_extended(9, b"de")


def test_the_extension_handshake_is_for_those_who_know_it(talk: Start) -> None:
    handshake = ExtensionHandshake({"ut_pex": 1})
    for extensions in (False, True):
        us = talk(extensions=extensions)
        us.protocol.send_extension_handshake(handshake)
        said = messages.encode_extended(0, handshake.encode())
        assert us.sent() == (said if extensions else b"")


def test_the_keep_alive_comes_by_itself(talk: Start) -> None:
    us = talk()
    us.protocol.tick(0.0)
    us.protocol.tick(99.9)
    assert us.sent() == b""
    us.protocol.tick(100.0)
    assert us.sent() == messages.KEEP_ALIVE
    us.protocol.tick(101.0)
    us.protocol.note_blocks_sent()
    us.feed(messages.KEEP_ALIVE)
    us.protocol.tick(150.0)
    us.protocol.tick(249.0)
    assert us.sent() == b""
    us.protocol.tick(250.0)
    assert us.sent() == messages.KEEP_ALIVE
