"""What a DHT node is told."""

from dataclasses import dataclass, field

from dht.address_limits import AddressLimits
from dht.node_id import NodeId
from dht.peer_store import PeerLimits
from dht.source_budget import BudgetLimits

BUILT_IN_HOSTS = (
    ("dht.libtorrent.org", 25401),
    ("dht.transmissionbt.com", 6881),
    ("router.bt.ouinet.work", 6881),
)
"""Well-known nodes that answered in May 2026; the older names that many programs still carry are
dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhtConfig:
    """Everything a node may be told; the defaults are those of a node on the public network."""

    listen: tuple[tuple[str, int], ...] = (("0.0.0.0", 6881), ("::", 6881))  # noqa: S104 - public
    """Numeric addresses and ports, at most one of each family. Port 0 is any free one. A family
    that the machine does not have is left out if another is there."""
    bootstrap: tuple[tuple[str, int], ...] = ()
    """Hosts, by name or address, that know others."""
    built_in_hosts: tuple[tuple[str, int], ...] = BUILT_IN_HOSTS
    """Asked when all else did not answer at once; empty for a network of one's own."""
    saved: bytes | None = None
    """What `Dht.save` gave, at any time before. It is read as a stranger's."""
    read_only: bool | None = None
    """Ask and do not answer (BEP 43); None lets measured reachability decide."""
    node_id: NodeId | None = None
    """An ID to keep whatever our address is; None makes one that fits it (BEP 42)."""
    allow_local: bool = False
    """Take nodes of private networks and of this machine: for a network of one's own, and tests."""
    packet_rate: float = 200.0
    """Packets per second that announcing many torrents may take."""
    address_limits: AddressLimits | None = None
    """Default: those of the routing table, with `allow_local`."""
    budget_limits: BudgetLimits = field(
        default_factory=lambda: BudgetLimits(values_for_strangers=True)
    )
    """What strangers may cost us. Newcomers and read-only nodes, who cannot have answered us, are
    given peers, too, within three times the bytes of what they sent."""
    peer_limits: PeerLimits = field(default_factory=PeerLimits)
    """What we store for others."""

    @property
    def limits(self) -> AddressLimits:
        """The limits on addresses that apply."""
        return self.address_limits or AddressLimits(allow_local=self.allow_local)
