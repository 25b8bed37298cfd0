"""What a DHT node keeps over a restart, in a file: all of the old or all of the new."""

import os
from pathlib import Path

FILE_NAME = "dht.contacts"
MAX_SIZE = 65_536
"""Bytes read, four times what a node saves; `dht.saved_state` judges them."""


class ContactsFile:
    """`dht.contacts` in a state directory. Its methods block: call them in an executor."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME

    def load(self) -> bytes | None:
        """What was saved, None if nothing was; the directory is made. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.path.open("rb") as file:
                return file.read(MAX_SIZE + 1)
        except FileNotFoundError:
            return None

    def save(self, data: bytes) -> None:
        """Replace what was saved, also on disk when this returns. Raises OSError."""
        draft = self.path.with_name(f".{FILE_NAME}.{os.getpid()}.part")
        try:
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)
