import asyncio
import errno
import os
import random
import signal
import subprocess
import sys

import pytest

from formats.errors import StorageError
from node.storage import piece_set
from node.storage.errors import DiskFull, ForeignFile, MissingData, SyncFailed
from node.storage.report import FileState
from node.storage.state import StateStore
from node.storage.storage import Storage
from tests.node.storage.torrents import FaultyDisk, content, piece, put, torrent

# Pieces of 16 bytes: a has 0..2, b 1..4 (1 and 4 shared), c 4..7; e is empty.
FILES = {"a": content(20), "d/b": content(48, 2), "e": b"", "c": content(44, 3)}
METAINFO, DATA = torrent(FILES)
COUNT = METAINFO.piece_count
FULL = (1 << COUNT) - 1


@pytest.fixture
async def store():
    opened = StateStore.in_memory()
    yield opened
    await opened.close()


@pytest.fixture
def disk(tmp_path):
    return FaultyDisk(tmp_path)


@pytest.fixture
def make(tmp_path, executor, store, disk):
    def build(*, recorded=True, **options):
        record = store.record(METAINFO.info_hash, COUNT, directory=tmp_path)
        return Storage(
            METAINFO,
            tmp_path,
            executor=executor,
            disk=disk,
            record=record if recorded else None,
            **options,
        )

    return build


async def write(storage, *indices):
    for index in indices:
        assert await storage.write_piece(index, piece(METAINFO, DATA, index))


def hashed(disk):
    """Bytes that were read since the last call."""
    total = sum(size for _, _, size in disk.reads)
    disk.reads.clear()
    return total


def on_disk(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".everswarm-")
    }


WHOLE = {f"T/{name}": body for name, body in FILES.items()}


async def test_a_download_from_nothing(make, tmp_path):
    storage = make()
    await storage.open()
    assert storage.verified == 0
    assert on_disk(tmp_path) == {"T/e": b""}
    await asyncio.gather(*(write(storage, index) for index in range(COUNT)))
    assert storage.verified == FULL == storage.needed
    assert storage.progress() == [20, 48, 0, 44]
    buffer = bytearray(90)
    view = memoryview(buffer)
    await storage.read(11, [view[:50], view[50:]])
    assert buffer == DATA[11:101]
    await storage.close()
    assert on_disk(tmp_path) == WHOLE
    assert list(tmp_path.iterdir()) == [tmp_path / "T"]


async def test_a_wrong_piece_is_not_written(make, tmp_path):
    storage = make()
    await storage.open()
    assert not await storage.write_piece(2, bytes(16))
    assert storage.verified == 0
    assert on_disk(tmp_path) == {"T/e": b""}
    with pytest.raises(ValueError, match="15 bytes are not piece 2"):
        await storage.write_piece(2, bytes(15))
    await storage.close()


async def test_f4_continues_after_a_clean_stop_without_reading(make, disk):
    storage = make()
    await storage.open()
    await write(storage, 0, 3, 6)
    await storage.close()
    hashed(disk)
    storage = make()
    await storage.open()
    assert storage.verified == 0b1001001
    assert hashed(disk) == 0
    await storage.close()


async def test_f4_after_a_kill_only_what_was_not_flushed_is_read(make, disk):
    storage = make()
    await storage.open()
    await write(storage, 0, 3)
    await storage.flush()
    await write(storage, 4, 6)
    again = make()  # the first one was killed: it never says goodbye
    hashed(disk)
    await again.open()
    assert again.verified == 0b1011001
    assert hashed(disk) == 32  # pieces 4 and 6
    await again.close()


async def test_f4_a_piece_that_was_cut_short_is_found(make, disk, tmp_path):
    storage = make()
    await storage.open()
    await write(storage, 3)
    await storage.flush()
    disk.room = 5
    with pytest.raises(DiskFull):
        await write(storage, 2)
    disk.room = None
    again = make()
    await again.open()
    assert again.verified == 0b1000
    await write(again, 2)
    await again.close()


async def test_f1_a_full_disk_says_so_and_goes_on_when_there_is_room(make, disk, tmp_path):
    storage = make()
    await storage.open()
    await write(storage, 0)
    disk.room = 7
    with pytest.raises(DiskFull, match=r"T/d/b: the disk is full"):
        await write(storage, 1)
    assert storage.verified == 0b1
    buffer = bytearray(16)
    await storage.read(0, [memoryview(buffer)])
    assert buffer == DATA[:16]
    disk.room = None
    await write(storage, *range(1, COUNT))
    await storage.close()
    assert on_disk(tmp_path) == WHOLE


