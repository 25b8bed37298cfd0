import dataclasses
import hashlib
import time
from pathlib import Path
from typing import Any

import libtorrent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.bencode import Value, encode
from formats.metainfo import (
    File,
    Metainfo,
    MetainfoError,
    PieceHashes,
    encode_metainfo,
    parse_info,
    parse_metainfo,
)
from formats.safe_path import is_safe_element

PIECE = b"h" * 20


def single(**changes: Value | None) -> dict[bytes, Value]:
    """An info dictionary of one file of 40,000 bytes; underscores in keys stand for spaces."""
    info: dict[bytes, Value] = {
        b"length": 40_000,
        b"name": b"file.txt",
        b"piece length": 16_384,
        b"pieces": PIECE * 3,
    }
    return changed(info, changes)


def multi(*files: tuple[int, list[str]], **changes: Value | None) -> dict[bytes, Value]:
    """An info dictionary with one piece of files, each given as its length and path."""
    listed: list[Value] = [
        {b"length": length, b"path": [element.encode() for element in path]}
        for length, path in files
    ]
    info: dict[bytes, Value] = {
        b"files": listed,
        b"name": b"folder",
        b"piece length": 16_384,
        b"pieces": PIECE,
    }
    return changed(info, changes)


def changed(info: dict[bytes, Value], changes: dict[str, Value | None]) -> dict[bytes, Value]:
    for key, value in changes.items():
        info.pop(key.replace("_", " ").encode(), None)
        if value is not None:
            info[key.replace("_", " ").encode()] = value
    return info


def parse(info: Value, **outer: Value) -> Metainfo:
    """Parse a torrent file with this info dictionary."""
    fields = {key.replace("_", " ").encode(): value for key, value in outer.items()}
    return parse_metainfo(encode({**fields, b"info": info}))


def paths(metainfo: Metainfo) -> list[str]:
    return ["/".join(file.path) for file in metainfo.files]


def by_libtorrent(data: bytes) -> Any:
    """What libtorrent reads in a torrent file: the oracle of these tests."""
    return libtorrent.load_torrent_buffer(data)


def made_by_libtorrent(directory: Path, *flags: Any) -> bytes:
    """A torrent file of two files, with everything that libtorrent can put into one."""
    root = directory / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a.bin").write_bytes(bytes(range(256)) * 200)
    (root / "sub" / "b.bin").write_bytes(b"b" * 70_000)
    torrent = libtorrent.create_torrent(libtorrent.list_files(str(root)), 16_384, *flags)
    torrent.add_tracker("http://one.example/announce", 0)
    torrent.add_tracker("udp://two.example:6969", 1)
    torrent.add_url_seed("http://seed.example/")
    torrent.add_node("router.example", 6881)
    torrent.set_comment("a comment")
    torrent.set_creator("the creator")
    torrent.set_priv(True)
    libtorrent.set_piece_hashes(torrent, str(directory))
    return bytes(libtorrent.bencode(torrent.generate()))


def test_torrent_made_by_libtorrent(tmp_path: Path) -> None:
    data = made_by_libtorrent(tmp_path, libtorrent.create_torrent.v1_only)
    metainfo, theirs = parse_metainfo(data), by_libtorrent(data).ti
    assert metainfo.info_hash == theirs.info_hashes().v1.to_bytes()
    assert metainfo.info_hash_v2 is None
    assert (metainfo.name, metainfo.is_single_file) == ("root", False)
    assert metainfo.total_size == theirs.total_size() == 51_200 + 70_000
    assert metainfo.piece_length == 16_384
    assert metainfo.piece_count == theirs.num_pieces() == 8
    layout = theirs.layout()
    assert [
        (path, file.length, file.offset) for path, file in zip(paths(metainfo), metainfo.files)
    ] == [(layout.file_path(n), layout.file_size(n), layout.file_offset(n)) for n in range(2)]
    content = b"".join((tmp_path.joinpath(*file.path)).read_bytes() for file in metainfo.files)
    for index in range(8):
        piece = content[index * 16_384 : (index + 1) * 16_384]
        assert len(piece) == metainfo.piece_size(index) == theirs.piece_size(index)
        assert metainfo.hashes.digest(index) == theirs.hash_for_piece(index)
        assert metainfo.hashes.matches(index, memoryview(piece))
        assert not metainfo.hashes.matches(index, b"\x01" + piece[1:])
    assert metainfo.tiers == (("http://one.example/announce",), ("udp://two.example:6969",))
    assert metainfo.trackers == ("http://one.example/announce", "udp://two.example:6969")
    assert metainfo.web_seeds == ("http://seed.example/",)
    assert metainfo.nodes == (("router.example", 6881),)
    assert (metainfo.comment, metainfo.created_by) == ("a comment", "the creator")
    assert metainfo.is_private
    assert metainfo.creation_date is not None


