"""The node's state directory: which torrents it has, and what is verified of each (DESIGN §10)."""

import asyncio
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from formats.errors import ConfigError
from formats.identifiers import INFO_HASH_SIZE, InfoHash
from node.storage import resume
from node.storage.database import Database, Row, Statement, connect
from node.storage.resume import ResumeRecord

DATABASE = "everswarm.db"
LOCK = "everswarm.lock"
VERSION = 1
"""Of the tables; `user_version` of the database."""
TABLES = (
    """CREATE TABLE torrents (
        info_hash BLOB PRIMARY KEY,
        name TEXT NOT NULL,
        directory TEXT NOT NULL,
        added REAL NOT NULL,
        metainfo BLOB,
        options TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE TABLE kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    *resume.TABLES,
)
QUERY = (
    "SELECT info_hash, name, directory, added, metainfo, options"
    " FROM torrents ORDER BY added, info_hash"
)
"""The rows that read_torrent understands."""
_REMOVE = (
    "DELETE FROM torrents WHERE info_hash = ?",
    "DELETE FROM pieces WHERE info_hash = ?",
    "DELETE FROM in_flight WHERE info_hash = ?",
    "DELETE FROM files WHERE info_hash = ?",
)


@dataclass(frozen=True, slots=True)
class SavedTorrent:
    """A torrent to continue after a restart."""

    info_hash: InfoHash
    name: str
    directory: Path
    """The download directory."""
    added: float
    """Unix seconds."""
    metainfo: bytes | None
    """The torrent file; None while only a magnet is known."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Whatever the owner needs to continue; JSON values."""


class StateStore:
    """An open state directory, or one in memory that is forgotten when it closes."""

    def __init__(self, database: Database, lock: int | None) -> None:
        self._database = database
        self._lock = lock

    @classmethod
    async def open(cls, directory: Path) -> "StateStore":
        """Open the state in `directory`, creating it.

        Raises ConfigError when another everswarm uses it (F12), when it cannot be written, is
        damaged, or is from a newer version (F6).
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, cls._open, directory)

    @classmethod
    def in_memory(cls) -> "StateStore":
        """A store that lives as long as the process."""
        return cls(Database(connect(None, version=VERSION, tables=TABLES)), None)

    @classmethod
    def _open(cls, directory: Path) -> "StateStore":
        lock = _lock(directory)
        try:
            connection = connect(directory / DATABASE, version=VERSION, tables=TABLES)
        except BaseException:
            os.close(lock)
            raise
        return cls(Database(connection), lock)

    def record(self, info_hash: InfoHash, piece_count: int, *, directory: Path) -> ResumeRecord:
        """The record of one torrent in one download directory."""
        return ResumeRecord(
            self._database, info_hash, piece_count, directory=str(directory.absolute())
        )

    async def torrents(self) -> list[SavedTorrent]:
        """Every saved torrent, the oldest first. Raises StorageError."""
        (rows,) = await self._database.read(
            ("SELECT * FROM torrents ORDER BY added, info_hash", ())
        )
        return [torrent for row in rows if (torrent := read_torrent(row)) is not None]

    async def save_torrent(self, torrent: SavedTorrent) -> None:
        """Remember a torrent, or replace what is remembered of it. Raises StorageError."""
        row = (
            bytes(torrent.info_hash),
            torrent.name,
            str(torrent.directory.absolute()),
            torrent.added,
            torrent.metainfo,
            json.dumps(dict(torrent.options)),
        )
        statement = Statement("INSERT OR REPLACE INTO torrents VALUES (?, ?, ?, ?, ?, ?)", [row])
        await self._database.write([statement], durable=True)

    async def remove_torrent(self, info_hash: InfoHash) -> None:
        """Forget a torrent and its record; its files stay. Raises StorageError."""
        statements = [Statement(sql, [(bytes(info_hash),)]) for sql in _REMOVE]
        await self._database.write(statements, durable=True)

    async def load_value(self, name: str) -> bytes | None:
        """What was kept under a name. Raises StorageError."""
        (rows,) = await self._database.read(("SELECT value FROM kept WHERE name = ?", (name,)))
        return value if rows and isinstance(value := rows[0][0], bytes) else None

    async def save_value(self, name: str, value: bytes) -> None:
        """Keep some bytes under a name, in place of what was kept before. Raises StorageError."""
        statement = Statement("INSERT OR REPLACE INTO kept VALUES (?, ?)", [(name, value)])
        await self._database.write([statement], durable=False)

    async def close(self) -> None:
        """Close the database and let the next everswarm in."""
        await self._database.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def read_torrent(row: Row) -> SavedTorrent | None:
    """Understand a row of `torrents`; None when it makes no sense (F6)."""
    info_hash, name, directory, added, metainfo, options = row
    if not isinstance(info_hash, bytes) or len(info_hash) != INFO_HASH_SIZE:
        return None
    if not isinstance(name, str) or not isinstance(directory, str):
        return None
    if not isinstance(added, int | float) or not isinstance(options, str):
        return None
    try:
        values = json.loads(options)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    return SavedTorrent(
        info_hash=InfoHash(info_hash),
        name=name,
        directory=Path(directory),
        added=float(added),
        metainfo=metainfo if isinstance(metainfo, bytes) else None,
        options=values,
    )


def _lock(directory: Path) -> int:
    """Make sure that no other process uses the directory; the descriptor holds the lock."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(
            directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
    except OSError as error:
        raise ConfigError(
            f"the state directory {directory} cannot be used: {(error.strerror or '').lower()}; "
            "choose another with --state"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise ConfigError(
            f"another everswarm uses the state directory {directory}; "
            "stop it or choose another with --state"
        ) from error
    return lock