async def test_f5_a_failed_sync_takes_the_pieces_back(make, disk):
    storage = make()
    await storage.open()
    await write(storage, 0, 3, 6)
    disk.errors["sync", "b"] = errno.EIO
    with pytest.raises(SyncFailed):
        await storage.flush()
    assert storage.verified == 0b1000001
    disk.errors.clear()
    assert await storage.check(pieces=0b1000) == 0b1000  # it is there after all
    await storage.close()


async def test_f3_f7_missing_data_is_checked_away(make, disk, tmp_path):
    storage = make()
    await storage.open()
    await write(storage, *range(COUNT))
    await storage.flush()
    disk.errors["read", "c"] = errno.EIO
    with pytest.raises(MissingData) as error:
        await storage.read(70, [memoryview(bytearray(20))])
    assert error.value.piece == 4
    assert await storage.check(pieces=1 << error.value.piece) == 0
    assert storage.verified == FULL & ~0b10000
    disk.errors.clear()
    await storage.close()
    again = make()
    await again.open()
    assert again.verified == FULL & ~0b10000
    await again.close()


async def test_an_existing_seed_is_hashed_once(make, disk, tmp_path):
    put(tmp_path, METAINFO, DATA)
    seen = []
    storage = make()
    await storage.open(on_progress=lambda done, total: seen.append((done, total)))
    assert storage.verified == FULL
    assert hashed(disk) == len(DATA)
    assert seen[-1] == (COUNT, COUNT)
    await storage.close()
    await make().open()
    assert hashed(disk) == 0


async def test_a_publisher_that_has_just_hashed_is_believed(make, disk, tmp_path):
    put(tmp_path, METAINFO, DATA)
    (tmp_path / "T/c").write_bytes(FILES["c"][:-1])
    storage = make(recorded=False)
    await storage.open(verified=FULL)
    assert storage.verified == FULL & ~(1 << COUNT - 1)
    assert hashed(disk) == 0


async def test_a_partial_download_of_another_program_is_continued(make, tmp_path):
    put(tmp_path, METAINFO, DATA)
    (tmp_path / "T/d/b").unlink()
    (tmp_path / "T/c").write_bytes(FILES["c"][:40])
    storage = make()
    await storage.open()
    assert storage.verified == 0b0100001
    await write(storage, 1, 2, 3, 4, 6)
    await storage.close()
    assert on_disk(tmp_path) == WHOLE


@pytest.mark.parametrize("size", [10, 48, 60])
async def test_a_foreign_file_is_never_overwritten(make, tmp_path, size):
    (tmp_path / "T" / "d").mkdir(parents=True)
    (tmp_path / "T" / "d" / "b").write_bytes(precious := content(size, 99))
    storage = make()
    with pytest.raises(ForeignFile) as error:
        await storage.open()
    await storage.close()
    assert str(tmp_path / "T/d/b") in str(error.value)
    assert "move it away, choose another download directory" in str(error.value)
    assert on_disk(tmp_path) == {"T/d/b": precious}
    storage = make()
    await storage.open(overwrite=True)
    await write(storage, *range(COUNT))
    await storage.close()
    assert on_disk(tmp_path) == WHOLE


async def test_a_failed_open_leaves_the_record_alone(make, tmp_path, disk):
    storage = make()
    await storage.open()
    await write(storage, 0)
    await storage.flush()
    await write(storage, 1)  # killed here
    (tmp_path / "T/c").write_bytes(b"precious")
    broken = make()
    with pytest.raises(ForeignFile, match="T/c"):
        await broken.open()
    await broken.close()
    (tmp_path / "T/c").unlink()
    hashed(disk)
    again = make()
    await again.open()
    assert again.verified == 0b11
    assert hashed(disk) == 16
    await again.close()


async def test_f7_a_file_swapped_for_another_is_foreign(make, tmp_path):
    storage = make()
    await storage.open()
    await write(storage, *range(COUNT))
    await storage.close()
    (tmp_path / "T/c").write_bytes(content(44, 99))
    storage = make()
    with pytest.raises(ForeignFile, match="T/c is not this torrent's data"):
        await storage.open()
    await storage.close()


async def test_unwanted_files_do_not_appear(make, tmp_path):
    storage = make(wanted=[0, 3])
    await storage.open()
    assert storage.needed == 0b1110011
    await write(storage, 0, 1, 4, 5, 6)
    await storage.close()
    assert on_disk(tmp_path) == {"T/a": FILES["a"], "T/c": FILES["c"]}
    assert not (tmp_path / "T/d").exists()
    again = make(wanted=[0, 3])
    await again.open()
    assert again.verified == 0b1110011
    buffer = bytearray(len(DATA))
    view = memoryview(buffer)
    await again.read(16, [view[:16]])
    assert buffer[:16] == DATA[16:32]
    await again.close()


