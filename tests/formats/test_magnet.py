import warnings

import libtorrent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.identifiers import InfoHash
from formats.magnet import Magnet, MagnetError, magnet_of, parse_magnet
from formats.metainfo import parse_metainfo

HEX = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
BASE32 = "YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK"
V1 = f"xt=urn:btih:{HEX}"
V2 = "xt=urn:btmh:1220" + "ab" * 32
HASH = InfoHash(bytes.fromhex(HEX))


def test_all_fields() -> None:
    link = (
        f"magnet:?{V1}&{V2}&dn=a+b%20%C3%A9&xl=12345&tr=udp%3A%2F%2Ft.example%3A6969"
        "&ws=http%3A%2F%2Fw.example%2F&x.pe=1.2.3.4:6881&x.pe=[2001:db8::1]:1&x.pe=h.example:2"
        "&so=0,2,4,6-8"
    )
    assert parse_magnet(link) == Magnet(
        info_hash=HASH,
        name="a b é",
        trackers=("udp://t.example:6969",),
        peers=(("1.2.3.4", 6881), ("2001:db8::1", 1), ("h.example", 2)),
        web_seeds=("http://w.example/",),
        selected_files=((0, 0), (2, 2), (4, 4), (6, 8)),
        info_hash_v2=bytes.fromhex("ab" * 32),
        exact_length=12345,
    )


def test_printed_form() -> None:
    magnet = Magnet(
        info_hash=HASH,
        name="a b/é+",
        trackers=("http://t.example/a?b=c&d",),
        peers=(("1.2.3.4", 6881), ("::1", 1)),
        selected_files=((0, 0), (6, 8)),
    )
    assert str(magnet) == (
        f"magnet:?{V1}&dn=a%20b%2F%C3%A9%2B&tr=http%3A%2F%2Ft.example%2Fa%3Fb%3Dc%26d"
        "&x.pe=1.2.3.4:6881&x.pe=[::1]:1&so=0,6-8"
    )


def test_libtorrent_reads_our_links() -> None:
    magnet = Magnet(
        info_hash=HASH,
        name="a b&é",
        trackers=("http://t.example/announce", "udp://u.example:1/"),
        peers=(("1.2.3.4", 6881), ("::1", 6882)),
        web_seeds=("http://w.example/x y".replace(" ", "%20"),),
        selected_files=((0, 0), (2, 3)),
        info_hash_v2=bytes(range(32)),
    )
    theirs = libtorrent.parse_magnet_uri(str(magnet))
    assert theirs.info_hashes.v1.to_bytes() == HASH
    assert theirs.info_hashes.v2.to_bytes() == magnet.info_hash_v2
    assert theirs.name == magnet.name
    assert tuple(theirs.trackers) == magnet.trackers
    assert tuple(theirs.peers) == magnet.peers
    assert tuple(theirs.url_seeds) == magnet.web_seeds
    assert [bool(priority) for priority in theirs.file_priorities] == [True, False, True, True]


def test_we_read_the_links_of_libtorrent() -> None:
    theirs = libtorrent.add_torrent_params()
    theirs.info_hashes = libtorrent.info_hash_t(libtorrent.sha1_hash(HASH))
    theirs.name = "some name"
    theirs.trackers = ["http://t.example/announce"]
    theirs.url_seeds = ["http://w.example/"]
    theirs.peers = [("1.2.3.4", 6881)]
    assert parse_magnet(libtorrent.make_magnet_uri(theirs)) == Magnet(
        info_hash=HASH,
        name="some name",
        trackers=("http://t.example/announce",),
        web_seeds=("http://w.example/",),
        peers=(("1.2.3.4", 6881),),
    )


@pytest.mark.parametrize(
    "link",
    [
        f"magnet:?xt=urn:btih:{BASE32}",
        f"magnet:?xt=urn:btih:{BASE32.lower()}",
        f"MAGNET:?XT=URN:BTIH:{HEX.upper()}",
        f"  magnet:?dn=&xt=urn%3Abtih%3A{HEX}\n",
        f"magnet:?xt.1=urn:ed2k:31D6CFE0D16AE931B73C59D7E0C089C0&xt.2=urn:btih:{HEX}",
        f"magnet:?{V1}&{V1}&unknown=1&&=&x",
    ],
)
def test_spellings_of_one_hash(link: str) -> None:
    assert parse_magnet(link) == Magnet(HASH)


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        ("http://example/", "not a magnet link"),
        ("magnet:?", "carries no info hash"),
        ("magnet:?dn=name", "carries no info hash"),
        ("magnet:?xt=urn:btpk:" + "ab" * 32, "carries no info hash"),
        (f"magnet:?xt=urn:btih:{HEX[:-1]}", "not an info hash"),
        (f"magnet:?xt=urn:btih:{HEX[:-1]}g", "not an info hash"),
        (f"magnet:?xt=urn:btih:{HEX[:-2]}  ", "not an info hash"),
        (f"magnet:?xt=urn:btih:{HEX[:-2]}%20%20&x", "not an info hash"),
        ("magnet:?xt=urn:btih:" + "A" * 24 + "=" * 8, "not an info hash"),
        (f"magnet:?xt=urn:btih:{BASE32[:-1]}1", "not an info hash"),
        (f"magnet:?{V1}&xt=urn:btih:{'00' * 20}", "names more than one torrent"),
        (f"magnet:?{V1}&{V2}&xt=urn:btmh:1220{'00' * 32}", "names more than one torrent"),
        (f"magnet:?{V2}", "version 2 only"),
        (f"magnet:?{V1}&{V2}00", "not a multihash of SHA-256"),
        (f"magnet:?{V1}&xt=urn:btmh:1114{'00' * 20}", "not a multihash of SHA-256"),
        (f"magnet:?{V1}&xt=urn:btmh:xy", "not a multihash of SHA-256"),
        (f"magnet:?{V1}&dn={'x' * 65536}", "65536 allowed"),
    ],
)
def test_t9_bad_links_are_refused(link: str, sentence: str) -> None:
    with pytest.raises(MagnetError, match=sentence):
        parse_magnet(link)


