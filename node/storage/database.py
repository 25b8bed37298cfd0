"""The SQLite file behind the node's state: one writer, many callers, one transaction a turn.

All work happens on one thread of its own. Writes that arrive while a transaction is under way
share the next one, so thousands of small writes a second cost a few hundred commits.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

from formats.errors import ConfigError, StorageError
from node.storage.errors import DiskFull

Row: TypeAlias = tuple[object, ...]
"""One row as the database has it: whoever reads it checks the types (F6)."""
Query: TypeAlias = tuple[str, Row]
"""SQL and the values of its parameters."""
Result = TypeVar("Result")

BUSY_SECONDS = 5.0
"""How long to wait for a tool of the user's that holds the database."""


class Statement(NamedTuple):
    """One SQL statement, executed for each row."""

    sql: str
    rows: Sequence[Row]


class _Write(NamedTuple):
    statements: Sequence[Statement]
    durable: bool
    done: asyncio.Future[None]


class Database:
    """An open database. `write` and `read` may be called from one event loop only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="everswarm-state")
        self._queue: list[_Write] = []
        self._turn: asyncio.Future[None] | None = None

    async def write(self, statements: Sequence[Statement], *, durable: bool = False) -> None:
        """Return when the statements are committed, all or none of them.

        Commits outlive the process; `durable` ones outlive a power cut as well, with everything
        committed before. Raises StorageError, after which nothing has changed.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(_Write(statements, durable, done))
        if self._turn is None:
            self._start_turn()
        await done

    async def read(self, *queries: Query) -> list[list[Row]]:
        """The rows of each query. Raises StorageError."""
        return await self._run(lambda: fetch(self._connection, *queries))

    async def close(self) -> None:
        """Finish what is queued and close the file."""
        while self._turn is not None:
            await asyncio.gather(asyncio.shield(self._turn), return_exceptions=True)
        await self._run(self._connection.close)
        self._executor.shutdown(wait=False)

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _start_turn(self) -> None:
        batch, self._queue = self._queue, []
        loop = asyncio.get_running_loop()
        self._turn = loop.run_in_executor(self._executor, self._commit, batch)
        self._turn.add_done_callback(lambda turn: self._end_turn(turn, batch))

    def _end_turn(self, turn: asyncio.Future[None], batch: list[_Write]) -> None:
        self._turn = None
        error = None if turn.cancelled() else turn.exception()
        for write in batch:
            if write.done.done():
                continue  # its caller was cancelled
            if turn.cancelled():
                write.done.cancel()
            elif error is None:
                write.done.set_result(None)
            else:
                write.done.set_exception(error)
        if self._queue:
            self._start_turn()

    def _commit(self, batch: list[_Write]) -> None:
        durable = any(write.durable for write in batch)
        statements = [statement for write in batch for statement in write.statements]
        _translated(lambda: transact(self._connection, statements, durable=durable))


def fetch(connection: sqlite3.Connection, *queries: Query) -> list[list[Row]]:
    """The rows of each query. Blocks; raises StorageError."""
    return _translated(
        lambda: [connection.execute(sql, values).fetchall() for sql, values in queries]
    )


def transact(
    connection: sqlite3.Connection, statements: Iterable[Statement], *, durable: bool
) -> None:
    """Execute all statements in one transaction, or none. Blocks; raises sqlite3.Error."""
    # In WAL mode FULL syncs the log after the commit, NORMAL leaves that to a later checkpoint.
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for sql, rows in statements:
            if len(rows) == 1:
                connection.execute(sql, rows[0])
            else:
                connection.executemany(sql, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def connect(file: Path | None, *, version: int, tables: Sequence[str]) -> sqlite3.Connection:
    """Open the database `file`, or one in memory, and create the tables in a new one. Blocks.

    Raises ConfigError when the file is damaged, not ours, or from a newer version of this program.
    """
    name = ":memory:" if file is None else os.fspath(file)
    try:
        connection = sqlite3.connect(
            name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise _unusable(name, error) from error
    try:
        prepare(connection, version=version, tables=tables, name=name)
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(
    connection: sqlite3.Connection, *, version: int, tables: Sequence[str], name: str
) -> None:
    """Create the tables in an empty database, refuse one of a newer version (F6). Blocks.

    Raises ConfigError.
    """
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found == 0:
            texts = (*tables, f"PRAGMA user_version = {version}")
            transact(connection, [Statement(sql, [()]) for sql in texts], durable=True)
    except (sqlite3.Error, UnicodeError) as error:
        raise _unusable(name, error) from error
    if found not in (0, version):
        raise ConfigError(
            f"{name} was written by a newer everswarm (format {found}, this one knows {version}); "
            "update everswarm or choose another directory with --state"
        )


def _unusable(name: str, error: sqlite3.Error | UnicodeError) -> ConfigError:
    if _code(error) in (0, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return ConfigError(f"{name} is damaged; move it away to start with an empty state")
    return ConfigError(f"{name} cannot be used: {error}; choose another directory with --state")


def _translated(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except (sqlite3.Error, UnicodeError) as error:  # an error message may quote damaged text
        if _code(error) == sqlite3.SQLITE_FULL:
            raise DiskFull("the disk of the state directory is full") from error
        raise StorageError(f"the state database failed: {error}") from error


def _code(error: Exception) -> int:
    """SQLite's primary result code; 0 when the error is the Python module's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
