"""Torrent files: whatever is accepted has safe paths, sums that agree and survives a round trip."""

from formats.bencode import encode
from formats.metainfo import MetainfoError, encode_metainfo, parse_info, parse_metainfo
from formats.safe_path import is_safe_element

_SINGLE = {
    b"length": 40_000,
    b"name": b"file.txt",
    b"piece length": 16_384,
    b"pieces": b"h" * 60,
    b"private": 1,
    b"source": b"here",
}
_FILES = [
    {b"length": 10, b"path": [b"dir", b"a.txt"]},
    {b"length": 16_374, b"path": [b".pad", b"16374"], b"attr": b"p"},
    {b"length": 20, b"path": [b"dir", b"A.TXT"], b"path.utf-8": [b"dir", b"A.TXT"]},
    {b"length": 0, b"path": [b"..", b"link"], b"attr": b"lxh", b"symlink path": [b"dir"]},
]
_MULTI = {
    b"files": _FILES,
    b"meta version": 2,
    b"name": b"folder",
    b"name.utf-8": "földer".encode(),
    b"piece length": 16_384,
    b"pieces": b"h" * 40,
}

SEEDS: list[bytes] = [
    encode({b"announce": b"http://tracker.example/announce", b"info": _SINGLE}),
    encode(
        {
            b"announce-list": [
                [b"udp://a.example:1", b"http://b.example/"],
                [b"https://c.example"],
            ],
            b"comment": b"text",
            b"created by": b"someone",
            b"creation date": 1_700_000_000,
            b"info": _MULTI,
            b"nodes": [[b"router.example", 6881], [b"::1", 1]],
            b"url-list": [b"http://seed.example/"],
        }
    ),
    b"d4:infod6:lengthi1e12:piece lengthi1e6:pieces20:aaaaaaaaaaaaaaaaaaaa4:name1:xee",
]


def execute(data: bytes) -> None:
    """Parse one torrent file."""
    try:
        metainfo = parse_metainfo(data)
    except MetainfoError:
        return
    assert metainfo.total_size == sum(file.length for file in metainfo.files) > 0
    assert metainfo.total_size == sum(map(metainfo.piece_size, range(metainfo.piece_count)))
    stored = [file.path for file in metainfo.files if file.is_stored]
    assert len(set(stored)) == len(stored)
    assert all(is_safe_element(element) for path in stored for element in path)
    assert parse_info(metainfo.info_bytes).info_hash == metainfo.info_hash
    assert parse_metainfo(encode_metainfo(metainfo)) == metainfo
