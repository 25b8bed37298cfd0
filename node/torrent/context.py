"""What a torrent receives from the node it runs in."""

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from formats.identifiers import PeerId
from node.peer.receive_buffer import ReceiveBuffer
from node.storage.open_files import Disk
from node.torrent.dial_budget import DialBudget
from node.torrent.token_bucket import TokenBucket
from tracker.http_client import HttpTrackers
from tracker.udp_client import UdpTrackers

if TYPE_CHECKING:
    from dht.dht import Dht


@dataclass(slots=True)
class ConnectionCount:
    """Peer connections of the whole node and dials under way, each against their limit."""

    limit: int
    half_open_limit: int
    open: int = 0
    half_open: int = 0

    @property
    def room_for_dials(self) -> int:
        """How many more dials fit both limits."""
        return min(self.half_open_limit, self.limit - self.open) - self.half_open


@dataclass(slots=True, kw_only=True)
class NodeContext:
    """The node's shared parts: every torrent of it is given the same."""

    loop: asyncio.AbstractEventLoop
    rng: random.Random
    clock: Callable[[], float]
    """Unix seconds, for dates only."""
    executor: Executor | None
    """Where hashing and the disk happen; None is the loop's own."""
    peer_id: PeerId
    receive_buffer: ReceiveBuffer
    download: TokenBucket
    upload: TokenBucket
    dial_budget: DialBudget
    connections: ConnectionCount
    dht: "Dht | None"
    """None asks no DHT."""
    trackers: HttpTrackers | None
    """None asks no tracker."""
    udp_trackers: UdpTrackers | None
    """None asks no tracker by UDP."""
    tracker_interval_floor: float
    """Seconds."""
    upload_slots: int | None
    allow_local_peers: bool
    open_disk: Callable[[Path], Disk]
    """Makes the disk that holds a download directory."""
    local_address: str | None
    use_pex: bool
    """Whether peers tell each other of peers."""
    listen_port: int = 0
    """0 while nothing listens."""
