import asyncio
import errno

import pytest

from formats.errors import StorageError
from node.storage import checker as module
from node.storage.checker import Checker
from node.storage.layout import Layout
from node.storage.payload import Payload
from tests.node.storage.torrents import FaultyDisk, content, put, torrent


@pytest.fixture
def case(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "READ_SIZE", 64)
    monkeypatch.setattr(module, "JOB_SIZE", 256)
    metainfo, data = torrent({"a": content(500), "b": content(1500, 2)})
    put(tmp_path, metainfo, data)
    disk = FaultyDisk(tmp_path)
    layout = Layout(metainfo)
    payload = Payload(metainfo, layout, disk, shown="T")
    return Checker(payload, layout, metainfo.hashes), layout, disk


async def check(checker, pieces, executor):
    good, jobs = 0, []

    def on_result(first, end, bits):
        nonlocal good
        good |= bits << first
        jobs.append((first, end))

    await checker.run(pieces, executor, on_result)
    return good, jobs


async def test_everything_matches_in_order(case, executor):
    checker, layout, _ = case
    everything = (1 << layout.piece_count) - 1
    good, jobs = await check(checker, everything, executor)
    assert good == everything
    assert jobs == [(i, min(i + 16, 125)) for i in range(0, 125, 16)]


async def test_only_what_was_asked(case, executor):
    checker, _, disk = case
    good, jobs = await check(checker, 0b1011, executor)
    assert good == 0b1011
    assert jobs == [(0, 2), (3, 4)]
    assert sorted(disk.reads) == [("a", 0, 32), ("a", 48, 16)]


async def test_damage_is_found_to_the_piece(case, executor, tmp_path):
    checker, layout, _ = case
    with (tmp_path / "T/b").open("r+b") as file:
        file.seek(3)  # byte 503 of the torrent: piece 31
        file.write(b"\0")
    everything = (1 << layout.piece_count) - 1
    assert (await check(checker, everything, executor))[0] == everything & ~(1 << 31)


async def test_f7_what_ends_early_costs_only_its_pieces(case, executor, tmp_path):
    checker, layout, _ = case
    with (tmp_path / "T/b").open("r+b") as file:
        file.truncate(1500 - 17)
    everything = (1 << layout.piece_count) - 1
    assert (await check(checker, everything, executor))[0] == everything >> 2


async def test_f3_unreadable_sectors_do_not_match(case, executor):
    checker, layout, disk = case
    disk.errors["read", "a"] = errno.EIO
    good, _ = await check(checker, (1 << layout.piece_count) - 1, executor)
    assert good == (1 << 125) - (1 << 32)


async def test_a_file_that_may_not_be_read_ends_the_check(case, executor):
    checker, layout, disk = case
    disk.errors["open", "b"] = errno.EACCES
    with pytest.raises(StorageError, match="T/T/b: permission denied"):
        await check(checker, (1 << layout.piece_count) - 1, executor)


async def test_cancelling_stops_asking(case, executor):
    checker, layout, _ = case
    seen = []
    async with asyncio.TaskGroup() as group:

        def on_result(first, end, bits):
            seen.append((first, end))
            task.cancel()

        task = group.create_task(checker.run((1 << layout.piece_count) - 1, executor, on_result))
    assert task.cancelled()
    assert len(seen) <= module.JOBS_AHEAD


async def test_pieces_longer_than_a_read(tmp_path, executor, monkeypatch):
    monkeypatch.setattr(module, "READ_SIZE", 8)
    monkeypatch.setattr(module, "JOB_SIZE", 8)
    metainfo, data = torrent(content(100), piece_length=40)
    put(tmp_path, metainfo, data)
    layout = Layout(metainfo)
    checker = Checker(
        Payload(metainfo, layout, FaultyDisk(tmp_path), shown="T"), layout, metainfo.hashes
    )
    assert (await check(checker, 0b111, executor))[0] == 0b111
