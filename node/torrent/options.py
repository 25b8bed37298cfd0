"""What a user may ask of one torrent."""

from dataclasses import dataclass
from enum import IntEnum

from formats.endpoint import Endpoint


class Priority(IntEnum):
    """How much a file is wanted; SKIP keeps it off the disk."""

    SKIP = 0
    LOW = 1
    NORMAL = 2
    HIGH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentOptions:
    """Choices for one torrent. Rates are bytes per second; None is unlimited."""

    sequential: bool = False
    """Pieces in order instead of rarest first."""
    preallocate: bool = False
    """Reserve the disk space at once; otherwise files are sparse."""
    overwrite: bool = False
    """Write over files of the same name that hold something else."""
    seed_existing: bool = False
    """The data is the user's own, complete and not to be written: never create or change a file."""
    assume_verified: bool = False
    """The caller has just hashed the data: seed it without another check."""
    priorities: tuple[Priority, ...] | None = None
    """One for each file; None wants them all."""
    peers: tuple[Endpoint, ...] = ()
    """Addresses the user named."""
    magnet_peers: tuple[tuple[str, int], ...] = ()
    """Those of the magnet link, as (host name or address, port)."""
    download_rate: int | None = None
    upload_rate: int | None = None
