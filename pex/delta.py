"""What one neighbour is told of the others, and when (BEP 11)."""

from collections.abc import Callable, Mapping
from itertools import islice

from formats.endpoint import Endpoint, is_ipv6
from pex.message import MOST_CONTACTS, PeerFlags, PexMessage
from pex.recent import MOST_RECENT, RecentContacts

INTERVAL = 60.0
"""Seconds between two messages at least (BEP 11)."""


class PexDelta:
    """Remembers what a neighbour was told, and says what changed since.

    Of the peers it is given, which are those we completed a handshake with (X7), a message adds 50
    and drops 50 at most; the rest is left for the next. No contact is added twice without being
    dropped between, and none is added and dropped at once.

    `allow` says of a contact whether the neighbour may hear of it.
    """

    __slots__ = ("_allow", "_due", "_recent_told", "_told")

    def __init__(self, now: float, *, allow: Callable[[Endpoint], bool]) -> None:
        self._allow = allow
        self._due = now
        self._told: dict[Endpoint, None] = {}
        """What the neighbour takes to be connected to us."""
        self._recent_told = 0
        """Up to which recent contact it has heard."""

    def next_message(
        self, live: Mapping[Endpoint, PeerFlags], recent: RecentContacts, now: float
    ) -> PexMessage | None:
        """What to send now: None when it is too early or there is nothing to say.

        `live` are the peers that we are connected to. Contacts that left recently fill up a family
        of which there are few; being gone, they are dropped with the next message.
        """
        if now < self._due:
            return None
        told = self._told
        dropped = [contact for contact in told if contact not in live][:MOST_CONTACTS]
        fresh = (contact for contact in live if contact not in told and self._allow(contact))
        added = {contact: live[contact] for contact in islice(fresh, MOST_CONTACTS)}
        if recent.latest > self._recent_told:
            self._fill_up(added, live, recent)
        if not added and not dropped:
            return None
        for contact in dropped:
            del told[contact]
        told.update(dict.fromkeys(added))
        self._due = now + INTERVAL
        return PexMessage(added, tuple(dropped))

    def _fill_up(
        self,
        added: dict[Endpoint, PeerFlags],
        live: Mapping[Endpoint, PeerFlags],
        recent: RecentContacts,
    ) -> None:
        for ipv6 in (False, True):
            if sum(is_ipv6(contact.host) is ipv6 for contact in live) >= MOST_RECENT:
                continue
            for contact, flags in recent.since(self._recent_told, ipv6=ipv6):
                if len(added) == MOST_CONTACTS:
                    break
                if contact not in live and contact not in self._told and self._allow(contact):
                    added[contact] = flags
        self._recent_told = recent.latest
