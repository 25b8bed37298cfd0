"""Bencode, strict and on the wire: what is accepted must survive every other way of reading it."""

from formats import bencode
from formats.bencode import METAINFO, WIRE, BencodeError, Value

SEEDS: list[bytes] = [
    b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
    b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
    b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
    b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxxxxxx",
    b"d1:md11:ut_metadatai1e6:ut_pexi2ee1:pi6881e1:v13:\xc2\xb5Torrent 1.2e",
    b"d8:announce4:http4:infod5:filesld6:lengthi5e4:pathl1:a1:beee4:name1:n"
    b"12:piece lengthi16384e6:pieces20:01234567890123456789ee",
    b"d8:intervali1800e5:peers12:abcdefghijkle",
    b"lli-9223372036854775808ei9223372036854775807eeldedeleee",
    b"i0e",
    b"0:",
]


def execute(data: bytes) -> None:
    """Read `data` both ways and compare."""
    strict = _decode(data, METAINFO)
    wire = _decode(data, WIRE)
    if strict is not None:
        assert bencode.encode(strict) == data  # strict means canonical
    if wire is not None:
        assert strict is None or strict == wire
        assert bencode.decode_prefix(memoryview(data + b"e"), WIRE) == (wire, len(data))
        assert bencode.decode(bencode.encode(wire), METAINFO) == wire
    try:
        info = bencode.raw_value(data, b"info", WIRE)
    except BencodeError:
        assert type(wire) is not dict or b"info" not in wire
    else:
        assert type(wire) is dict
        assert bencode.decode(info, WIRE) == wire[b"info"]


def _decode(data: bytes, limits: bencode.Limits) -> Value | None:
    try:
        value, end = bencode.decode_prefix(data, limits)
        assert 0 < end <= len(data)
        assert end == len(data) or value == bencode.decode(data[:end], limits)
        return bencode.decode(data, limits)
    except BencodeError:
        return None
