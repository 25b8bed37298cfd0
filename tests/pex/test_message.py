import libtorrent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.bencode import encode
from formats.endpoint import Endpoint, pack, pack_many
from pex.message import (
    MAX_SIZE,
    MOST_CONTACTS,
    TOLERATED_CONTACTS,
    Faults,
    PeerFlags,
    PexError,
    PexMessage,
    parse_pex,
)

ONE = Endpoint("1.2.3.4", 6881)
TWO = Endpoint("5.6.7.8", 51413)
SIX = Endpoint("2001:db8::1", 6881)
NO_FLAGS = PeerFlags(0)


def many(count: int, *, first: int = 0) -> list[Endpoint]:
    return [Endpoint(f"9.{n // 250}.{n % 250}.1", 6881) for n in range(first, first + count)]


def many6(count: int) -> list[Endpoint]:
    return [Endpoint(f"2001:db8:0:{n + 1:x}::1", 6881) for n in range(count)]


def packed(contacts: list[Endpoint]) -> bytes:
    return b"".join(map(pack, contacts))


def test_a_message_as_the_bep_lays_it_out() -> None:
    message = PexMessage({ONE: PeerFlags.SEED | PeerFlags.OUTGOING, SIX: PeerFlags.UTP}, (TWO,))
    assert message.encode() == (
        b"d5:added6:\x01\x02\x03\x04\x1a\xe1"
        b"7:added.f1:\x12"
        b"6:added618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1"
        b"8:added6.f1:\x04"
        b"7:dropped6:\x05\x06\x07\x08\xc8\xd5e"
    )
    parsed = parse_pex(message.encode())
    assert parsed.message == message
    assert parsed.faults is Faults.NONE


def test_another_implementation_reads_what_we_write() -> None:
    message = PexMessage({ONE: PeerFlags.SEED, SIX: NO_FLAGS}, (TWO,))
    assert libtorrent.bdecode(message.encode()) == {
        b"added": pack(ONE),
        b"added.f": b"\x02",
        b"added6": pack(SIX),
        b"added6.f": b"\0",
        b"dropped": pack(TWO),
    }


def test_libtorrent_writes_every_field_and_some_are_empty() -> None:
    payload = libtorrent.bencode(
        {
            b"added": pack(ONE),
            b"added.f": b"\x03",
            b"added6": b"",
            b"added6.f": b"",
            b"dropped": b"",
            b"dropped6": b"",
        }
    )
    parsed = parse_pex(payload)
    assert parsed.message.added == {ONE: PeerFlags.PREFERS_ENCRYPTION | PeerFlags.SEED}
    assert not parsed.faults


def test_flags_are_optional_and_unknown_bits_stay() -> None:
    assert parse_pex(encode({b"added": pack(ONE)})).message.added == {ONE: NO_FLAGS}
    odd = parse_pex(encode({b"added": pack(ONE), b"added.f": b"\xe2"})).message.added[ONE]
    assert PeerFlags.SEED in odd
    assert int(odd) == 0xE2


def test_x2_the_first_fifty_are_kept_and_up_to_a_hundred_are_no_fault() -> None:
    contacts = many(TOLERATED_CONTACTS)
    parsed = parse_pex(encode({b"added": packed(contacts), b"dropped": packed(contacts)}))
    assert list(parsed.message.added) == contacts[:MOST_CONTACTS]
    assert list(parsed.message.dropped) == contacts[:MOST_CONTACTS]
    assert not parsed.faults


@pytest.mark.parametrize("kind", [b"added", b"dropped"])
def test_x2_over_a_hundred_are_a_fault(kind: bytes) -> None:
    ipv4, ipv6 = many(60), many6(41)
    parsed = parse_pex(encode({kind: packed(ipv4), kind + b"6": packed(ipv6)}))
    assert parsed.faults is Faults.TOO_MANY


def test_neither_family_takes_all_the_room() -> None:
    ipv4, ipv6 = many(50), many6(50)
    kept = list(parse_pex(encode({b"added": packed(ipv4), b"added6": packed(ipv6)})).message.added)
    assert kept == ipv4[:25] + ipv6[:25]
    few = many6(3)
    kept = list(parse_pex(encode({b"added": packed(ipv4), b"added6": packed(few)})).message.added)
    assert kept == ipv4[:47] + few


@pytest.mark.parametrize(
    "field",
    [
        {b"added6": pack(SIX)[:-1]},
        {b"added6": 7},
        {b"dropped": pack(ONE) + b"x"},
        {b"dropped6": [b"x"]},
    ],
)
def test_x2_a_malformed_field_is_ignored(field: dict[bytes, bytes]) -> None:
    parsed = parse_pex(encode({b"added": pack(ONE), b"added.f": b"\x02", **field}))
    assert parsed.message == PexMessage({ONE: PeerFlags.SEED})
    assert parsed.faults is Faults.MALFORMED_FIELD


@pytest.mark.parametrize("flags", [b"", b"\x02\x02", 2])
def test_x2_flags_that_do_not_match_are_ignored(flags: bytes | int) -> None:
    parsed = parse_pex(encode({b"added": pack(ONE), b"added.f": flags}))
    assert parsed.message.added == {ONE: NO_FLAGS}
    assert parsed.faults is Faults.MALFORMED_FIELD


def test_x2_twice_or_added_and_dropped_counts_once_and_is_no_fault() -> None:
    parsed = parse_pex(
        encode({b"added": pack(ONE) + pack(ONE), b"added.f": b"\x02\0", b"dropped": pack(ONE)})
    )
    assert parsed.message == PexMessage({ONE: PeerFlags.SEED}, (ONE,))
    assert not parsed.faults


def test_x2_a_message_of_more_than_500_kib_is_refused() -> None:
    filler = MAX_SIZE - len(encode({b"x": b"." * 500_000})) + 500_000
    assert parse_pex(encode({b"x": b"." * filler})).message == PexMessage()
    with pytest.raises(PexError):
        parse_pex(encode({b"x": b"." * (filler + 1)}))


@pytest.mark.parametrize("payload", [b"", b"le", b"i1e", b"d", b"d5:added", b"de\0"])
def test_what_is_no_dictionary_is_refused(payload: bytes) -> None:
    with pytest.raises(PexError, match="a peer exchange message is no dictionary"):
        parse_pex(payload)


def test_x3_port_0_is_dropped_and_the_flags_stay_with_their_contacts() -> None:
    nowhere = Endpoint("7.7.7.7", 0)
    payload = encode({b"added": packed([ONE, nowhere, TWO]), b"added.f": b"\x01\x02\x04"})
    assert parse_pex(payload).message.added == {
        ONE: PeerFlags.PREFERS_ENCRYPTION,
        TWO: PeerFlags.UTP,
    }


def test_x3_a_mapped_address_becomes_what_it_is() -> None:
    mapped = bytes(10) + b"\xff\xff" + pack(ONE)
    assert list(parse_pex(encode({b"added6": mapped})).message.added) == [ONE]


@given(
    st.dictionaries(
        st.tuples(st.binary(min_size=4, max_size=4), st.integers(1, 65_535)),
        st.integers(0, 255),
        max_size=MOST_CONTACTS,
    )
)
def test_what_is_written_is_read(source: dict[tuple[bytes, int], int]) -> None:
    added = {
        Endpoint(".".join(map(str, host)), port): PeerFlags(flags)
        for (host, port), flags in source.items()
    }
    message = PexMessage(added, tuple(added))
    assert parse_pex(message.encode()).message == message
    assert pack_many(added)[0] in message.encode()
