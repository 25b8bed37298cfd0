import errno

import pytest

from formats.errors import StorageError
from node.storage.errors import SyncFailed
from node.storage.journal import Journal
from node.storage.layout import Layout
from node.storage.payload import PART_FILE, Payload
from node.storage.resume import Snapshot
from node.storage.state import StateStore
from tests.node.storage.torrents import FaultyDisk, content, put, torrent

METAINFO, DATA = torrent({"a": content(40), "b": content(56, 2)})
LAYOUT = Layout(METAINFO)


@pytest.fixture
async def store():
    opened = StateStore.in_memory()
    yield opened
    await opened.close()


@pytest.fixture
async def case(tmp_path, store, executor):
    put(tmp_path, METAINFO, DATA)
    disk = FaultyDisk(tmp_path)
    payload = Payload(METAINFO, LAYOUT, disk, shown=str(tmp_path))
    record = store.record(METAINFO.info_hash, 6, directory=tmp_path)
    journal = Journal(record, LAYOUT, payload, executor)
    assert await journal.load() == Snapshot()
    await journal.start(0b000001)
    return journal, disk, record, payload


async def test_f5_data_is_synced_before_it_is_called_verified(case):
    journal, disk, record, _ = case
    await journal.begin(2)
    assert (await record.load()).in_flight == 0b100
    journal.written(2, is_verified=True)
    assert (await record.load()).verified == 0b1
    commit = record.commit

    async def watched(pieces, files):
        assert disk.synced == ["a", "b"]
        await commit(pieces, files)

    record.commit = watched
    await journal.flush()
    snapshot = await record.load()
    assert (snapshot.verified, snapshot.in_flight, snapshot.is_clean) == (0b101, 0, False)
    await journal.flush()
    assert disk.synced == ["a", "b"]


async def test_f5_pieces_that_a_failed_sync_touches_are_not_verified(case):
    journal, disk, record, _ = case
    for index in (0, 1, 2, 5):
        await journal.begin(index)
        journal.written(index, is_verified=True)
    disk.errors["sync", "b"] = errno.EIO
    with pytest.raises(SyncFailed, match=r"did not keep .*T/b: the disk") as error:
        await journal.flush()
    assert error.value.pieces == 0b100100
    snapshot = await record.load()
    assert (snapshot.verified, snapshot.in_flight) == (0b000011, 0b100100)


async def test_f7_a_file_replaced_while_we_run_loses_its_pieces(case, tmp_path):
    journal, _, record, _ = case
    journal.found(0b111111)
    await journal.flush()
    (tmp_path / "T/b").rename(tmp_path / "kept")  # so that the inode is not used again
    (tmp_path / "T/b").write_bytes(DATA[40:])
    journal.written(5, is_verified=True)
    with pytest.raises(SyncFailed, match="T/b was replaced by another file") as error:
        await journal.flush()
    assert error.value.pieces == 0b111100
    assert (await record.load()).verified == 0b000011
    journal.found(0b111100)  # they were checked, and are good
    await journal.flush()
    assert (await record.load()).verified == 0b111111


async def test_f2_what_could_not_be_recorded_is_recorded_next_time(case, store):
    journal, _, record, _ = case
    await journal.begin(3)
    journal.written(3, is_verified=True)
    store._database._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageError, match="the state database failed"):
        await journal.flush()
    store._database._connection.execute("PRAGMA query_only = OFF")
    await journal.flush()
    assert (await record.load()).verified == 0b001001


async def test_a_half_written_piece_dirties_its_files_only(case):
    journal, disk, record, _ = case
    await journal.begin(4)
    journal.written(4, is_verified=False)
    await journal.flush()
    assert disk.synced == ["b"]
    assert (await record.load()).in_flight == 0b010000


async def test_bytes_in_the_part_file_are_synced_there(case):
    journal, disk, _, payload = case
    payload.in_parts = frozenset({1})
    payload.write(32, memoryview(DATA)[32:48])
    journal.written(2, is_verified=True)
    await journal.flush()
    assert disk.synced == ["a", payload.path(PART_FILE)[0]]
    disk.errors["sync", payload.path(PART_FILE)[0]] = errno.EIO
    journal.written(2, is_verified=True)
    with pytest.raises(SyncFailed) as error:
        await journal.flush()
    assert error.value.pieces == 0b100


async def test_nothing_is_recorded_before_the_start(tmp_path, store, executor, case):
    """A torrent that could not be opened leaves its record as it was."""
    _, _, record, payload = case
    await record.begin((5,))
    before = await record.load()
    journal = Journal(
        store.record(METAINFO.info_hash, 6, directory=tmp_path), LAYOUT, payload, executor
    )
    await journal.load()
    journal.found(0b111111)
    await journal.flush()
    await journal.finish()
    assert await record.load() == before


async def test_without_a_record_nothing_happens(executor, tmp_path):
    disk = FaultyDisk(tmp_path)
    payload = Payload(METAINFO, LAYOUT, disk, shown="")
    journal = Journal(None, LAYOUT, payload, executor)
    assert await journal.load() == Snapshot()
    await journal.start(0b1)
    await journal.begin(0)
    journal.written(0, is_verified=True)
    journal.found(0b1)
    await journal.flush()
    await journal.withdraw(0b1)
    await journal.finish()
    assert disk.synced == []
