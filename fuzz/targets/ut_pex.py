"""ut_pex: only PexError leaves the parser, and what it keeps can be sent on."""

from formats.bencode import encode
from formats.endpoint import Endpoint
from pex.message import MOST_CONTACTS, PeerFlags, PexError, PexMessage, parse_pex

SEEDS: list[bytes] = [
    PexMessage(
        {
            Endpoint("1.2.3.4", 6881): PeerFlags.SEED,
            Endpoint("5.6.7.8", 51413): PeerFlags.OUTGOING,
            Endpoint("2001:db8::1", 6881): PeerFlags.UTP,
        },
        (Endpoint("9.8.7.6", 1), Endpoint("2001:db8::2", 2)),
    ).encode(),
    # libtorrent writes every field, empty ones too.
    b"d5:added6:\x7f\0\0\x01\x1a\xe17:added.f1:\x026:added60:8:added6.f0:7:dropped0:8:dropped60:e",
    encode({b"added": bytes(range(1, 121)) * 4, b"added.f": bytes(80)}),
    encode({b"added6": bytes(10) + b"\xff\xff\x01\x02\x03\x04\x1a\xe1", b"added6.f": b"\xff"}),
    b"de",
]


def execute(data: bytes) -> None:
    """Parse, check the bounds, encode and parse again."""
    try:
        parsed = parse_pex(data)
    except PexError:
        return
    message = parsed.message
    assert len(message.added) <= MOST_CONTACTS
    assert len(message.dropped) <= MOST_CONTACTS
    assert all(contact.port for contact in (*message.added, *message.dropped))
    again = parse_pex(message.encode())
    assert not again.faults
    assert dict(sorted(again.message.added.items())) == dict(sorted(message.added.items()))
    assert sorted(again.message.dropped) == sorted(message.dropped)
