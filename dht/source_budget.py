"""How much of our attention and of our upstream each source of datagrams gets (D8, D9, G6).

Source addresses are forged at will. What is tried, and the bound:

* a flood from one address or one network: a budget for each, and five minutes of silence for an
  address that overdraws its own; both are asked before anything is decoded;
* a flood from everywhere: when the bytes per second of all our replies are used up, queries are
  dropped undecoded, and our own lookups go on: who awaits a response from a source does not ask;
* our replies aimed at a victim: a source that has not answered us lately gets at most three times
  what it sent, and no values;
* sources without number: 4,096 are remembered, the one heard of longest ago is forgotten. Those
  that answered us are remembered apart, where only our own queries make room for others.

The programs of this machine share the loopback address: there each port is a source by itself, and
they have no network in common.
"""

from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from formats.endpoint import Endpoint, subnet

MAX_REPLY = 1280
"""Bytes of a reply over IPv4 (D8): the least that IPv6 links carry whole."""
AMPLIFICATION = 3
"""Bytes sent for each received while a source may be forged (R13)."""
VERIFIED_SECONDS = 600.0
"""For how long an answer to a query of ours proves that a source is where it says."""
MAX_SOURCES = 4096
"""Addresses, networks and verified endpoints remembered, of each kind."""


class Drop(StrEnum):
    """Why a datagram was dropped undecoded."""

    PORT_ZERO = "port 0"
    MUTED = "source is muted"
    HOST = "source over budget"
    SUBNET = "network over budget"
    REPLIES = "reply bytes used up"


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """Budgets; those that are rates are per second."""

    host_rate: float = 5.0
    host_burst: float = 50.0
    mute_seconds: float = 300.0
    """For which an address that overdrew its budget is not listened to."""
    subnet_rate: float = 50.0
    """Of a /24 or /56."""
    subnet_burst: float = 500.0
    reply_bytes: float = 64_000.0
    """Of all replies together; a second's worth may be saved up."""
    values_for_strangers: bool = False
    """Values, within the three times, also for sources that have not proved their address."""


class Allowance(NamedTuple):
    """What one reply may hold."""

    size: int = MAX_REPLY
    """Bytes of the whole datagram."""
    values: bool = True
    """Peers, items, samples and filters; nodes and tokens are always allowed."""


UNBOUNDED = Allowance()
"""For a source that proved its address."""


class _Source:
    __slots__ = ("muted_until", "network", "spent_until")

    def __init__(self, network: str | None) -> None:
        self.spent_until = 0.0
        """When its budget will be whole again, at one datagram per 1/rate seconds."""
        self.muted_until = 0.0
        self.network = network


class SourceBudget:
    """Judges datagrams by their source. Times are seconds of one monotonic clock, from 0 up."""

    def __init__(self, now: float, limits: BudgetLimits | None = None) -> None:
        self.limits = limits = limits or BudgetLimits()
        self.drops: Counter[Drop] = Counter()
        """Datagrams dropped, by reason (G8)."""
        self._host_step = 1 / limits.host_rate
        self._host_credit = (limits.host_burst - 1) / limits.host_rate
        self._subnet_step = 1 / limits.subnet_rate
        self._subnet_credit = (limits.subnet_burst - 1) / limits.subnet_rate
        self._sources: OrderedDict[Hashable, _Source] = OrderedDict()
        self._networks: OrderedDict[str, float] = OrderedDict()
        self._verified: OrderedDict[Endpoint, float] = OrderedDict()
        self._reply_bytes = limits.reply_bytes
        self._replies_at = now

    def admit(self, source: Endpoint, now: float) -> Drop | None:
        """Whether to decode a datagram that answers no query of ours; None is yes."""
        drop = self._judge(source, now)
        if drop is not None:
            self.drops[drop] += 1
        return drop

    def _judge(self, source: Endpoint, now: float) -> Drop | None:
        if not source.port:
            return Drop.PORT_ZERO
        state = self._source(source)
        if now < state.muted_until:
            return Drop.MUTED
        spent_until = state.spent_until
        if spent_until < now:
            spent_until = now
        elif spent_until > now + self._host_credit:
            state.muted_until = now + self.limits.mute_seconds
            return Drop.HOST
        state.spent_until = spent_until + self._host_step
        if state.network is not None and not self._network_admits(state.network, now):
            return Drop.SUBNET
        elapsed = now - self._replies_at
        if elapsed > 0.0:
            rate = self.limits.reply_bytes
            self._reply_bytes = min(rate, self._reply_bytes + elapsed * rate)
            self._replies_at = now
        return Drop.REPLIES if self._reply_bytes <= 0 else None

    def _source(self, source: Endpoint) -> _Source:
        host = source.host
        local = host.startswith("127.") or host == "::1"
        key: Hashable = source if local else host
        state = self._sources.get(key)
        if state is None:
            state = self._sources[key] = _Source(None if local else subnet(host))
            if len(self._sources) > MAX_SOURCES:
                self._sources.popitem(last=False)
        else:
            self._sources.move_to_end(key)
        return state

    def _network_admits(self, network: str, now: float) -> bool:
        networks = self._networks
        spent_until = max(networks.get(network, now), now)
        if spent_until > now + self._subnet_credit:
            return False
        networks[network] = spent_until + self._subnet_step
        networks.move_to_end(network)
        if len(networks) > MAX_SOURCES:
            networks.popitem(last=False)
        return True

    def verified(self, source: Endpoint, now: float) -> None:
        """A source answered a query of ours, so that it is where it says it is."""
        self._verified[source] = now
        self._verified.move_to_end(source)
        if len(self._verified) > MAX_SOURCES:
            self._verified.popitem(last=False)

    def is_verified(self, source: Endpoint, now: float) -> bool:
        """Whether it answered us within VERIFIED_SECONDS."""
        answered_at = self._verified.get(source)
        return answered_at is not None and now - answered_at <= VERIFIED_SECONDS

    def allowance(self, source: Endpoint, size: int, now: float, *, besides: int = 0) -> Allowance:
        """What the reply to a query of `size` bytes may hold; `besides` are sent for it, too."""
        if self.is_verified(source, now):
            return UNBOUNDED
        most = min(AMPLIFICATION * size - besides, MAX_REPLY)
        return Allowance(most, self.limits.values_for_strangers)

    def spend(self, size: int) -> None:
        """A reply of `size` bytes goes out; the last one may overdraw, the next is not admitted."""
        self._reply_bytes -= size
