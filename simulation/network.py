"""The simulated internet: hosts, names, delays, losses and cuts.

The model, exactly. Times are virtual seconds, sizes bytes of payload, rates bytes per second.

* A packet from host A to host B leaves A's up-link (`link.Link`), travels A.latency + B.latency
  plus a uniform jitter of up to A.jitter + B.jitter, then passes B's down-link (store and
  forward). From a host to itself: LOOPBACK_LATENCY, no link, no jitter, no loss.
* Datagrams: lost with probability 1 - (1 - A.loss)(1 - B.loss), overtaken when there is jitter,
  dropped when a link's queue is full, when the way is cut, or when nobody is bound to the port
  (a *connected* sender then sees ConnectionRefusedError, as from ICMP).
* Streams: see `pipe`. No byte is lost or reordered; loss delays.
* A way is *cut* by `partition` or by a silent host. An unknown address is like a silent host.
"""

from collections.abc import Callable, Iterable
from contextvars import Context
from ipaddress import ip_address
from random import Random
from typing import Any, Protocol, TypeVar, TypeVarTuple

from simulation.errors import SimulationError
from simulation.host import Host, current_host
from simulation.names import Names, no_such_address
from simulation.ports import LOOPBACK4, LOOPBACK6, wildcard
from simulation.trace import Event, Flow, Kind, Trace

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

LOOPBACK_LATENCY = 0.000_02
"""Seconds from a host to itself: what a loopback socket takes."""

RETRANSMISSION_TIMEOUT = 0.2
"""Seconds by which a lost stream segment is late, at least: Linux's TCP_RTO_MIN."""

LONGEST_DELAY = 120.0
"""Seconds: Linux's TCP_RTO_MAX; loss of everything delays a segment by two of these at most."""


class Scheduler(Protocol):
    """What the network asks of the event loop."""

    def time(self) -> float: ...
    def call_soon(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> object: ...
    def deliver_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context
    ) -> None: ...


class Stalled(Protocol):
    """A stream whose segments wait for a cut to heal."""

    def retry(self) -> None: ...


class Network:
    """All hosts and the ways between them. Everything random in it follows from `seed`."""

    def __init__(self, scheduler: Scheduler, *, seed: int) -> None:
        self.scheduler = scheduler
        self.seed = seed
        self.names = Names()
        self.trace = Trace()
        self.hosts: dict[str, Host] = {}
        self.context = Context()  # what runs in nobody's name runs on no host
        self._rng = self.random("network")
        self._by_address: dict[str, Host] = {}
        self._cuts: set[tuple[int, int]] = set()  # membership only: no order to leak
        self._stalled: dict[Stalled, None] = {}

    def random(self, name: str) -> Random:
        """A generator of its own for `name`: what one part draws does not disturb another."""
        return Random(f"{self.seed}/{name}")

    def host(
        self,
        name: str | None = None,
        *,
        address: str | None = None,
        ipv6: str | bool = False,
        up: float = float("inf"),
        down: float = float("inf"),
        latency: float = 0.01,
        jitter: float = 0.0,
        loss: float = 0.0,
    ) -> Host:
        """A new host; its name resolves to its addresses.

        Addresses not given are global ones, each host in a /24 (and /48) of its own.
        """
        number = len(self.hosts) + 1
        name = name or f"host{number}"
        addresses = [address or f"20.{number >> 8}.{number & 255}.1"]
        if ipv6:
            addresses.append(ipv6 if isinstance(ipv6, str) else f"2600:{number:x}::1")
        addresses = [ip_address(text).compressed for text in addresses]
        if name in self.hosts or any(text in self._by_address for text in addresses):
            raise SimulationError(f"there is a host named {name} or with its address already")
        host = Host(self, number, name, addresses)
        host.up.rate, host.down.rate = up, down
        host.latency, host.jitter, host.loss = latency, jitter, loss
        self.hosts[name] = host
        self._by_address.update(dict.fromkeys(addresses, host))
        self.names.add(name, *addresses)
        return host

    # Faults

    def partition(self, a: Host | Iterable[Host], b: Host | Iterable[Host]) -> None:
        """Cuts every way between the hosts of `a` and those of `b`, both directions."""
        self._cuts.update(_pairs(a, b))
        self.record_fault("partition")

    def heal(
        self, a: Host | Iterable[Host] | None = None, b: Host | Iterable[Host] | None = None
    ) -> None:
        """Undoes `partition(a, b)`; without arguments every partition."""
        if a is None or b is None:
            self._cuts.clear()
        else:
            self._cuts.difference_update(_pairs(a, b))
        self.record_fault("heal")
        self.retry_stalled()

    def record_fault(self, note: str) -> None:
        now = self.scheduler.time()
        self.trace.record(now, now, Kind.FAULT, Flow(0, 0, 0, 0), note.encode(), note=note)

    # Reports

    def digest(self) -> str:
        """128 bits in hex over all traffic so far: equal in two runs that went the same."""
        return self.trace.digest()

    def history(self) -> list[Event]:
        """The most recent events on the wire, oldest first."""
        return self.trace.history()

    # Ways

    def host_at(self, address: str, source: Host) -> Host | None:
        """Whom `source` reaches under `address`, an address in canonical form."""
        if address in (LOOPBACK4, LOOPBACK6):
            return source
        return self._by_address.get(address)

    def local_host(self, address: str) -> Host:
        """Whose socket is bound to `address`. Raises OSError (EADDRNOTAVAIL)."""
        if address in (LOOPBACK4, LOOPBACK6) or address == wildcard(address):
            return current_host()
        found = self._by_address.get(address)
        if found is None:
            raise no_such_address(address)
        return found

    def is_open(self, source: Host, target: Host) -> bool:
        """Whether a packet gets through now."""
        if source is target:
            return True
        if source.silent or target.silent:
            return False
        return not self._cuts or (source.number, target.number) not in self._cuts

    def delay(self, source: Host, target: Host) -> float:
        """Seconds on the way, without the links; draws the jitter."""
        if source is target:
            return LOOPBACK_LATENCY
        delay = source.latency + target.latency
        jitter = source.jitter + target.jitter
        return delay + jitter * self._rng.random() if jitter else delay

    def is_lost(self, source: Host, target: Host) -> bool:
        """Whether this packet is lost; draws only where there is loss."""
        if source is target or not (source.loss or target.loss):
            return False
        return self._rng.random() >= (1 - source.loss) * (1 - target.loss)

    def segment_delay(self, source: Host, target: Host) -> float:
        """`delay`, and for each time the segment is lost a retransmission timeout more."""
        delay = self.delay(source, target)
        timeout = max(RETRANSMISSION_TIMEOUT, 2 * delay)
        while delay < LONGEST_DELAY and self.is_lost(source, target):
            delay += timeout
            timeout *= 2
        return delay

    def stall(self, stream: Stalled) -> None:
        """Remembers a stream to be retried when a way may have opened."""
        self._stalled[stream] = None

    def retry_stalled(self) -> None:
        stalled, self._stalled = self._stalled, {}
        for stream in stalled:
            stream.retry()


def _pairs(a: Host | Iterable[Host], b: Host | Iterable[Host]) -> Iterable[tuple[int, int]]:
    left = [a] if isinstance(a, Host) else list(a)
    right = [b] if isinstance(b, Host) else list(b)
    for one in left:
        for other in right:
            yield one.number, other.number
            yield other.number, one.number
