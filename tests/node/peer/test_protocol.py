"""Framing, handshake and deadlines: protocol against protocol, bytes carried by hand."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.identifiers import InfoHash, PeerId
from node.peer import messages
from node.peer.errors import Breach, PeerError
from node.peer.events import Event, HandshakeReceived
from node.peer.extension import ExtensionHandshake
from node.peer.handshake import Handshake
from node.peer.messages import Block, MessageId, Request
from node.peer.protocol import PeerProtocol

Start = Callable[..., Any]
INFO_HASH = InfoHash(b"\xaa" * 20)
US = Handshake(INFO_HASH, PeerId(b"u" * 20))
THEM = Handshake(INFO_HASH, PeerId(b"t" * 20), dht=True)
SIZES = (4, 32_768, 4 * 32_768)


def answer(info_hash: InfoHash) -> Handshake | None:
    return THEM if info_hash == INFO_HASH else None


def copy(event: Event) -> Event:
    """An event whose block outlives its buffer."""
    if isinstance(event, Block):
        return Block(event.index, event.begin, memoryview(bytes(event.data)))
    return event


class End:
    """A protocol with what it has not read yet."""

    def __init__(self, protocol: PeerProtocol) -> None:
        self.protocol = protocol
        self.waiting = b""
        self.events: list[Event] = []

    def deliver(self, data: bytes) -> None:
        self.waiting += data
        taken = -1
        while taken:
            taken, events = self.protocol.receive(memoryview(self.waiting))
            self.events += [copy(event) for event in events]
            self.waiting = self.waiting[taken:]


def carry(sender: End, receiver: End, step: int) -> None:
    data = sender.protocol.data_to_send()
    for at in range(0, len(data), step):
        receiver.deliver(data[at : at + step])


@pytest.mark.parametrize("step", [1, 7, 1_000_000])
def test_two_protocols_understand_each_other_however_the_bytes_are_cut(step: int) -> None:
    leech, seed = End(PeerProtocol.outgoing(US, 0.0)), End(PeerProtocol.incoming(answer, 0.0))
    carry(leech, seed, step)
    carry(seed, leech, step)
    assert seed.events == [HandshakeReceived(INFO_HASH, US.peer_id)]
    assert leech.events == [HandshakeReceived(INFO_HASH, THEM.peer_id)]
    for end in (leech, seed):
        end.events.clear()
        end.protocol.set_piece_sizes(*SIZES)
        assert end.protocol.supports_fast and end.protocol.supports_extensions
        assert not end.protocol.supports_dht

    seed.protocol.send_bitfield(b"\xf0")
    seed.protocol.unchoke()
    carry(seed, leech, step)
    assert leech.events == [messages.HaveAll(), messages.Unchoke()]
    leech.protocol.interested()
    leech.protocol.request([(0, 0, 16_384), (3, 16_384, 100)])
    carry(leech, seed, step)
    assert seed.events == [messages.Interested(), Request(0, 0, 16_384), Request(3, 16_384, 100)]

    leech.events.clear()
    data = bytes(range(256)) * 64
    upload = messages.encode_block(3, 16_384, data[:100]) + messages.encode_block(0, 0, data)
    for at in range(0, len(upload), step):
        leech.deliver(upload[at : at + step])
    assert leech.events == [
        Block(3, 16_384, memoryview(data[:100])),
        Block(0, 0, memoryview(data)),
    ]
    assert not leech.protocol.requested
    assert not leech.waiting and not seed.waiting


def test_the_answer_is_queued_before_the_owner_hears_of_the_stranger() -> None:
    protocol = PeerProtocol.incoming(answer, 0.0)
    assert protocol.data_to_send() == b""
    assert not protocol.is_outgoing
    protocol.receive(memoryview(US.encode()))
    assert protocol.data_to_send() == THEM.encode()
    assert (protocol.local, protocol.remote) == (THEM, US)


def test_the_handshake_is_alone_in_its_batch() -> None:
    protocol = PeerProtocol.outgoing(US, 0.0)
    data = memoryview(THEM.encode() + messages.encode_plain(MessageId.HAVE_ALL))
    assert protocol.receive(data) == (68, [HandshakeReceived(INFO_HASH, THEM.peer_id)])
    assert protocol.receive(data[68:]) == (5, [messages.HaveAll()])


def test_a_block_is_a_view_of_the_buffer(talk: Start) -> None:
    us = talk()
    us.protocol.request([(1, 0, 4)])
    buffer = bytearray(messages.encode_block(1, 0, b"data"))
    _, (block,) = us.protocol.receive(memoryview(buffer))
    buffer[-4:] = b"DATA"
    assert block.data == b"DATA"


def test_an_unknown_info_hash_is_refused_without_a_word() -> None:
    protocol = PeerProtocol.incoming(answer, 0.0)
    stranger = Handshake(InfoHash(b"\xbb" * 20), US.peer_id)
    with pytest.raises(PeerError) as caught:
        protocol.receive(memoryview(stranger.encode()))
    assert caught.value.breach is Breach.UNKNOWN_INFO_HASH
    assert protocol.data_to_send() == b""


def test_another_info_hash_than_we_asked_for_is_refused() -> None:
    protocol = PeerProtocol.outgoing(US, 0.0)
    with pytest.raises(PeerError) as caught:
        protocol.receive(memoryview(Handshake(InfoHash(b"\xbb" * 20), THEM.peer_id).encode()))
    assert caught.value.breach is Breach.WRONG_INFO_HASH


def test_p16_both_ends_of_a_connection_to_ourselves_notice() -> None:
    one, other = PeerProtocol.outgoing(THEM, 0.0), PeerProtocol.incoming(answer, 0.0)
    for protocol, data in ((other, one.data_to_send()), (one, THEM.encode())):
        with pytest.raises(PeerError) as caught:
            protocol.receive(memoryview(data))
        assert caught.value.breach is Breach.OURSELVES
    assert other.data_to_send() == THEM.encode()  # so that the dialling end learns it, too


@pytest.mark.parametrize("length", [512_003, 2**21 + 1, 2**31, 2**32 - 1])
def test_p1_an_absurd_length_is_refused_by_its_four_bytes(talk: Start, length: int) -> None:
    us = talk()
    with pytest.raises(PeerError) as caught:
        us.protocol.receive(memoryview(length.to_bytes(4)))
    assert caught.value.breach is Breach.MESSAGE_TOO_LONG


@pytest.mark.parametrize("kind", list(MessageId))
@pytest.mark.parametrize("excess", [0, 100])
def test_p2_a_length_that_does_not_match_is_refused_by_its_head(
    talk: Start, kind: MessageId, excess: int
) -> None:
    shortest, longest = messages.LENGTHS[kind]
    us = talk()
    with pytest.raises(PeerError) as caught:
        us.protocol.receive(memoryview((longest + 1).to_bytes(4) + bytes([kind]) + bytes(excess)))
    assert caught.value.breach is Breach.MESSAGE_TOO_LONG
    if shortest > 1:
        with pytest.raises(PeerError) as caught:
            us.protocol.receive(memoryview((shortest - 1).to_bytes(4) + bytes([kind])))
        assert caught.value.breach is Breach.WRONG_LENGTH


@pytest.mark.parametrize("name", ["ut_metadata", "ut_pex", "anything"])
def test_p1_extended_messages_are_as_long_as_their_name_allows(talk: Start, name: str) -> None:
    limit = 500 * 1024 if name == "ut_pex" else 17 * 1024
    us = talk()
    us.protocol.send_extension_handshake(ExtensionHandshake({name: 5}))
    (event,) = us.feed(messages.encode_extended(5, bytes(limit)))
    assert len(event.payload) == limit
    with pytest.raises(PeerError) as caught:
        us.protocol.receive(memoryview(messages.encode_extended(5, bytes(limit + 1))[:6]))
    assert caught.value.breach is Breach.MESSAGE_TOO_LONG


def test_p9_a_handshake_must_be_whole_within_ten_seconds() -> None:
    protocol = PeerProtocol.incoming(answer, 5.0)
    protocol.receive(memoryview(US.encode()[:67]))
    protocol.tick(14.9)
    with pytest.raises(PeerError) as caught:
        protocol.tick(15.0)
    assert caught.value.breach is Breach.HANDSHAKE_TIMEOUT


def test_p9_bytes_that_complete_no_message_do_not_keep_a_peer_alive(talk: Start) -> None:
    us = talk()
    us.protocol.tick(1.0)
    assert us.protocol.receive(memoryview(b"\0\0\0\x05\x04\0\0\0")) == (0, [])
    us.protocol.tick(120.9)
    with pytest.raises(PeerError) as caught:
        us.protocol.tick(121.0)
    assert caught.value.breach is Breach.SILENT


def test_p9_a_keep_alive_is_a_sign_of_life(talk: Start) -> None:
    us = talk()
    for now in range(100, 1_000, 100):
        us.feed(messages.KEEP_ALIVE)
        us.protocol.tick(float(now))
    us.protocol.note_reading_paused()
    us.protocol.tick(1_019.0)
    us.protocol.tick(1_138.0)


def test_p12_a_peer_that_promises_and_does_not_send_is_snubbed(talk: Start) -> None:
    us = talk()
    us.feed(messages.encode_plain(MessageId.HAVE_ALL) + messages.encode_plain(MessageId.UNCHOKE))
    us.protocol.tick(10.0)
    us.protocol.request([(0, 0, 16_384)])
    us.protocol.tick(69.0)
    assert not us.protocol.snubbed
    us.protocol.tick(70.0)
    assert us.protocol.snubbed
    us.feed(messages.encode_block(0, 0, bytes(16_384)))
    us.protocol.tick(71.0)
    assert not us.protocol.snubbed


WORDS = [
    messages.KEEP_ALIVE,
    messages.encode_plain(MessageId.UNCHOKE),
    messages.encode_plain(MessageId.CHOKE),
    messages.encode_plain(MessageId.INTERESTED),
    messages.encode_index(MessageId.HAVE, 2),
    messages.encode_request(MessageId.REQUEST, 1, 0, 16_384),
    messages.encode_request(MessageId.CANCEL, 1, 0, 16_384),
    messages.encode_block(1, 0, b"0123456789abcdef"),
    messages.encode_block(1, 16, b"x"),
    messages.encode_extended(0, b"d1:md6:ut_pexi1eee"),
    messages.encode_extended(1, b"de"),
    messages.encode_port(6881),
    b"\0\0\0\x02\x63?",
]


def listener() -> End:
    end = End(PeerProtocol.outgoing(US, 0.0))
    end.deliver(THEM.encode())
    end.protocol.set_piece_sizes(*SIZES)
    end.protocol.unchoke()
    end.protocol.send_extension_handshake(ExtensionHandshake({"ut_pex": 1}))
    end.protocol.request([(1, 0, 16), (1, 16, 1)])
    return end


@given(
    words=st.lists(st.sampled_from(WORDS), max_size=20),
    cuts=st.lists(st.integers(0, 400), max_size=10),
    rest=st.binary(max_size=3),
)
def test_what_is_heard_does_not_depend_on_the_cuts(
    words: list[bytes], cuts: list[int], rest: bytes
) -> None:
    data = b"".join(words) + rest
    whole, pieces = listener(), listener()
    heard = []
    for end, points in ((whole, [0, len(data)]), (pieces, [0, *sorted(cuts), len(data)])):
        try:
            for start, stop in itertools.pairwise(points):
                end.deliver(data[start:stop])
        except PeerError as error:
            heard.append(error.breach)
        else:
            heard.append((end.events, end.waiting, end.protocol.data_to_send()))
            assert end.waiting == rest
    assert heard[0] == heard[1]
