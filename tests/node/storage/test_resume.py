import asyncio

import pytest

from formats.identifiers import InfoHash
from node.storage.payload import PART_FILE
from node.storage.resume import Fingerprint, Snapshot, read_snapshot
from node.storage.state import StateStore

HASH = InfoHash(b"h" * 20)
A, B, C = Fingerprint(1, 2, 3), Fingerprint(4, 5, 6), Fingerprint(7, 8, 2**63 - 1)


@pytest.fixture
async def store():
    opened = StateStore.in_memory()
    yield opened
    await opened.close()


async def started(store, tmp_path, verified=0b1):
    record = store.record(HASH, 10, directory=tmp_path)
    assert await record.load() == Snapshot()
    await record.start(verified, {0: A, PART_FILE: B}, {3, 5})
    return record


async def load(store, tmp_path):
    return await store.record(HASH, 10, directory=tmp_path).load()


async def test_a_record_through_its_life(store, tmp_path):
    record = await started(store, tmp_path)
    known = Snapshot(0b1, 0, {0: A, PART_FILE: B}, frozenset({3, 5}), is_clean=True)
    assert await load(store, tmp_path) == known
    await asyncio.gather(record.begin((9,)), record.begin((4,)), record.begin((4,)))
    assert await load(store, tmp_path) == Snapshot(
        0b1, 1 << 9 | 1 << 4, {0: A, PART_FILE: B}, frozenset({3, 5}), is_clean=False
    )
    await record.commit((9,), {0: C, 1: B})
    await record.place({5})
    files = {0: C, 1: B, PART_FILE: B}
    assert await load(store, tmp_path) == Snapshot(
        1 << 9 | 1, 1 << 4, files, frozenset({5}), is_clean=False
    )
    await record.withdraw(0b1)
    await record.finish()
    assert await load(store, tmp_path) == Snapshot(1 << 9, 0, files, frozenset({5}), is_clean=True)


async def test_starting_again_forgets_files_that_are_gone(store, tmp_path):
    await started(store, tmp_path)
    record = store.record(HASH, 10, directory=tmp_path)
    await record.load()
    await record.start(0b10, {1: C}, ())
    assert await load(store, tmp_path) == Snapshot(0b10, 0, {1: C}, frozenset(), is_clean=True)


async def test_another_directory_is_another_record(store, tmp_path):
    await started(store, tmp_path)
    other = store.record(HASH, 10, directory=tmp_path / "other")
    assert await other.load() == Snapshot()
    await other.start(0b100, {7: C}, ())
    assert await load(store, tmp_path) == Snapshot()
    assert (await load(store, tmp_path / "other")).files == {7: C}


async def test_one_torrent_does_not_touch_another(store, tmp_path):
    await started(store, tmp_path)
    before = await load(store, tmp_path)
    other = store.record(InfoHash(b"o" * 20), 10, directory=tmp_path)
    await other.load()
    await other.start(0b111, {0: C}, {1})
    await other.begin((1, 2))
    await other.commit((1,), {0: B})
    await other.finish()
    assert await load(store, tmp_path) == before


async def test_many_pieces_begin_in_few_transactions(store, tmp_path):
    record = await started(store, tmp_path)
    commits = []
    store._database._connection.set_trace_callback(
        lambda sql: commits.append(sql) if sql == "COMMIT" else None
    )
    await asyncio.gather(*(record.begin((index,)) for index in range(10)))
    assert len(commits) == 2


def row(**changes):
    fields = {
        "info_hash": bytes(HASH),
        "directory": "/d",
        "piece_count": 10,
        "verified": b"\x05\x02",
        "in_parts": b"\x08",
        "is_clean": 1,
    }
    return tuple((fields | changes).values())


def test_a_sensible_row():
    found = read_snapshot(row(), [(4,)], [(0, 1, 2, 3)], piece_count=10)
    assert found == Snapshot(0b10_0000_0101, 1 << 4, {0: A}, frozenset({3}), is_clean=True)


@pytest.mark.parametrize(
    ("changes", "in_flight", "files"),
    [
        ({"piece_count": 11}, [], []),
        ({"verified": b"\x05"}, [], []),
        ({"verified": b"\x05\x04"}, [], []),  # piece 10 of 10
        ({"verified": "text"}, [], []),
        ({"verified": None}, [], []),
        ({"in_parts": 5}, [], []),
        ({"in_parts": bytes(1 << 20)}, [], []),
        ({}, [(10,)], []),
        ({}, [(-1,)], []),
        ({}, [("1",)], []),
        ({}, [], [(0, 1, 2, "3")]),
        ({}, [], [(0, None, 2, 3)]),
    ],
)
def test_f6_a_record_that_makes_no_sense_is_no_record(changes, in_flight, files):
    assert read_snapshot(row(**changes), in_flight, files, piece_count=10) == Snapshot()
