"""Writing a .torrent file: all of it or nothing, and never over another by accident."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from node.cli.exit_status import Failed
from node.cli.printable import printable


@contextmanager
def torrent_output(path: Path, *, force: bool) -> Iterator[Callable[[bytes], None]]:
    """Makes sure that `path` can be written before any work; gives the function that writes it.

    Nothing is left behind unless that function was called. Raises Failed when there is a file and
    no `force`, OSError when the directory cannot be written.
    """
    _refuse_existing(path, force=force)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")

    def write(data: bytes) -> None:
        draft.write_bytes(data)
        _refuse_existing(path, force=force)
        draft.replace(path)

    try:
        draft.touch()
    except OSError as error:
        raise Failed(f"cannot write {printable(str(path))}: {error.strerror}") from error
    try:
        yield write
    finally:
        draft.unlink(missing_ok=True)


def _refuse_existing(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise Failed(f"cannot write {printable(str(path))}: it is a folder")
    if path.exists() and not force:
        raise Failed(f"{printable(str(path))} exists; --force replaces it, -o names another")