async def test_a_second_part_file_is_not_taken_for_a_swapped_one(make, tmp_path):
    storage = make(wanted=[0])
    await storage.open()
    await write(storage, 0, 1)
    (tmp_path / "kept").hardlink_to(next(tmp_path.glob(".everswarm-*")))  # keeps its inode
    await storage.set_wanted([0, 1, 2, 3])
    assert not list(tmp_path.glob(".everswarm-*"))
    await storage.set_wanted([0, 1])
    await write(storage, 4)
    await storage.flush()
    assert len(list(tmp_path.glob(".everswarm-*"))) == 1
    await storage.close()


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_part_file_is_found_again(make, disk, recorded):
    storage = make(wanted=[0, 3], recorded=recorded)
    await storage.open()
    await write(storage, 0, 1, 4, 5, 6)
    await storage.close()
    again = make(wanted=[0, 3], recorded=recorded)
    await again.open()
    assert again.verified == 0b1110011
    await again.close()


async def test_a_file_wanted_later_takes_its_edges_along(make, tmp_path):
    storage = make(wanted=[0])
    await storage.open()
    await write(storage, 0, 1)
    await storage.set_wanted([0, 1, 2])
    assert storage.needed == 0b0011111
    assert not list(tmp_path.glob(".everswarm-*")) or storage.needed != FULL
    await write(storage, 2, 3, 4)
    assert on_disk(tmp_path) == {name: WHOLE[name] for name in ("T/a", "T/d/b", "T/e")}
    await storage.set_wanted([0, 1, 2, 3])
    await write(storage, 5, 6)
    await storage.close()
    assert on_disk(tmp_path) == WHOLE
    assert list(tmp_path.iterdir()) == [tmp_path / "T"]


async def test_a_file_wanted_after_a_restart(make, tmp_path, disk):
    storage = make(wanted=[0, 3])
    await storage.open()
    await write(storage, 0, 1, 4, 5, 6)
    await storage.close()
    storage = make()
    await storage.open()
    assert storage.verified == 0b1110011
    await write(storage, 2, 3)
    await storage.close()
    assert on_disk(tmp_path) == WHOLE
    hashed(disk)
    storage = make()
    await storage.open()
    assert storage.verified == FULL
    assert hashed(disk) == 0
    await storage.close()


async def test_f4_a_kill_while_a_file_leaves_the_part_file(make, tmp_path, disk):
    storage = make(wanted=[0, 3])
    await storage.open()
    await write(storage, 0, 1, 4, 5, 6)
    await storage.flush()
    disk.errors["write", "b"] = errno.EIO
    disk.remove = lambda path: None  # the kill comes before anything is tidied up
    place = storage._journal._record.place
    calls = []

    async def once(in_parts):
        calls.append(in_parts)
        if len(calls) == 1:
            await place(in_parts)

    storage._journal._record.place = once
    with pytest.raises(StorageError):
        await storage.set_wanted([0, 1, 3])
    disk.errors.clear()
    again = make(wanted=[0, 1, 3])
    await again.open()
    assert again.verified == 0b1100001  # the edges are fetched again, and nothing else
    await write(again, 1, 2, 3, 4)
    await again.close()
    assert {**on_disk(tmp_path), "T/e": b""} == WHOLE


async def test_a_newly_wanted_file_never_replaces_a_foreign_one(make, tmp_path):
    storage = make(wanted=[0])
    await storage.open()
    await write(storage, 0, 1)
    (tmp_path / "T/d").mkdir()
    (tmp_path / "T/d/b").write_bytes(b"precious")
    with pytest.raises(ForeignFile, match="T/d/b"):
        await storage.set_wanted([0, 1])
    assert (tmp_path / "T/d/b").read_bytes() == b"precious"
    assert storage.needed == 0b11
    buffer = bytearray(16)
    await storage.read(16, [memoryview(buffer)])
    assert buffer == DATA[16:32]
    await storage.close()


