"""What a DHT command is asked about: a torrent, a place in the ID space, a stored item."""

from pathlib import Path

from formats.errors import ConfigError
from formats.identifiers import IdentifierError, InfoHash, parse_info_hash


class TargetError(ConfigError):
    """Text that names nothing in the DHT."""


def parse_torrent(text: str) -> InfoHash:
    """The info hash that 40 hexadecimal or 32 base32 digits, a magnet or a .torrent file name.

    Raises TargetError, for a private torrent too: its peers are none of the DHT's business (BEP 27,
    D16). Raises MagnetError and Failed for a link and a file that are broken.
    """
    from node.cli import source

    if source.is_magnet(text):
        return source.read_magnet(text).info_hash
    path = Path(text)
    if not path.is_file():
        raise TargetError(
            "not an info hash (40 hexadecimal or 32 base32 digits), a magnet or a .torrent file:"
            f" {text[:80]!r}"
        )
    metainfo = source.read_torrent(path)
    if metainfo.is_private:
        raise TargetError("the torrent is private: its peers come from its trackers only")
    return metainfo.info_hash


def parse_id(text: str) -> bytes:
    """The 20 bytes of a node ID or an info hash. Raises TargetError."""
    try:
        return parse_info_hash(text)
    except IdentifierError:
        raise TargetError(
            f"not an ID of 20 bytes (40 hexadecimal or 32 base32 digits): {text[:80]!r}"
        ) from None


def parse_item_name(text: str) -> bytes:
    """The target of an item, 20 bytes, or the public key of a mutable one, 32 bytes.

    Raises TargetError.
    """
    try:
        name = bytes.fromhex(text) if text.isalnum() else b""
    except ValueError:
        name = b""
    if len(name) not in (20, 32):
        raise TargetError(
            f"not the target of an item (40 hexadecimal digits) or a public key (64): {text[:80]!r}"
        )
    return name
