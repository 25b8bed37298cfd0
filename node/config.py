"""What a node is told: addresses, limits and where it keeps its state."""

from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORTS = range(6881, 7000)
"""Tried in order when the user names no port: the ports BitTorrent is known by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Everything a node may be told; the defaults are those of a desktop client.

    Rates are bytes per second; None is unlimited.
    """

    listen: tuple[str, int] | None = None
    """Numeric address and port for peers; port 0 is any free one. None: all addresses, the first
    free port of 6881-6999."""
    accept_incoming: bool = True
    """False opens no listening socket at all."""
    state: Path | None = None
    """Directory of `everswarm.db`; None keeps nothing."""
    download_rate: int | None = None
    upload_rate: int | None = None
    use_trackers: bool = True
    use_pex: bool = True
    """Let peers tell each other of peers, except in private torrents."""
    use_dht: bool = True
    dht_listen: tuple[str, int] | None = None
    """Numeric address and UDP port of the DHT node. None: where peers reach us, on the same port
    if it is free."""
    bootstrap: tuple[tuple[str, int], ...] = ()
    """Hosts, by name or address, that know DHT nodes, beside those that are built in."""
    max_connections: int = 200
    """Connections of the whole node, and 10 more while strangers are greeted (THREATS limits)."""
    max_half_open: int = 20
    """Dials under way at once."""
    upload_slots: int | None = None
    """Unchoked peers per torrent; None lets the measured upload rate decide."""
    allow_local_peers: bool = False
    """Dial loopback and private addresses whoever names them. Otherwise only when the user, or a
    source that is itself on such a network, names them."""
    tracker_interval_floor: float = 300.0
    """Seconds between two announces at least, whatever the tracker asks."""
    bind_address: str | None = None
    """Numeric address that sockets leave from; None lets the system choose."""