async def test_a_write_waits_while_a_file_moves(make, tmp_path):
    storage = make(wanted=[0])
    await storage.open()
    await write(storage, 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(write(storage, 1, 4))
        group.create_task(storage.set_wanted([0, 1]))
        group.create_task(write(storage, 2, 3))
    await storage.set_wanted(range(4))
    await write(storage, 5, 6)
    await storage.close()
    assert on_disk(tmp_path) == WHOLE


async def test_preallocation(make, tmp_path, disk):
    disk.free = 20 + 48 + 44 - 1
    with pytest.raises(DiskFull, match="112 bytes are needed and 111 are free"):
        await make(preallocate=True).open()
    disk.free = None
    storage = make(preallocate=True)
    await storage.open()
    assert {name: len(body) for name, body in on_disk(tmp_path).items()} == {
        name: len(body) for name, body in WHOLE.items()
    }
    await write(storage, 0)
    await storage.close()
    again = make(recorded=False)  # no record: zeros are nobody's data
    await again.open()
    assert again.verified == 0b1


async def test_a_recheck_finds_damage_and_forgets_it_for_good(make, tmp_path):
    storage = make()
    await storage.open()
    await write(storage, *range(COUNT))
    await storage.flush()
    with (tmp_path / "T/c").open("r+b") as file:
        file.seek(20)
        file.write(b"\0")
    assert await storage.check() == FULL & ~0b100000
    again = make()  # after a kill
    await again.open()
    assert again.verified == FULL & ~0b100000
    await again.close()


async def test_verify_reports_and_changes_nothing(make, tmp_path):
    put(tmp_path, METAINFO, DATA)
    (tmp_path / "T/e").unlink()
    (tmp_path / "T/c").write_bytes(FILES["c"] + b"more")
    before = on_disk(tmp_path)
    with (tmp_path / "T/d/b").open("r+b") as file:
        file.write(b"\0")
    before = on_disk(tmp_path)
    reports = {
        report.path: (report.state, report.bytes_ok)
        for report in await make(recorded=False).verify()
    }
    assert reports == {
        "T/a": (FileState.DAMAGED, 16),
        "T/d/b": (FileState.DAMAGED, 48 - 12),
        "T/e": (FileState.MISSING, 0),
        "T/c": (FileState.WRONG_SIZE, 44),
    }
    assert on_disk(tmp_path) == before


async def test_verify_of_a_directory_that_does_not_exist(tmp_path, executor):
    storage = Storage(METAINFO, tmp_path / "none", executor=executor)
    assert {report.state for report in await storage.verify()} == {FileState.MISSING}
    assert list(tmp_path.iterdir()) == []


async def test_a_cancelled_write_is_still_accounted_for(make, disk):
    storage = make()
    await storage.open()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(write(storage, 0))
        while not storage._writes:
            await asyncio.sleep(0)
        task.cancel()
    await storage.close()
    again = make()
    hashed(disk)
    await again.open()
    assert again.verified == 0b1
    assert hashed(disk) == 0
    await again.close()


async def test_nothing_stays_open(make, disk):
    storage = make()
    await storage.open()
    await write(storage, *range(COUNT))
    await storage.close()
    assert disk.open_count == 0


CRASHER = """
import asyncio, pathlib, random, sys
from concurrent.futures import ThreadPoolExecutor
from node.storage.state import StateStore
from node.storage.storage import Storage
from tests.node.storage.test_storage import BIG, BIG_DATA
from tests.node.storage.torrents import piece
from node.storage import piece_set

async def main():
    root = pathlib.Path(sys.argv[1])
    store = await StateStore.open(root / "state")
    record = store.record(BIG.info_hash, BIG.piece_count, directory=root / "data")
    storage = Storage(BIG, root / "data", executor=ThreadPoolExecutor(2), record=record)
    await storage.open()
    missing = list(piece_set.indices(storage.needed & ~storage.verified))
    random.Random(int(sys.argv[2])).shuffle(missing)
    for turn, index in enumerate(missing):
        assert await storage.write_piece(index, piece(BIG, BIG_DATA, index))
        if turn % 7 == 3:
            await storage.flush()
            print(storage.verified, flush=True)
asyncio.run(main())
"""
BIG, BIG_DATA = torrent({f"f{i}": content(40_000 + 3 * i, i) for i in range(12)}, piece_length=1024)


async def test_f4_kill_9_at_any_instant_loses_no_verified_piece(tmp_path, executor):
    chance = random.Random(4)
    claimed = 0
    for seed in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", CRASHER, str(tmp_path), str(seed)], stdout=subprocess.PIPE
        )
        for _ in range(chance.randrange(1, 6)):
            line = process.stdout.readline()
            claimed |= int(line or b"0")
        await asyncio.sleep(chance.random() * 0.01)
        os.kill(process.pid, signal.SIGKILL)
        for line in process.stdout:
            if line.endswith(b"\n"):
                claimed |= int(line)
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL

        store = await StateStore.open(tmp_path / "state")
        record = store.record(BIG.info_hash, BIG.piece_count, directory=tmp_path / "data")
        disk = FaultyDisk(tmp_path / "data")
        storage = Storage(BIG, tmp_path / "data", executor=executor, record=record, disk=disk)
        await storage.open()
        assert storage.verified & claimed == claimed
        assert hashed(disk) <= 10 * 1024  # what was in flight, no recheck
        on_record = storage.verified
        assert await storage.check(pieces=on_record) == on_record
        await storage.close()
        await store.close()
    assert list(piece_set.indices(claimed))
