"""The durable record of which pieces are verified (F2, F4–F7).

The order of writes makes it true at every instant:

1. `begin`: piece i is in flight (committed: outlives the process);
2. the piece is written to its files;
3. the files are synced to disk;
4. `commit`: piece i is verified and no longer in flight (synced: outlives a power cut).

So after `kill -9` only the pieces in flight need hashing, and after a power cut no piece is called
verified whose bytes did not reach the disk.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from formats.identifiers import InfoHash
from node.storage import piece_set
from node.storage.database import Database, Row, Statement
from node.storage.open_files import FileStatus

TABLES = (
    """CREATE TABLE pieces (
        info_hash BLOB PRIMARY KEY,
        directory TEXT NOT NULL,
        piece_count INTEGER NOT NULL,
        verified BLOB NOT NULL,
        in_parts BLOB NOT NULL,
        is_clean INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE in_flight (
        info_hash BLOB NOT NULL,
        piece INTEGER NOT NULL,
        PRIMARY KEY (info_hash, piece)
    ) WITHOUT ROWID""",
    """CREATE TABLE files (
        info_hash BLOB NOT NULL,
        file INTEGER NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        PRIMARY KEY (info_hash, file)
    ) WITHOUT ROWID""",
)
"""`verified`: bit i of the little-endian number = piece i, ceil(piece_count / 8) bytes.
`in_parts`: likewise, bit i = the bytes of file i are in the part file; without zeros at the end.
`file`: index of the file, or PART_FILE."""
QUERIES = (
    "SELECT info_hash, directory, piece_count, verified, in_parts, is_clean"
    " FROM pieces WHERE info_hash = ?",
    "SELECT piece FROM in_flight WHERE info_hash = ?",
    "SELECT file, size, mtime_ns, inode FROM files WHERE info_hash = ?",
)
"""The rows that read_snapshot understands."""
MAX_FILE_SET = 128 << 10
"""Bytes of `in_parts` that are believed: a million files, more than a torrent can list."""


class Fingerprint(NamedTuple):
    """What a file looked like when its pieces were recorded."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: FileStatus) -> "Fingerprint":
        """The fingerprint of what stands there."""
        return cls(status.size, status.mtime_ns, status.inode)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a record says; all empty when there is none that can be understood."""

    verified: int = 0
    """Bit i set = piece i."""
    in_flight: int = 0
    """Pieces that were being written when the record was last used."""
    files: Mapping[int, Fingerprint] = field(default_factory=dict)
    """By file index; PART_FILE for the part file."""
    in_parts: frozenset[int] = frozenset()
    """Files whose bytes are in the part file."""
    is_clean: bool = True
    """Nothing was written since the fingerprints were taken."""


class ResumeRecord:
    """The record of one torrent in one directory. One storage at a time may use it."""

    def __init__(
        self, database: Database, info_hash: InfoHash, piece_count: int, *, directory: str
    ) -> None:
        self._database = database
        self._info_hash = bytes(info_hash)
        self._piece_count = piece_count
        self._directory = directory
        self._verified = 0
        self._files: dict[int, Fingerprint] = {}
        self._is_clean = False

    async def load(self) -> Snapshot:
        """What the last session left; nothing when it used another directory.

        Raises StorageError when the database cannot be read.
        """
        key = (self._info_hash,)
        pieces, in_flight, files = await self._database.read(*((sql, key) for sql in QUERIES))
        if not pieces or pieces[0][1] != self._directory:
            return Snapshot()
        snapshot = read_snapshot(pieces[0], in_flight, files, piece_count=self._piece_count)
        self._files = dict(snapshot.files)
        return snapshot

    async def start(
        self, verified: int, files: Mapping[int, Fingerprint], in_parts: Collection[int]
    ) -> None:
        """Replace whatever was recorded: nothing is in flight, `files` describes what is there."""
        key = self._info_hash
        gone = [(key, file) for file in self._files.keys() - files.keys()]
        statements = [
            Statement(
                "INSERT OR REPLACE INTO pieces VALUES (?, ?, ?, ?, ?, 1)",
                [
                    (
                        key,
                        self._directory,
                        self._piece_count,
                        self._blob(verified),
                        _file_set(in_parts),
                    )
                ],
            ),
            Statement("DELETE FROM in_flight WHERE info_hash = ?", [(key,)]),
        ]
        if self._files:
            statements.append(Statement("DELETE FROM files WHERE info_hash = ? AND file = ?", gone))
        else:  # rows of another directory, or that could not be understood
            statements.append(Statement("DELETE FROM files WHERE info_hash = ?", [(key,)]))
        statements.append(self._file_rows(files))
        await self._database.write(statements, durable=True)
        self._verified = verified
        self._files = dict(files)
        self._is_clean = True

    async def begin(self, pieces: Collection[int], *, durable: bool = False) -> None:
        """Some pieces are about to be written. Many calls at a time share one transaction.

        `durable` outlives a power cut too: for pieces that the record calls verified.
        """
        if not pieces:
            return
        rows = [(self._info_hash, piece) for piece in pieces]
        statements = [Statement("INSERT OR IGNORE INTO in_flight VALUES (?, ?)", rows)]
        if self._is_clean:
            statements.append(self._cleanliness(False))
        await self._database.write(statements, durable=durable)
        self._is_clean = False

    async def commit(self, pieces: Collection[int], files: Mapping[int, Fingerprint]) -> None:
        """The bytes of these pieces are verified and on the disk, in these files."""
        verified = self._verified | piece_set.from_indices(pieces, self._piece_count)
        await self._replace(verified, pieces, files)

    async def withdraw(self, pieces: int) -> None:
        """These pieces (bit i set = piece i) are not verified after all."""
        if self._verified & pieces:
            await self._replace(self._verified & ~pieces, (), {})

    async def place(self, in_parts: Collection[int]) -> None:
        """From now on the bytes of these files, and of no others, are in the part file."""
        row = (_file_set(in_parts), self._info_hash)
        statement = Statement("UPDATE pieces SET in_parts = ? WHERE info_hash = ?", [row])
        await self._database.write([statement], durable=True)

    async def finish(self) -> None:
        """The storage closes: nothing is in flight, and the fingerprints are exact."""
        if not self._is_clean:
            await self._database.write(
                [
                    Statement("DELETE FROM in_flight WHERE info_hash = ?", [(self._info_hash,)]),
                    self._cleanliness(True),
                ],
                durable=True,
            )
            self._is_clean = True

    async def _replace(
        self, verified: int, landed: Collection[int], files: Mapping[int, Fingerprint]
    ) -> None:
        self._verified = verified  # true even if this write fails; the next one carries it
        changed = {f: new for f, new in files.items() if self._files.get(f) != new}
        await self._database.write(
            [
                Statement(
                    "UPDATE pieces SET verified = ? WHERE info_hash = ?",
                    [(self._blob(verified), self._info_hash)],
                ),
                Statement(
                    "DELETE FROM in_flight WHERE info_hash = ? AND piece = ?",
                    [(self._info_hash, piece) for piece in landed],
                ),
                self._file_rows(changed),
            ],
            durable=True,
        )
        self._files.update(changed)

    def _cleanliness(self, is_clean: bool) -> Statement:
        row = (int(is_clean), self._info_hash)
        return Statement("UPDATE pieces SET is_clean = ? WHERE info_hash = ?", [row])

    def _file_rows(self, files: Mapping[int, Fingerprint]) -> Statement:
        rows = [(self._info_hash, file, *fingerprint) for file, fingerprint in files.items()]
        return Statement("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", rows)

    def _blob(self, pieces: int) -> bytes:
        return pieces.to_bytes(-(-self._piece_count // 8), "little")


def read_snapshot(
    pieces: Row, in_flight: Sequence[Row], files: Sequence[Row], *, piece_count: int
) -> Snapshot:
    """Understand the rows of a record; an empty Snapshot when any makes no sense (F6)."""
    _, _, recorded_count, blob, in_parts, is_clean = pieces
    if recorded_count != piece_count:
        return Snapshot()
    if not isinstance(blob, bytes) or not isinstance(in_parts, bytes):
        return Snapshot()
    if len(in_parts) > MAX_FILE_SET:
        return Snapshot()
    verified = int.from_bytes(blob, "little")
    flying = [row[0] for row in in_flight if isinstance(row[0], int)]
    if (
        len(blob) != -(-piece_count // 8)
        or verified >> piece_count
        or len(flying) != len(in_flight)
        or any(not 0 <= piece < piece_count for piece in flying)
        or any(not isinstance(value, int) for row in files for value in row)
    ):
        return Snapshot()
    fingerprints = {
        file: Fingerprint(size, mtime_ns, inode)
        for file, size, mtime_ns, inode in files
        if isinstance(file, int)
        and isinstance(size, int)
        and isinstance(mtime_ns, int)
        and isinstance(inode, int)
    }
    return Snapshot(
        verified=verified,
        in_flight=piece_set.from_indices(flying, piece_count),
        files=fingerprints,
        in_parts=frozenset(piece_set.indices(int.from_bytes(in_parts, "little"))),
        is_clean=is_clean == 1,
    )


def _file_set(files: Collection[int]) -> bytes:
    bits = piece_set.from_indices(files, max(files, default=-1) + 1)
    return bits.to_bytes(-(-bits.bit_length() // 8), "little")
