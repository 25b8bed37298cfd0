import asyncio
import sqlite3

import pytest

from formats.errors import ConfigError, StorageError
from node.storage.database import Database, Statement, connect
from node.storage.errors import DiskFull

TABLES = ("CREATE TABLE t (x PRIMARY KEY)",)
INSERT = "INSERT INTO t VALUES (?)"
ALL = ("SELECT x FROM t ORDER BY x", ())


@pytest.fixture
async def database():
    opened = Database(connect(None, version=1, tables=TABLES))
    yield opened
    await opened.close()


async def rows(database):
    (found,) = await database.read(ALL)
    return [x for (x,) in found]


async def test_writes_that_wait_share_a_transaction(database):
    commits = []
    database._connection.set_trace_callback(
        lambda sql: commits.append(sql) if sql == "COMMIT" else None
    )
    await asyncio.gather(*(database.write([Statement(INSERT, [(i,)])]) for i in range(100)))
    assert await rows(database) == list(range(100))
    assert len(commits) == 2  # the first write alone, then all that waited for it


async def test_a_write_is_all_or_nothing(database):
    with pytest.raises(StorageError, match="the state database failed: UNIQUE constraint"):
        await database.write([Statement(INSERT, [(1,), (2,)]), Statement(INSERT, [(1,)])])
    assert await rows(database) == []
    await database.write([Statement(INSERT, [(3,)])])
    assert await rows(database) == [3]


async def test_a_cancelled_writer_does_not_stop_the_others(database):
    async with asyncio.TaskGroup() as group:
        first = group.create_task(database.write([Statement(INSERT, [(1,)])]))
        second = group.create_task(database.write([Statement(INSERT, [(2,)])]))
        third = group.create_task(database.write([Statement(INSERT, [(3,)])]))
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
    assert third.exception() is None
    assert await rows(database) == [1, 2, 3]


async def test_closing_finishes_what_is_queued(tmp_path):
    file = tmp_path / "db"
    database = Database(connect(file, version=1, tables=TABLES))
    async with asyncio.TaskGroup() as group:
        for i in range(20):
            group.create_task(database.write([Statement(INSERT, [(i,)])]))
        await asyncio.sleep(0)
        await database.close()
    again = Database(connect(file, version=1, tables=TABLES))
    assert await rows(again) == list(range(20))
    await again.close()


async def test_only_durable_writes_wait_for_the_disk(tmp_path):
    connection = connect(tmp_path / "db", version=1, tables=TABLES)
    database = Database(connection)
    await database.write([Statement(INSERT, [(1,)])])
    assert connection.execute("PRAGMA synchronous").fetchone() == (1,)  # NORMAL
    await database.write([Statement(INSERT, [(2,)])], durable=True)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    await database.close()


async def test_f2_a_full_disk_keeps_the_old_state(tmp_path):
    connection = connect(tmp_path / "db", version=1, tables=TABLES)
    database = Database(connection)
    await database.write([Statement(INSERT, [(b"old",)])])
    connection.execute("PRAGMA max_page_count = 4")
    with pytest.raises(DiskFull, match="the disk of the state directory is full"):
        await database.write([Statement(INSERT, [(bytes(100_000),)])])
    assert await rows(database) == [b"old"]
    connection.execute("PRAGMA max_page_count = 1000000")
    await database.write([Statement(INSERT, [(b"new",)])])
    assert await rows(database) == [b"new", b"old"]
    await database.close()


def test_f6_a_newer_format_is_refused(tmp_path):
    connect(tmp_path / "db", version=7, tables=TABLES).close()
    with pytest.raises(ConfigError, match=r"newer everswarm \(format 7, this one knows 1\)"):
        connect(tmp_path / "db", version=1, tables=TABLES)


def test_f6_a_damaged_file_is_refused_and_kept(tmp_path):
    damaged = b"not a database" * 100
    (tmp_path / "db").write_bytes(damaged)
    with pytest.raises(ConfigError, match="db is damaged; move it away"):
        connect(tmp_path / "db", version=1, tables=TABLES)
    assert (tmp_path / "db").read_bytes() == damaged


def test_a_directory_instead_of_a_file(tmp_path):
    (tmp_path / "db").mkdir()
    with pytest.raises(ConfigError, match="db cannot be used: unable to open database file"):
        connect(tmp_path / "db", version=1, tables=TABLES)


def test_an_existing_database_keeps_its_tables(tmp_path):
    first = connect(tmp_path / "db", version=1, tables=TABLES)
    first.execute(INSERT, (1,))
    first.close()
    second = connect(tmp_path / "db", version=1, tables=("CREATE TABLE other (y)",))
    with pytest.raises(sqlite3.OperationalError):
        second.execute("SELECT y FROM other")
    assert second.execute(*ALL).fetchall() == [(1,)]
    second.close()
