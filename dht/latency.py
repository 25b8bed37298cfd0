"""How long to wait for an answer: adaptive timeouts, per contact and for everybody else.

A lookup's speed is decided by how soon it gives up on the dead. The estimate is TCP's (RFC 6298):
the smoothed round-trip time and four times its mean deviation. It says when a contact is *slow*, so
that another may be asked in its stead; a late answer is still an answer, and is measured too, which
keeps the estimate from talking itself down.

Threats: an answer that comes at once, or never, to bend the estimate for all: one sample moves it
by an eighth, and it stays within bounds; strangers without number: contacts are remembered in a
bounded table, the longest unheard of is forgotten.
"""

from dht.contact import Contact
from formats.endpoint import Endpoint

INITIAL_SECONDS = 1.0
"""Before the first measurement (RFC 6298)."""

MINIMUM_SECONDS = 0.1
"""Less would call a node slow for one pause of its own."""

MAXIMUM_SECONDS = 3.0
"""More than any path needs; what is slower is too slow to wait for."""

MARGIN_SECONDS = 0.05
"""Waited beyond the smoothed time even if all answers took exactly as long."""

REMEMBERED = 4_096
"""Contacts whose own estimate is kept."""

_RTT_WEIGHT = 1 / 8
_DEVIATION_WEIGHT = 1 / 4
_DEVIATIONS = 4
"""The factors of RFC 6298."""


class RoundTrip:
    """The estimate for one contact, or one set of contacts. Seconds."""

    __slots__ = ("deviation", "rtt")

    def __init__(self, rtt: float) -> None:
        self.rtt = rtt
        self.deviation = rtt / 2

    def measured(self, rtt: float) -> None:
        """An answer took `rtt`."""
        error = rtt - self.rtt
        self.deviation += (abs(error) - self.deviation) * _DEVIATION_WEIGHT
        self.rtt += error * _RTT_WEIGHT

    @property
    def timeout(self) -> float:
        """When an answer counts as late."""
        patience = self.rtt + max(MARGIN_SECONDS, self.deviation * _DEVIATIONS)
        return min(MAXIMUM_SECONDS, max(MINIMUM_SECONDS, patience))


class LatencyTable:
    """What was measured of each contact, and of all together for those never measured."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._contacts: dict[Endpoint, RoundTrip] = {}
        self._all: RoundTrip | None = None

    def answered(self, endpoint: Endpoint, rtt: float) -> None:
        """An answer, late ones too, came after `rtt` seconds."""
        rtt = min(rtt, MAXIMUM_SECONDS)
        if self._all is None:
            self._all = RoundTrip(rtt)
        else:
            self._all.measured(rtt)
        known = self._contacts.pop(endpoint, None)
        if known is None:
            known = RoundTrip(rtt)
            if len(self._contacts) >= self._remembered:
                del self._contacts[next(iter(self._contacts))]
        else:
            known.measured(rtt)
        self._contacts[endpoint] = known

    def timeout(self, contact: Contact) -> float:
        """Seconds after which this contact is slow."""
        known = self._contacts.get(contact.endpoint) or self._all
        return INITIAL_SECONDS if known is None else known.timeout

    @property
    def rtt(self) -> float | None:
        """The smoothed round-trip time of all, seconds."""
        return None if self._all is None else self._all.rtt

    def __len__(self) -> int:
        return len(self._contacts)
