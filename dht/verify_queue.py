"""Pings that the table wants, paced: newcomers that asked us something, contacts in doubt (BEP 5).

A stranger makes us ping whatever address it puts on a datagram. So there are at most five such
pings a second, none to a host that had one within five minutes, and a bounded queue of them (D12).
"""

from collections import OrderedDict, deque

from dht.contact import Contact

INTERVAL_SECONDS = 0.2
"""Between two pings: five a second (D12)."""

HOST_SECONDS = 300.0
"""Between two pings to one host (D12)."""

MAX_WAITING = 64
"""Contacts that wait for their ping; more are dropped, they will be seen again."""

_MAX_HOSTS = 4_096


class VerifyQueue:
    """Contacts to ping, in the order they came. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._waiting: deque[Contact] = deque()
        self._pinged: OrderedDict[str, float] = OrderedDict()
        self._next_at = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, contact: Contact, host: str, now: float) -> bool:
        """Whether the contact will be pinged; `host` is what shares its budget (`Place.host`)."""
        pinged_at = self._pinged.get(host)
        if pinged_at is not None and now - pinged_at < HOST_SECONDS:
            return False
        if len(self._waiting) >= MAX_WAITING:
            return False
        self._pinged[host] = now
        self._pinged.move_to_end(host)
        if len(self._pinged) > _MAX_HOSTS:
            self._pinged.popitem(last=False)
        self._waiting.append(contact)
        return True

    @property
    def due_at(self) -> float | None:
        """When the next ping may go out; None if none waits."""
        return self._next_at if self._waiting else None

    def pop(self, now: float) -> Contact | None:
        """Whom to ping now, if anybody."""
        if not self._waiting or now < self._next_at:
            return None
        self._next_at = now + INTERVAL_SECONDS
        return self._waiting.popleft()

    def forgive(self) -> None:
        """Our network has changed: everybody may be pinged again."""
        self._pinged.clear()