def test_t7_hybrid_made_by_libtorrent_is_read_as_version_1(tmp_path: Path) -> None:
    data = made_by_libtorrent(tmp_path)
    metainfo, theirs = parse_metainfo(data), by_libtorrent(data).ti
    assert theirs.info_hashes().has_v2() and theirs.info_hashes().has_v1()
    assert metainfo.info_hash == theirs.info_hashes().v1.to_bytes()
    assert metainfo.info_hash_v2 == theirs.info_hashes().v2.to_bytes()
    padding = [file for file in metainfo.files if file.is_padding]
    assert padding and all(file.length < 16_384 and not file.is_stored for file in padding)
    assert metainfo.total_size == sum(file.length for file in metainfo.files)
    assert metainfo.files[2].offset % 16_384 == 0


def test_t7_version_2_alone_is_refused(tmp_path: Path) -> None:
    data = made_by_libtorrent(tmp_path, libtorrent.create_torrent.v2_only)
    with pytest.raises(MetainfoError, match="version 2 only; we need one of version 1 or a hybrid"):
        parse_metainfo(data)


@pytest.mark.parametrize("version", [3, b"2"])
def test_t7_later_versions_are_refused(version: Value) -> None:
    with pytest.raises(MetainfoError, match="we speak versions 1 and 2"):
        parse(single(meta_version=version))


def test_torrent_made_by_mktorrent() -> None:
    # mktorrent 1.1 -l 15 -d -p -s src -a http://a/x,http://b/x -a http://c/x -c hi -w http://w/ d
    info = (
        b"d5:filesld6:lengthi3e4:pathl5:a.txteed6:lengthi2e4:pathl3:sub1:yeee4:name1:d"
        b"12:piece lengthi32768e6:pieces20:-\xea\x1dml\xd1'\x04\x90\xa1i'\xa7\xd0\xab\xfb\x99\xc7\x8d&"
        b"7:privatei1e6:source3:srce"
    )
    metainfo = parse_metainfo(
        b"d8:announce10:http://a/x13:announce-listll10:http://a/x10:http://b/xel10:http://c/xee"
        b"7:comment2:hi10:created by13:mktorrent 1.14:info" + info + b"8:url-list9:http://w/e"
    )
    assert metainfo.info_hash == hashlib.sha1(info).digest()
    assert metainfo.info_bytes == info
    assert paths(metainfo) == ["d/a.txt", "d/sub/y"]
    assert metainfo.tiers == (("http://a/x", "http://b/x"), ("http://c/x",))
    assert metainfo.web_seeds == ("http://w/",)
    assert (metainfo.source, metainfo.comment) == ("src", "hi")
    assert metainfo.created_by == "mktorrent 1.1"
    assert metainfo.is_private
    assert metainfo.hashes.matches(0, b"xyzc\n")


def test_info_dictionary_alone() -> None:
    whole = parse(single(), announce=b"http://t.example/", comment=b"text")
    alone = parse_info(whole.info_bytes)
    assert alone.tiers == ()
    assert dataclasses.replace(alone, tiers=whole.tiers, comment="text") == whole


def test_b6_unsorted_keys_keep_the_hash_of_the_original_bytes() -> None:
    info = b"d6:lengthi1e12:piece lengthi1e6:pieces20:" + PIECE + b"4:name1:xe"
    data = b"d4:info" + info + b"8:announce17:http://t.example/e"
    metainfo = parse_metainfo(data)
    assert metainfo.info_hash == hashlib.sha1(info).digest()
    assert metainfo.info_hash == by_libtorrent(data).ti.info_hashes().v1.to_bytes()
    assert metainfo.info_bytes == info
    assert metainfo.tiers == (("http://t.example/",),)
    assert parse_info(info).info_hash == metainfo.info_hash


@pytest.mark.parametrize(
    "info",
    [
        b"d6:lengthi1e4:name1:x4:name1:y12:piece lengthi1e6:pieces20:" + PIECE + b"e",
        b"d5:filesld6:lengthi1e6:lengthi2e4:pathl1:aeee4:name1:x12:piece lengthi1e6:pieces20:"
        + PIECE
        + b"e",
    ],
)
def test_b5_key_twice_in_the_info_dictionary_is_refused(info: bytes) -> None:
    with pytest.raises(MetainfoError, match="key twice"):
        parse_info(info)
    with pytest.raises(MetainfoError, match="key twice"):
        parse_metainfo(b"d4:info" + info + b"e")


