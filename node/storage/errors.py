"""What a disk refuses, each as one sentence that names the file."""

import errno

from formats.errors import StorageError


class DiskFull(StorageError):
    """No room left, or the user's quota is used up (F1): free some space and write again."""


class AccessDenied(StorageError):
    """The operating system does not let us read or write there (F3)."""


class DiskFault(StorageError):
    """The disk or the file system failed (F3)."""


class UnsafePath(StorageError):
    """A path that would leave the download directory, or something there that is no plain file."""


class ForeignFile(StorageError):
    """A file that is not this torrent's data stands where the torrent's file belongs."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} {reason}; move it away, choose another download directory "
            "or ask for it to be overwritten"
        )
        self.path = path


class MissingData(StorageError):
    """Bytes of a verified piece cannot be read any more (F3, F7): the piece is not ours now."""

    def __init__(self, piece: int, reason: str) -> None:
        super().__init__(f"piece {piece} cannot be read: {reason}")
        self.piece = piece
        """The first piece of the read that is missing."""


class SyncFailed(StorageError):
    """The disk did not keep what it was given: these pieces are unverified again (F5, F7).

    To `check` them finds those that are there after all.
    """

    def __init__(self, pieces: int, reason: str) -> None:
        super().__init__(f"the disk did not keep what was written: {reason}")
        self.pieces = pieces
        """Bit i set = piece i."""


_SENTENCES: dict[int, tuple[type[StorageError], str]] = {
    errno.ENOSPC: (DiskFull, "the disk is full"),
    errno.EDQUOT: (DiskFull, "the disk quota is used up"),
    errno.EROFS: (AccessDenied, "the file system is read-only"),
    errno.EACCES: (AccessDenied, "permission denied"),
    errno.EPERM: (AccessDenied, "the operation is not permitted"),
    errno.EIO: (DiskFault, "the disk reports an input/output error"),
    errno.ENOENT: (DiskFault, "the file has disappeared"),
    errno.EFBIG: (DiskFault, "the file system cannot hold a file this large"),
    errno.EMFILE: (DiskFault, "too many files are open"),
    errno.ENFILE: (DiskFault, "too many files are open on this machine"),
    errno.ESTALE: (DiskFault, "the network file system has lost the file"),
    errno.ENAMETOOLONG: (DiskFault, "the file system does not take names this long"),
    errno.EISDIR: (UnsafePath, "a directory stands where a file belongs"),
    errno.ENOTDIR: (UnsafePath, "a file stands where a directory belongs"),
    errno.ELOOP: (UnsafePath, "a symbolic link stands there, and links are not followed"),
}


def explain(error: OSError, path: str) -> StorageError:
    """The StorageError for what the operating system said about `path`."""
    kind, sentence = _SENTENCES.get(error.errno or 0, (DiskFault, ""))
    return kind(f"{path}: {sentence or (error.strerror or str(error)).lower()}")
