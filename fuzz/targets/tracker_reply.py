"""A tracker's reply to an announce or a scrape as the client reads it, and tracker URLs."""

from tracker.errors import TrackerError
from tracker.reply import KEPT_PEERS, KEPT_TEXT, parse_response, parse_swarms
from tracker.tracker_url import parse_url, redirected, scrape_url, with_query

_BASE = parse_url("https://tracker.test/announce")

SEEDS: list[bytes] = [
    b"d8:completei1e10:downloadedi3e11:external ip4:\1\2\3\x0410:incompletei2e8:intervali1800e"
    b"12:min intervali300e5:peers12:\1\2\3\4\x1a\xe1\5\6\7\x08\0\x506:peers618:\x20\x01"
    b"\x0d\xb8aaaaaaaaaaaapp10:tracker id3:abc15:warning message5:hello\x65",
    b"d8:intervali900e5:peersld2:ip7:1.2.3.47:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881eeee",
    b"d14:failure reason10:Overloaded8:retry in1:5e",
    b"d14:failure reason13:Not a tracker8:retry in5:nevere",
    b"d5:filesd20:xxxxxxxxxxxxxxxxxxxxd8:completei11e10:downloadedi13772e10:incompletei19eeee",
    b"http://user:pass@tracker.example:6969/announce?key=%41#x",
    b"//[2001:db8::1]:80/a b",
]


def execute(data: bytes) -> None:
    """Read `data` as every kind of reply; only TrackerError may come."""
    try:
        response = parse_response(data)
        assert len(response.peers) <= KEPT_PEERS
        assert all(0 < port < 65536 for _, port in response.peers)
        assert response.warning is None or len(response.warning) <= KEPT_TEXT
    except TrackerError as error:
        assert str(error).isprintable()
    for read in (parse_swarms, _follow, _parse):
        try:
            read(data)
        except TrackerError:
            pass


def _follow(data: bytes) -> None:
    target = redirected(_BASE, data.decode("latin-1"))
    assert target.scheme == "https"
    assert target.raw_host


def _parse(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    asked = str(with_query(parse_url(text), "a=%00"))
    assert asked.isascii()
    assert asked.isprintable()
    assert " " not in asked
    scrape_url(text)
