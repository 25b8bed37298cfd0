"""The key of mutable items in a file: 64 hexadecimal digits, an Ed25519 seed of 32 bytes."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from formats.errors import ConfigError
from node.cli.printable import printable

SEED_SIZE = 32
MAX_FILE_SIZE = 2 * SEED_SIZE + 16
"""Bytes: the digits and some white space."""


def load_key(path: Path, *, create: bool) -> Ed25519PrivateKey:
    """The key in a file; with `create` a new one is written, readable by its owner alone.

    A file that is there is never replaced. Raises ConfigError and OSError.
    """
    name = printable(str(path))
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_SIZE + 1)
    except FileNotFoundError:
        if not create:
            raise ConfigError(f"{name}: there is no such key; --create-key makes one") from None
        return _create(path)
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text.decode("ascii")))
    except ValueError:
        raise ConfigError(f"{name} is not a key: it has to hold 64 hexadecimal digits") from None


def _create(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(key.private_bytes_raw().hex() + "\n")
    return key
