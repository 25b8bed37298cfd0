"""What may be believed when a torrent is opened: the record, held against the files (F4–F7).

The rules, in order:

1. A file *fits* the record when it has the inode of its fingerprint, is long enough for every
   verified byte, and its time of change is the recorded one. After an unclean stop the time may
   be later, and a file without verified pieces needs no fingerprint when one of its pieces is in
   flight: our own last writes look like that.
2. A verified piece whose files all fit is trusted without reading it.
3. Pieces in flight and all pieces of files that do not fit are hashed, as far as their bytes exist.
4. A file that does not fit must then prove to be this torrent's: one piece that touches it matches,
   or it holds zeros only (preallocated), or it has the recorded inode after an unclean stop.
   Otherwise it is foreign and never written to. So is a file longer than declared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from node.storage import piece_set
from node.storage.errors import ForeignFile
from node.storage.layout import Layout
from node.storage.open_files import FileStatus
from node.storage.payload import PART_FILE, Payload, Statuses
from node.storage.resume import Fingerprint, Snapshot


@dataclass(frozen=True, slots=True)
class Findings:
    """What a record is worth."""

    trusted: int
    """Pieces that are verified without reading them."""
    suspect: int
    """Pieces that must be hashed."""
    present: int
    """Pieces of which every byte exists."""
    unproven: tuple[int, ...]
    """Files that are foreign unless one of their pieces matches or they are blank."""


def examine(
    layout: Layout,
    snapshot: Snapshot,
    statuses: Statuses,
    *,
    present: int,
    in_parts: frozenset[int],
) -> Findings:
    """Hold `snapshot` against the `statuses` of all stored files and PART_FILE.

    `present` are the pieces of which every byte may exist.
    """
    judge = _Judge(layout, snapshot)
    doubtful: list[int] = []
    unproven: list[int] = []
    if not judge.fits(PART_FILE, statuses[PART_FILE], 0):
        doubtful.extend(sorted(in_parts))
    for file in layout.stored:
        status = statuses[file]
        if file in in_parts or judge.fits(file, status, layout.end_of(file, judge.verified)):
            continue
        doubtful.append(file)
        if status is not None and status.size > 0 and not judge.is_ours(file, status):
            unproven.append(file)
    doubt = layout.pieces_of(doubtful) | snapshot.in_flight
    return Findings(
        trusted=snapshot.verified & ~doubt & present,
        suspect=doubt & present,
        present=present,
        unproven=tuple(unproven),
    )


class _Judge:
    """Rules 1 and 4 for one file."""

    def __init__(self, layout: Layout, snapshot: Snapshot) -> None:
        self._layout = layout
        self._snapshot = snapshot
        self.verified = piece_set.digits(snapshot.verified, layout.piece_count)
        self._in_flight = piece_set.digits(snapshot.in_flight, layout.piece_count)

    def fits(self, file: int, status: FileStatus | None, needed: int) -> bool:
        """Whether the file's verified pieces may be trusted; `needed` is where they end, bytes."""
        known = self._snapshot.files.get(file)
        if status is None or status.size == 0:
            return needed == 0 and (known is None or known.size == 0)
        if known is None:
            return needed == 0 and self._is_newborn(file)
        if known.inode != status.inode or status.size < needed:
            return False
        if self._snapshot.is_clean:
            return known == Fingerprint.of(status)
        return status.mtime_ns >= known.mtime_ns

    def is_ours(self, file: int, status: FileStatus) -> bool:
        """Whether an unclean stop came while we had this very file."""
        known = self._snapshot.files.get(file)
        return not self._snapshot.is_clean and known is not None and known.inode == status.inode

    def _is_newborn(self, file: int) -> bool:
        """Whether an unclean stop came after our first writes to the file, before a fingerprint."""
        if self._snapshot.is_clean or file == PART_FILE:
            return False
        return self._in_flight.find("1", *self._layout.piece_range(file)) >= 0


class Opening:
    """The blocking half of opening a torrent: looks at the files and clears the way for them."""

    def __init__(
        self, layout: Layout, payload: Payload, wanted: frozenset[int], *, overwrite: bool
    ) -> None:
        self._layout = layout
        self._payload = payload
        self._wanted = wanted
        self._overwrite = overwrite

    def examine(self, snapshot: Snapshot) -> Findings:
        """Decide which files use the part file, and what of the record to trust.

        Raises UnsafePath and ForeignFile for what cannot be this torrent's (rule 4).
        """
        statuses = self._payload.statuses((*self._layout.stored, PART_FILE))
        parts = set()
        for file in self._layout.stored:
            reason = self._misfit(file, statuses[file], snapshot)
            if file in self._wanted:
                if reason is not None:
                    self._clear_way(file, statuses[file], reason)
                    statuses[file] = None
                if file in snapshot.in_parts:
                    parts.add(file)
            elif reason is not None or file in snapshot.in_parts or statuses[file] is None:
                parts.add(file)
        self._payload.in_parts = frozenset(parts)
        return examine(
            self._layout,
            snapshot,
            statuses,
            present=self._payload.present(statuses, snapshot.verified | snapshot.in_flight),
            in_parts=self._payload.in_parts,
        )

    def admit(self, unproven: Sequence[int], verified: int) -> None:
        """Settle which of the unproven files are foreign, now that their pieces were hashed.

        A wanted one raises ForeignFile or is deleted, the others are left alone.
        """
        proven = frozenset(self._layout.files_of(verified)) if unproven else frozenset()
        for file in unproven:
            if file in proven or self._payload.is_blank(file):
                continue
            if file in self._wanted:
                status = self._payload.statuses([file])[file]
                self._clear_way(file, status, "is not this torrent's data: no piece of it matches")
            else:
                self._payload.in_parts |= {file}

    def _misfit(self, file: int, status: FileStatus | None, snapshot: Snapshot) -> str | None:
        """Why what stands there cannot be this torrent's file, whatever it holds."""
        if status is None:
            return None
        if not status.is_regular:
            return "is not a plain file"
        if status.size > self._layout.files[file].length:
            return "is longer than this torrent's file"
        if status.size > 0 and file in snapshot.in_parts:
            return "is not this torrent's data: it was never written"
        return None

    def _clear_way(self, file: int, status: FileStatus | None, reason: str) -> None:
        if not self._overwrite and (status is None or status.is_regular):
            raise ForeignFile(self._payload.show(file), reason)
        self._payload.remove(file)