def test_t9_lists_are_capped() -> None:
    many = "".join(
        f"&tr=http://t{n}.example/&ws=http://w{n}.example/&x.pe=10.0.{n}.1:1" for n in range(150)
    )
    magnet = parse_magnet(f"magnet:?{V1}{many}")
    assert len(magnet.trackers) == 100
    assert len(magnet.web_seeds) == 20
    assert len(magnet.peers) == 100
    assert magnet.trackers[:2] == ("http://t0.example/", "http://t1.example/")


def test_t9_bad_hints_are_skipped() -> None:
    magnet = parse_magnet(
        f"magnet:?{V1}&tr=file:///etc/passwd&ws=ftp://w.example/&x.pe=1.2.3.4&x.pe=1.2.3.4:0"
        "&x.pe=::1:5&x.pe=a:99999&xl=-1&xl=٣&xl=9223372036854775808&so=x,-1,5-3,1-,٣"
    )
    assert magnet == Magnet(HASH)


def test_t9_huge_selections_stay_ranges() -> None:
    magnet = parse_magnet(f"magnet:?{V1}&so=7-999999999999,0-3,2-5,99999999999")
    assert magnet.selected_files == ((0, 5), (7, 2**31 - 1))
    assert [magnet.selects(index) for index in (0, 5, 6, 7, 10**6)] == [
        True,
        True,
        False,
        True,
        True,
    ]
    assert parse_magnet(f"magnet:?{V1}&so=" + ",".join(map(str, range(0, 9000, 2)))).selects(1998)
    assert Magnet(HASH).selects(3)


def test_t10_hostile_names_stay_data() -> None:
    magnet = parse_magnet(f"magnet:?{V1}&dn=%1B%5B31m%3Cb%3E%00%ff")
    assert magnet.name == "\x1b[31m<b>\0\ufffd"
    assert parse_magnet(f"magnet:?{V1}&dn=\ud800").name == "?"
    name = parse_magnet(f"magnet:?{V1}&dn={'x' * 5000}").name
    assert name is not None and len(name) == 1024


hosts = st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True) | st.ip_addresses(v=6).map(str)
urls = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30).map(
    lambda tail: "http://host/" + tail
)


@given(
    st.builds(
        Magnet,
        info_hash=st.binary(min_size=20, max_size=20).map(InfoHash),
        name=st.none() | st.text(min_size=1, max_size=50),
        trackers=st.lists(urls, unique=True, max_size=5).map(tuple),
        peers=st.lists(st.tuples(hosts, st.integers(1, 65535)), unique=True, max_size=5).map(tuple),
        web_seeds=st.lists(urls, unique=True, max_size=5).map(tuple),
        info_hash_v2=st.none() | st.binary(min_size=32, max_size=32),
        exact_length=st.none() | st.integers(0, 2**63 - 1),
    )
)
def test_printing_and_parsing_round_trip(magnet: Magnet) -> None:
    assert parse_magnet(str(magnet)) == magnet


def test_magnet_of_a_torrent() -> None:
    info = b"d6:lengthi5e4:name3:a b12:piece lengthi16384e6:pieces20:" + b"h" * 20 + b"e"
    metainfo = parse_metainfo(b"d8:announce17:http://t.example/4:info" + info + b"e")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        expected = str(
            libtorrent.torrent_info(libtorrent.bdecode(b"d4:info" + info + b"e")).info_hash()
        )
    assert str(magnet_of(metainfo, peers=(("1.2.3.4", 5),))) == (
        f"magnet:?xt=urn:btih:{expected}&dn=a%20b&xl=5&tr=http%3A%2F%2Ft.example%2F&x.pe=1.2.3.4:5"
    )
