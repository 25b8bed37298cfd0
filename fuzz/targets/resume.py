"""The state database after any damage: what is read from it makes sense, or it is refused."""

import sqlite3

from formats.errors import ConfigError, StorageError
from formats.identifiers import INFO_HASH_SIZE
from node.storage.database import fetch, prepare
from node.storage.resume import QUERIES, read_snapshot
from node.storage.state import QUERY, TABLES, VERSION, read_torrent

PIECE_COUNT = 20
_HASH = b"h" * INFO_HASH_SIZE


def _database() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def _seed(*, verified: bytes, options: str) -> bytes:
    connection = _database()
    connection.execute("PRAGMA page_size = 512")
    prepare(connection, version=VERSION, tables=TABLES, name="")
    connection.execute(
        "INSERT INTO torrents VALUES (?, 'name', '/d', 1.5, NULL, ?)", (_HASH, options)
    )
    connection.execute(
        "INSERT INTO pieces VALUES (?, '/d', ?, ?, ?, 0)", (_HASH, PIECE_COUNT, verified, b"\x06")
    )
    connection.execute("INSERT INTO in_flight VALUES (?, 7)", (_HASH,))
    connection.execute("INSERT INTO files VALUES (?, 0, 1000, 1700000000000000000, 42)", (_HASH,))
    data = connection.serialize()
    connection.close()
    return data


SEEDS: list[bytes] = [
    _seed(verified=b"\xff\xff\x0f", options="{}"),
    _seed(verified=b"\x01\x00\x00", options='{"wanted": [0, 2], "sequential": true}'),
]


def execute(data: bytes) -> None:
    """Read the database as the node does when it starts."""
    connection = _database()
    try:
        try:
            connection.deserialize(data)
        except (sqlite3.Error, MemoryError, OverflowError):  # a file would not be one either
            return
        prepare(connection, version=VERSION, tables=TABLES, name="")
        (torrents,) = fetch(connection, (QUERY, ()))
        for row in torrents:
            torrent = read_torrent(row)
            assert torrent is None or len(torrent.info_hash) == INFO_HASH_SIZE
        pieces, in_flight, files = fetch(connection, *((sql, (_HASH,)) for sql in QUERIES))
        for row in pieces:
            snapshot = read_snapshot(row, in_flight, files, piece_count=PIECE_COUNT)
            assert (snapshot.verified | snapshot.in_flight) >> PIECE_COUNT == 0
            assert min(snapshot.in_parts, default=0) >= 0
    except (ConfigError, StorageError):
        pass
    finally:
        connection.close()