def test_b5_first_of_two_info_dictionaries_counts() -> None:
    one, two = encode(single()), encode(single(name=b"other"))
    metainfo = parse_metainfo(b"d4:info" + one + b"4:info" + two + b"e")
    assert (metainfo.info_hash, metainfo.name) == (hashlib.sha1(one).digest(), "file.txt")


@pytest.mark.parametrize(
    "data", [b"", b"le", b"de", b"d4:infoi1ee", b"d4:info3:abce", b"i1e", b"d"]
)
def test_b8_other_bencode_is_refused(data: bytes) -> None:
    with pytest.raises(MetainfoError):
        parse_metainfo(data)


def test_b7_trailing_bytes_are_refused() -> None:
    with pytest.raises(MetainfoError):
        parse_metainfo(encode({b"info": single()}) + b"\n")


def test_b1_depth_and_b2_size_are_bounded() -> None:
    with pytest.raises(MetainfoError):
        parse_metainfo(b"d1:a" + b"l" * 100_000 + b"e" * 100_000 + b"e")
    with pytest.raises(MetainfoError, match="10000000"):
        parse_metainfo(encode({b"info": single(), b"x": bytes(10_000_000)}))


def test_t1_hostile_names_become_safe_and_the_originals_stay_readable() -> None:
    metainfo = parse(
        multi((1, ["..", "..", "etc", "passwd"]), (2, ["C:", "CON", "a\0b."]), name=b"../up")
    )
    assert paths(metainfo) == [".._up/__/__/etc/passwd", ".._up/C_/_CON/a_b_"]
    assert metainfo.name == ".._up"
    assert metainfo.files[0].original_path == ("../up", "..", "..", "etc", "passwd")


def test_t1_empty_name_becomes_the_info_hash() -> None:
    metainfo = parse(single(name=b""))
    assert metainfo.name == metainfo.info_hash.hex()


def test_utf_8_variants_come_first() -> None:
    info = multi((5, ["latin"]))
    info[b"name.utf-8"] = "größe".encode()
    info[b"files"] = [{b"length": 5, b"path": [b"gr\xf6\xdfe"], b"path.utf-8": ["größe".encode()]}]
    assert paths(parse(info)) == ["größe/größe"]
    assert paths(parse(multi((5, ["x"]), name=b"gr\xf6e"))) == ["gr\ufffde/x"]


def test_t2_symbolic_links_have_no_bytes_and_are_not_stored() -> None:
    info = multi((10, ["real"]))
    listed = info[b"files"]
    assert type(listed) is list
    link = {b"attr": b"l", b"length": 1 << 40, b"path": [b"real"], b"symlink path": [b"/etc"]}
    bare = {b"attr": b"l", b"path": [b"other"]}
    info[b"files"] = [link, bare, *listed]
    metainfo = parse(info)
    assert [(f.path[1], f.length, f.offset, f.is_symlink, f.is_stored) for f in metainfo.files] == [
        ("real", 0, 0, True, False),
        ("other", 0, 0, True, False),
        ("real", 10, 0, False, True),
    ]


def test_bep_47_attributes() -> None:
    info = multi()
    info[b"files"] = [
        {b"attr": b"hx?", b"length": 5, b"path": [b"run"]},
        {b"attr": b"p", b"length": 11},
        {b"attr": b"p", b"length": 11, b"path": [b".pad", b"11"]},
        {b"length": 3, b"path": [b"last"]},
    ]
    run, padding, other, last = parse(info).files
    assert run == File(
        path=("folder", "run"),
        length=5,
        offset=0,
        is_padding=False,
        is_executable=True,
        is_hidden=True,
        is_symlink=False,
        original_path=("folder", "run"),
    )
    assert padding.path == other.path == ("folder", ".pad", "11")
    assert padding.is_padding and not padding.is_stored
    assert (padding.offset, other.offset, last.offset) == (5, 16, 27)
    alone = parse(single(attr=b"plxh")).files[0]
    assert alone.is_stored and alone.is_executable and alone.is_hidden


def test_t4_colliding_files_get_paths_of_their_own() -> None:
    metainfo = parse(
        multi(
            (1, ["a"]),
            (1, ["A"]),
            (1, ["dir"]),
            (1, ["DIR", "x"]),
            (1, ["b", "..a"]),
            (1, ["b", "..a"]),
        )
    )
    assert paths(metainfo) == [
        "folder/a",
        "folder/A.1",
        "folder/dir.1",
        "folder/DIR/x",
        "folder/b/..a",
        "folder/b/..1.a",
    ]


