"""Whether strangers' queries reach us, which decides if we serve or only ask (BEP 43).

Behind most address translators and firewalls a datagram comes in only from a host that we sent
something to minutes ago. A query from a host that we did not is the proof of the contrary. Nobody
would send one to a node that calls itself read-only, so a node serves first, for a trial; if it
met enough others and none came by itself, it is read-only until the next trial.

Threats: forged queries that make us believe we are reachable: we then serve, as by default, and
those who verify us before they name us get no answer.
"""

from collections import OrderedDict

MAPPING_SECONDS = 300.0
"""For which a host we sent to may get through to us: what RFC 4787 recommends for translators."""

TRIAL_SECONDS = 1_200.0
"""For which we serve without being asked: nodes verify each other every 15 minutes (BEP 5)."""

TRIAL_CONTACTS = 32
"""In a smaller network everybody hears from us all the time, and silence proves nothing."""

PAUSE_SECONDS = 3_600.0
"""From the end of a trial that failed to the next."""

PROOF_SECONDS = 3_600.0
"""For which one query proves that we are reachable."""

_MAX_HOSTS = 8_192
"""Hosts remembered; more than a budgeted node asks in five minutes."""


class Reachability:
    """Times are seconds of one monotonic clock."""

    def __init__(self, now: float) -> None:
        self._sent: OrderedDict[str, float] = OrderedDict()
        self._trial_since = now
        self._proved_at: float | None = None
        self._failed_at: float | None = None

    def sent_to(self, host: str, now: float) -> None:
        """A datagram of ours went to this host."""
        self._sent[host] = now
        self._sent.move_to_end(host)
        if len(self._sent) > _MAX_HOSTS:
            self._sent.popitem(last=False)

    def queried_by(self, host: str, now: float) -> None:
        """A query came from this host."""
        sent_at = self._sent.get(host)
        if sent_at is None or now - sent_at > MAPPING_SECONDS:
            self._proved_at = now
            self._failed_at = None

    def judge(self, now: float, *, contacts: int) -> bool | None:
        """Whether we are reachable; None while nobody knows. To be asked every few seconds."""
        if self._proved_at is not None:
            if now - self._proved_at <= PROOF_SECONDS:
                return True
            self._proved_at = None
            self._trial_since = now
        if self._failed_at is not None:
            if now - self._failed_at <= PAUSE_SECONDS:
                return False
            self._failed_at = None
            self._trial_since = now
        if contacts >= TRIAL_CONTACTS and now - self._trial_since > TRIAL_SECONDS:
            self._failed_at = now
            return False
        return None

    def restart(self, now: float) -> None:
        """Our network has changed: another trial."""
        self._proved_at = self._failed_at = None
        self._trial_since = now
