import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from formats.errors import ConfigError
from formats.identifiers import InfoHash
from node.storage.resume import Snapshot
from node.storage.state import SavedTorrent, StateStore, read_torrent

HASH = InfoHash(b"h" * 20)


def saved(tmp_path, added=1.5, info_hash=HASH, **changes):
    fields = {"name": "Näme", "metainfo": b"d4:infodee", "options": {"wanted": [1, 2]}}
    return SavedTorrent(info_hash=info_hash, directory=tmp_path, added=added, **(fields | changes))


async def test_torrents_survive_the_process_oldest_first(tmp_path):
    store = await StateStore.open(tmp_path / "new" / "state")
    young = saved(tmp_path, 2.0, InfoHash(b"y" * 20), metainfo=None, options={})
    old = saved(tmp_path, 1.0)
    await store.save_torrent(young)
    await store.save_torrent(saved(tmp_path, name="first name"))
    await store.save_torrent(old)
    await store.close()
    store = await StateStore.open(tmp_path / "new" / "state")
    assert await store.torrents() == [old, young]
    await store.close()


async def test_a_removed_torrent_takes_its_record_along(tmp_path):
    store = StateStore.in_memory()
    await store.save_torrent(saved(tmp_path))
    record = store.record(HASH, 8, directory=tmp_path)
    await record.start(0b11, {}, ())
    await record.begin((5,))
    await store.remove_torrent(HASH)
    assert await store.torrents() == []
    assert await record.load() == Snapshot()
    await store.close()


async def test_f12_two_instances_on_one_state_directory(tmp_path):
    store = await StateStore.open(tmp_path)
    with pytest.raises(ConfigError, match=f"another everswarm uses the state directory {tmp_path}"):
        await StateStore.open(tmp_path)
    script = (
        "import asyncio, pathlib, sys; from node.storage.state import StateStore\n"
        "asyncio.run(StateStore.open(pathlib.Path(sys.argv[1])))"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "another everswarm uses the state directory" in other.stderr
    await store.close()
    await (await StateStore.open(tmp_path)).close()


async def test_a_failed_open_gives_the_lock_back(tmp_path):
    (tmp_path / "everswarm.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(ConfigError, match="damaged"):
        await StateStore.open(tmp_path)
    (tmp_path / "everswarm.db").unlink()
    await (await StateStore.open(tmp_path)).close()


async def test_a_state_directory_that_cannot_be(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"cannot be used: .*; choose another with --state"):
        await StateStore.open(tmp_path / "file")


async def test_f6_a_row_that_makes_no_sense_is_skipped(tmp_path):
    store = await StateStore.open(tmp_path)
    await store.save_torrent(saved(tmp_path))
    await store.close()
    with sqlite3.connect(tmp_path / "everswarm.db") as connection:
        connection.execute("INSERT INTO torrents VALUES (x'00', 'n', '/', 1, NULL, '{}')")
    connection.close()
    store = await StateStore.open(tmp_path)
    assert [torrent.name for torrent in await store.torrents()] == ["Näme"]
    await store.close()


@pytest.mark.parametrize(
    "change",
    [{0: "text"}, {1: 5}, {2: None}, {3: "soon"}, {5: "{"}, {5: "[]"}, {5: "[" * 100_000}, {5: 1}],
)
def test_f6_fields_of_the_wrong_kind(change):
    row = {0: bytes(HASH), 1: "n", 2: "/d", 3: 1, 4: None, 5: "{}"}
    assert read_torrent(tuple(row.values())) is not None
    assert read_torrent(tuple((row | change).values())) is None


async def test_values_are_kept_under_names_and_replaced(tmp_path: Path) -> None:
    store = await StateStore.open(tmp_path)
    assert await store.load_value("dht") is None
    await store.save_value("dht", b"one")
    await store.save_value("dht", b"two")
    await store.save_value("other", b"")
    await store.close()
    store = await StateStore.open(tmp_path)
    assert await store.load_value("dht") == b"two"
    assert await store.load_value("other") == b""
    await store.close()
