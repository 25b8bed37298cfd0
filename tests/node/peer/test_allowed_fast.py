from formats.identifiers import InfoHash
from node.peer.allowed_fast import allowed_fast_set

INFO_HASH = InfoHash(b"\xaa" * 20)


def test_the_vectors_of_bep_6() -> None:
    nine = [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]
    assert allowed_fast_set("80.4.4.200", INFO_HASH, piece_count=1313, size=7) == nine[:7]
    assert allowed_fast_set("80.4.4.200", INFO_HASH, piece_count=1313, size=9) == nine


def test_neighbours_share_a_set() -> None:
    one = allowed_fast_set("80.4.4.1", INFO_HASH, piece_count=1313)
    assert len(one) == 10
    assert one == allowed_fast_set("80.4.4.255", INFO_HASH, piece_count=1313)
    assert one != allowed_fast_set("80.4.5.1", INFO_HASH, piece_count=1313)


def test_a_small_torrent_is_allowed_whole() -> None:
    assert sorted(allowed_fast_set("80.4.4.200", INFO_HASH, piece_count=3)) == [0, 1, 2]


def test_ipv6_has_no_set() -> None:
    assert allowed_fast_set("2001:db8::1", INFO_HASH, piece_count=1313) == []
