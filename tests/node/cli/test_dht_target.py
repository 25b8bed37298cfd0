import re
from collections.abc import Callable
from pathlib import Path

import libtorrent
import pytest

from formats.magnet import MagnetError
from node.cli.dht_target import TargetError, parse_id, parse_item_name, parse_torrent
from node.cli.exit_status import Failed

HASH = bytes(range(20))
BASE32 = "AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT"


def test_a_torrent_by_its_hash_a_magnet_and_its_file(torrent: Path) -> None:
    assert parse_torrent(HASH.hex().upper()) == HASH
    assert parse_torrent(BASE32) == HASH
    assert parse_torrent(f"magnet:?xt=urn:btih:{BASE32}&dn=x") == HASH
    info = libtorrent.torrent_info(str(torrent))
    assert parse_torrent(str(torrent)) == info.info_hashes().v1.to_bytes()


@pytest.mark.parametrize("text", ["", "xyz", "nowhere.torrent", "00" * 19, "00" * 32])
def test_what_names_no_torrent(text: str) -> None:
    with pytest.raises(TargetError, match=re.escape(repr(text))):
        parse_torrent(text)


def test_a_broken_magnet_and_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(MagnetError, match="carries no info hash"):
        parse_torrent("magnet:?dn=x")
    (tmp_path / "x").write_bytes(b"rubbish")
    with pytest.raises(Failed, match="is not a valid torrent"):
        parse_torrent(str(tmp_path / "x"))


def test_d16_a_private_torrent_is_nothing_for_the_dht(
    make_torrent: Callable[..., Path], folder: Path, tmp_path: Path
) -> None:
    private = make_torrent(folder, tmp_path / "private.torrent", private=True)
    with pytest.raises(TargetError, match=r"^the torrent is private"):
        parse_torrent(str(private))


def test_an_id() -> None:
    assert parse_id(HASH.hex()) == parse_id(BASE32) == HASH
    for text in ("", "0x" + "00" * 19, "magnet:?xt=urn:btih:" + HASH.hex()):
        with pytest.raises(TargetError, match="not an ID of 20 bytes"):
            parse_id(text)


def test_the_name_of_an_item() -> None:
    assert parse_item_name(HASH.hex()) == HASH
    assert parse_item_name("Ab" * 32) == b"\xab" * 32
    for text in ("", "ab" * 21, "xy" * 20, " ".join(["ab"] * 20), BASE32):
        with pytest.raises(TargetError, match="not the target of an item"):
            parse_item_name(text)
