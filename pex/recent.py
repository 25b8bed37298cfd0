"""Peers we parted from not long ago, for neighbours that would hear of few others (BEP 11)."""

from collections import deque
from collections.abc import Iterator

from formats.endpoint import Endpoint, is_ipv6
from pex.message import PeerFlags

MOST_RECENT = 25
"""Contacts remembered of each family; more than that many live ones need no company (BEP 11)."""


class RecentContacts:
    """The latest MOST_RECENT contacts of each family, of one torrent.

    Only those belong here that completed a handshake and were left for no fault of theirs: nothing
    to give each other, the same peer under another address, too many connections (BEP 11, X7).
    Every one has a number, higher than all before; who remembers the last number that he was told
    hears of each once.
    """

    def __init__(self) -> None:
        self.latest = 0
        """The number of the contact that came last."""
        self._families: dict[bool, deque[tuple[int, Endpoint, PeerFlags]]] = {
            ipv6: deque(maxlen=MOST_RECENT) for ipv6 in (False, True)
        }

    def add(self, contact: Endpoint, flags: PeerFlags) -> None:
        """We have just parted from it."""
        self.latest += 1
        self._families[is_ipv6(contact.host)].append((self.latest, contact, flags))

    def since(self, number: int, *, ipv6: bool) -> Iterator[tuple[Endpoint, PeerFlags]]:
        """Those of a family that came after `number`, the latest first."""
        for found, contact, flags in reversed(self._families[ipv6]):
            if found <= number:
                return
            yield contact, flags
