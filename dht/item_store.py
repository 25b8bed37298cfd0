"""The items put to us (BEP 44), found by their targets.

Who puts holds a token, so its address is real. What it tries, and the answer (D10):

* more items than we have memory for: the one that the fewest addresses put goes;
* every place in the store for itself: twenty items an address;
* an item in another's name: the signature is checked before anything is stored (error 206);
* an older version, or a race of two writers: sequence numbers and `cas` (errors 302, 301);
* a value or salt of more than BEP 44 allows: refused by the decoder (errors 205, 207).

Items are forgotten two hours after they were last put.
"""

from dht.item import Item, MutableItem
from dht.krpc_messages import ErrorCode, KrpcError

MAX_ITEMS = 700
"""Of at most 1,160 bytes each (D10)."""
MAX_ITEMS_OF_HOST = 20
ITEM_LIFETIME = 7200.0
"""Seconds from the last put; publishers put once an hour (BEP 44)."""
_MAX_HOSTS = 16
"""Addresses remembered for one item; more do not make it safer."""


class _Stored:
    __slots__ = ("hosts", "item", "put_at")

    def __init__(self, item: Item, now: float) -> None:
        self.item = item
        self.put_at = now
        self.hosts: dict[bytes, None] = {}
        """Who put it; the first is the one it is counted to."""


class ItemStore:
    """Items by target, the one put longest ago first. Times are of one monotonic clock."""

    __slots__ = ("_items", "_items_of_host")

    def __init__(self) -> None:
        self._items: dict[bytes, _Stored] = {}
        self._items_of_host: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._items)

    def get(self, target: bytes, now: float) -> Item | None:
        """The item stored under `target`."""
        stored = self._items.get(target)
        if stored is None or stored.put_at + ITEM_LIFETIME <= now:
            return None
        return stored.item

    def put(self, item: Item, host: bytes, *, now: float, cas: int | None = None) -> None:
        """Store an item for the node at `host` (4 or 16 bytes), or renew it.

        Raises KrpcError with the code of BEP 44.
        """
        target = item.target
        if isinstance(item, MutableItem):
            self._check_mutable(item, self.get(target, now), cas)
        stored = self._items.pop(target, None)
        if stored is None:
            self._make_room(host, now)
            stored = _Stored(item, now)
            self._items_of_host[host] = self._items_of_host.get(host, 0) + 1
        stored.item = item
        stored.put_at = now
        if len(stored.hosts) < _MAX_HOSTS:
            stored.hosts[host] = None
        self._items[target] = stored

    def expire(self, now: float) -> None:
        """Forget every item that nobody has put for ITEM_LIFETIME; to be called each minute."""
        while self._items:
            target = next(iter(self._items))
            if self._items[target].put_at + ITEM_LIFETIME > now:
                return
            self._forget(target)

    def _check_mutable(self, item: MutableItem, current: Item | None, cas: int | None) -> None:
        if isinstance(current, MutableItem):
            if cas is not None and cas != current.sequence:
                raise KrpcError("the CAS hash mismatched", ErrorCode.CAS_MISMATCH)
            outdated = item.sequence == current.sequence and item.value != current.value
            if outdated or item.sequence < current.sequence:
                raise KrpcError("sequence number less than current", ErrorCode.SEQUENCE_TOO_LOW)
        if item != current and not item.is_signed:
            raise KrpcError("invalid signature", ErrorCode.INVALID_SIGNATURE)

    def _make_room(self, host: bytes, now: float) -> None:
        self.expire(now)
        if self._items_of_host.get(host, 0) >= MAX_ITEMS_OF_HOST:
            raise KrpcError("too many items of one address", ErrorCode.SERVER)
        if len(self._items) >= MAX_ITEMS:  # the first of equals is the oldest
            self._forget(min(self._items, key=lambda target: len(self._items[target].hosts)))

    def _forget(self, target: bytes) -> None:
        first = next(iter(self._items.pop(target).hosts))
        left = self._items_of_host[first] - 1
        if left:
            self._items_of_host[first] = left
        else:
            del self._items_of_host[first]
