"""One address of a peer: who named it, when, and how dialling it went.

Threats: strangers who name addresses of our own network or of nobody (X3).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from formats.endpoint import AddressClass, Endpoint, classify

MAXIMUM_SOURCES = 8
"""Sources remembered for one address."""

MAXIMUM_FAILURES = 3
"""Failures after which an address that never worked rests until a source names it anew."""


class SourceKind(StrEnum):
    """Ways to hear of a peer."""

    TRACKER = "tracker"
    INCOMING = "incoming"
    PEX = "pex"
    DHT = "dht"
    LSD = "lsd"
    MAGNET = "magnet"
    USER = "user"
    RESUME = "resume"


class Source(NamedTuple):
    """One way we heard of a peer."""

    kind: SourceKind
    detail: str = ""
    """Which tracker, which neighbour."""
    address_class: AddressClass = AddressClass.GLOBAL
    """Where the tracker or neighbour itself is: one in our network may name others there."""


GOSSIP = frozenset((SourceKind.PEX, SourceKind.DHT))
"""Anybody can say anything here."""

_NEAR = frozenset(
    (SourceKind.USER, SourceKind.INCOMING, SourceKind.LSD, SourceKind.MAGNET, SourceKind.RESUME)
)
"""Sources that may name addresses of our own network wherever they are."""

_LOCAL = frozenset((AddressClass.LOOPBACK, AddressClass.PRIVATE, AddressClass.LINK_LOCAL))

_NOWHERE = frozenset((AddressClass.MULTICAST, AddressClass.UNSPECIFIED, AddressClass.RESERVED))


def allow_by_class(endpoint: Endpoint, source: Source) -> bool:
    """The ordinary policy: anybody may name a global address, only what is near us a near one.

    A source on the loopback may name any address of this machine or network, one in a private
    network private addresses.
    """
    kind = classify(endpoint.host)
    if kind is AddressClass.GLOBAL:
        return True
    if kind in _NOWHERE:
        return False
    if source.kind in _NEAR or source.address_class is AddressClass.LOOPBACK:
        return True
    return kind is source.address_class


@dataclass(slots=True)
class KnownPeer:
    """One address. Times are seconds of the monotonic clock."""

    endpoint: Endpoint
    due: float
    """Not to be dialled before this."""
    sources: dict[Source, float] = field(default_factory=dict)
    """When each source last named it; the first to name it comes first."""
    failures: int = 0
    """Dials in a row that led to no handshake."""
    renewed: bool = False
    """A source has named it since it last failed."""
    worked: bool = False
    """A handshake was completed with it once."""
    last_worked: float = 0.0
    """When a connection to it was last known to live."""
    seed: bool = False
    """It is said to have everything (X8: a hint, settled by the handshake)."""
    busy: bool = False
    """Being dialled, or connected."""
    is_hearsay: bool = False
    """Strangers may have made it up to aim us: gossip alone vouches for it, and it never worked."""

    @property
    def is_resting(self) -> bool:
        """True if it failed so often that only news of it would make us try again."""
        return (
            self.failures >= MAXIMUM_FAILURES
            and not (self.worked or self.renewed)
            and all(source.kind is not SourceKind.USER for source in self.sources)
        )

    def named(self, source: Source, now: float) -> None:
        """A source names the address (again)."""
        if source.kind not in GOSSIP:
            self.is_hearsay = False
        if source in self.sources or len(self.sources) < MAXIMUM_SOURCES:
            self.sources[source] = now
        if now >= self.due:
            self.renewed = True


def new_peer(endpoint: Endpoint, source: Source, now: float, *, seed: bool = False) -> KnownPeer:
    """An address that is named for the first time."""
    hearsay = source.kind in GOSSIP and classify(endpoint.host) not in _LOCAL
    return KnownPeer(endpoint, now, {source: now}, seed=seed, is_hearsay=hearsay)