def test_t4_more_than_500_namesakes_are_refused() -> None:
    assert len(set(paths(parse(multi(*[(1, ["same"])] * 500))))) == 500
    with pytest.raises(MetainfoError, match="more than 500 files"):
        parse(multi(*[(1, ["same"])] * 501))


def test_t3_depth_is_bounded() -> None:
    with pytest.raises(MetainfoError, match="101 directories deep"):
        parse(multi((1, ["d"] * 102)))


@pytest.mark.parametrize("value", [None, 0, -1, (512 << 20) + 1, b"16384"])
def test_t5_piece_length(value: Value | None) -> None:
    with pytest.raises(MetainfoError, match="the piece length is not a number from 1 to 536870912"):
        parse(single(piece_length=value))


def test_t5_piece_length_need_not_be_a_power_of_two() -> None:
    metainfo = parse(single(piece_length=13_334))
    assert [metainfo.piece_size(index) for index in range(3)] == [13_334, 13_334, 13_332]


@pytest.mark.parametrize(
    ("info", "sentence"),
    [
        (single(pieces=PIECE * 2), "does not carry 3 piece hashes"),
        (single(pieces=PIECE * 4), "does not carry 3 piece hashes"),
        (single(pieces=PIECE * 3 + b"x"), "does not carry 3 piece hashes"),
        (single(pieces=None), "does not carry 3 piece hashes"),
        (single(length=0, pieces=b""), "holds no data"),
        (single(length=-1), "not a number from 0"),
        (single(length=b"40000"), "not a number from 0"),
        (single(length=2**63 - 1, piece_length=512 << 20), "17179869184 pieces, 2097152 allowed"),
        (single(length=2_097_153, piece_length=1), "2097153 pieces, 2097152 allowed"),
        (single(length=None), "not exactly one of a length and a list of files"),
        (single(files=[{b"length": 1, b"path": [b"x"]}]), "not exactly one of a length"),
        (single(name=None), "has no name"),
        (single(name=7), "has no name"),
        (multi(), "holds no data"),
        (multi((0, ["a"])), "holds no data"),
        (multi(files=[{b"length": 9, b"path": [b"x"], b"attr": b"p"}]), "holds no data"),
        (multi(files=b"no list"), "holds no data"),
        (multi(files=[7]), "not a dictionary"),
        (multi((-1, ["a"]), (5, ["b"])), "not a number from 0"),
        (multi((2**63 - 1, ["a"]), (2**63 - 1, ["b"])), "pieces, 2097152 allowed"),
        (multi((5, [])), "has no path"),
        (multi(files=[{b"length": 5}]), "has no path"),
        (multi(files=[{b"length": 5, b"path": b"x"}]), "has no path"),
        (multi(files=[{b"length": 5, b"path": [b"x", 7]}]), "not a string"),
    ],
)
def test_t6_sizes_and_counts_that_do_not_fit(info: dict[bytes, Value], sentence: str) -> None:
    with pytest.raises(MetainfoError, match=sentence):
        parse(info)


def test_t11_declared_petabyte_is_a_number_only() -> None:
    metainfo = parse(
        single(length=400_000 * (512 << 20), piece_length=512 << 20, pieces=PIECE * 400_000)
    )
    assert metainfo.total_size == 400_000 * (512 << 20)


def test_t8_excess_trackers_web_seeds_and_nodes_are_dropped() -> None:
    metainfo = parse(
        single(),
        **{
            "announce-list": [
                [f"http://t{tier}-{n}.example/".encode() for n in range(15)] for tier in range(30)
            ],
            "url-list": [f"http://w{n}.example/".encode() for n in range(30)],
            "nodes": [[b"n%d.example" % n, 1] for n in range(300)],
        },
    )
    assert [len(tier) for tier in metainfo.tiers] == [15] * 6 + [10]
    assert len(metainfo.web_seeds) == 20
    assert len(metainfo.nodes) == 100
    tiers: Value = [[f"http://t{n}.example/".encode()] for n in range(30)]
    assert len(parse(single(), **{"announce-list": tiers}).tiers) == 20


