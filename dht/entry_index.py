"""The entries of one routing table by ID, by host and by network, and who is in whose way (D7)."""

from collections import defaultdict
from collections.abc import Sequence

from dht.address_limits import AddressLimits
from dht.bucket import Bucket, Entry
from dht.node_id import NodeId


class EntryIndex:
    """One entry per ID, one per host, and as many per network as the limits allow."""

    def __init__(self, limits: AddressLimits) -> None:
        self._limits = limits
        self._ids: dict[NodeId, Entry] = {}
        self._hosts: dict[str, Entry] = {}
        self._networks: defaultdict[str | bytes, list[Entry]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._ids)

    def get(self, node_id: NodeId) -> Entry | None:
        """The entry with this ID."""
        return self._ids.get(node_id)

    def at(self, host: str) -> Entry | None:
        """The entry at this host, as `Place` names it."""
        return self._hosts.get(host)

    def add(self, entry: Entry) -> None:
        """Remember an entry that has no rivals."""
        self._ids[entry.contact.id] = entry
        self._hosts[entry.place.host] = entry
        if entry.place.network is not None:
            self._networks[entry.place.network].append(entry)

    def remove(self, entry: Entry) -> None:
        """Forget an entry."""
        del self._ids[entry.contact.id]
        del self._hosts[entry.place.host]
        network = entry.place.network
        if network is not None:
            self._networks[network].remove(entry)
            if not self._networks[network]:
                del self._networks[network]

    def rivals(self, entry: Entry, bucket: Bucket) -> list[Entry]:
        """Who must go before `entry` may come into `bucket`: of each kind, the least reliable.

        They have its ID or its address, or use up the share of its network.
        """
        place, limits = entry.place, self._limits
        same_id, same_host = self._ids.get(entry.contact.id), self._hosts.get(place.host)
        rivals = [same_id] if same_id is not None else []
        if same_host is not None and same_host is not same_id:
            rivals.append(same_host)
        if place.subnet is not None:
            neighbours = [e for e in bucket.nodes.values() if e.place.subnet == place.subnet]
            _add_least_reliable(rivals, neighbours, limits.per_subnet)
        if place.network is not None:
            neighbours = self._networks.get(place.network, [])
            _add_least_reliable(rivals, neighbours, limits.per_network)
        return rivals


def _add_least_reliable(rivals: list[Entry], neighbours: Sequence[Entry], limit: int) -> None:
    """Add one neighbour to the rivals if without them there are still as many as the limit."""
    left = [neighbour for neighbour in neighbours if neighbour not in rivals]
    if len(left) >= limit:
        rivals.append(max(left, key=lambda entry: (entry.failures, -entry.last_seen)))