def test_t8_unusable_trackers_are_dropped() -> None:
    tiers: Value = [
        [b"wss://t.example/", b" http://a.example/ ", 7, b"http://a.example/"],
        [b"file:///etc/passwd"],
        b"http://b.example/",
        [],
        [b"udp://c.example:1", b"http://a.example/"],
    ]
    metainfo = parse(single(), announce=b"http://ignored.example/", **{"announce-list": tiers})
    assert metainfo.tiers == (("http://a.example/",), ("udp://c.example:1",))
    assert parse(single(), announce=b"http://a.example/", **{"announce-list": [[]]}).tiers == (
        ("http://a.example/",),
    )
    assert parse(single(), announce=b"ftp://a.example/").tiers == ()
    assert parse(single(), **{"url-list": b""}).web_seeds == ()
    assert parse(single(), **{"url-list": [b"ftp://x/", b"http://y/"]}).web_seeds == ("http://y/",)


def test_t8_bad_nodes_are_dropped() -> None:
    nodes: Value = [
        [b"a", 0],
        [b"a", 65536],
        [b"", 1],
        [b"a"],
        b"a:1",
        [1, b"a"],
        [b"x\n", 1],
        [b"ok", 1],
    ]
    assert parse(single(), nodes=nodes).nodes == (("ok", 1),)


def test_t10_texts_are_data_and_bounded() -> None:
    metainfo = parse(single(), comment=b"\x1b[31m<b>\xff", created_by=b"x" * 10_000)
    assert metainfo.comment == "\x1b[31m<b>\ufffd"
    assert metainfo.created_by == "x" * 4096
    assert parse(single(), comment=7, creation_date=b"now").comment is None


@pytest.mark.parametrize(("flag", "private"), [(1, True), (2, True), (0, False), (None, False)])
def test_t12_private_flag(flag: Value | None, private: bool) -> None:
    assert parse(single(private=flag)).is_private is private


def test_encoded_again_it_is_the_same_torrent(tmp_path: Path) -> None:
    metainfo = parse_metainfo(made_by_libtorrent(tmp_path, libtorrent.create_torrent.v1_only))
    again = encode_metainfo(metainfo)
    assert parse_metainfo(again) == metainfo
    theirs = by_libtorrent(again)
    assert theirs.ti.info_hashes().v1.to_bytes() == metainfo.info_hash
    assert tuple(theirs.trackers) == metainfo.trackers
    assert (
        encode_metainfo(parse_info(metainfo.info_bytes)) == b"d4:info" + metainfo.info_bytes + b"e"
    )


element = st.text(max_size=8) | st.sampled_from(["..", ".", "a", "A", "dir", "CON", "/", "\u202e"])


@given(
    st.lists(st.tuples(st.integers(0, 30), st.lists(element, min_size=1, max_size=3)), max_size=12),
    st.integers(1, 40),
)
def test_t1_t4_every_accepted_torrent_is_well_laid_out(
    files: list[tuple[int, list[str]]], piece_length: int
) -> None:
    total = sum(length for length, _ in files)
    info = multi(*files, piece_length=piece_length, pieces=PIECE * -(-total // piece_length))
    if not total:
        with pytest.raises(MetainfoError, match="holds no data"):
            parse(info)
        return
    metainfo = parse(info)
    assert [file.length for file in metainfo.files] == [length for length, _ in files]
    assert all(a.offset + a.length == b.offset for a, b in zip(metainfo.files, metainfo.files[1:]))
    assert all(is_safe_element(element) for file in metainfo.files for element in file.path)
    folded = {path.casefold() for path in paths(metainfo)}
    assert len(folded) == len(files)
    parents = {
        "/".join(file.path[:n]).casefold()
        for file in metainfo.files
        for n in range(1, len(file.path))
    }
    assert not folded & parents


def test_piece_hashes() -> None:
    digests = [hashlib.sha1(piece).digest() for piece in (b"one", b"two")]
    hashes = PieceHashes(b"".join(digests))
    assert (len(hashes), hashes.algorithm, hashes.digest_size) == (2, "sha1", 20)
    assert [hashes.digest(index) for index in range(2)] == digests
    assert hashes.matches(1, bytearray(b"two"))
    assert not hashes.matches(0, b"two")
    assert not hashes.matches(2, b"two")
    hasher = hashes.hasher()
    hasher.update(b"o")
    hasher.update(memoryview(b"ne"))
    assert hasher.digest() == digests[0]
    assert repr(hashes) == "<PieceHashes: 2 of sha1>"


def test_ten_thousand_files_take_a_moment() -> None:
    files = [(1, [f"directory {n // 100}", f"some file name {n}.txt"]) for n in range(10_000)]
    data = encode({b"info": multi(*files)})
    begun = time.perf_counter()
    assert len(parse_metainfo(data).files) == 10_000
    assert time.perf_counter() - begun < 2  # about 0.1; quadratic work would take far longer
