"""Where a DHT node stands, in one line for people."""

from dht.status import DhtStatus, FamilyStatus
from node.cli.quantities import format_count


def status_line(status: DhtStatus) -> str:
    """Its contacts in each family's network, what it answered, and what it stores for others."""
    families = [_family(family) for family in status.families if family.contacts]
    swarms = sum(family.swarms_stored for family in status.families)
    peers = sum(family.peers_stored for family in status.families)
    stored = f"{format_count(peers, 'peer')} of {format_count(swarms, 'torrent')}"
    return "; ".join(
        [
            *(families or ["no contacts"]),
            f"{format_count(status.replies, 'reply').replace('replys', 'replies')} sent",
            f"{stored} and {format_count(status.items_stored, 'item')} stored",
        ]
    )


def _family(family: FamilyStatus) -> str:
    name = {"ipv4": "IPv4", "ipv6": "IPv6"}[family.family]
    parts = [f"{name}: {format_count(family.contacts, 'contact')} ({family.good} good)"]
    if family.rtt is not None:
        parts.append(f"{family.rtt * 1000:.0f} ms")
    if family.network_size is not None:
        parts.append(f"a network of about {_rough(family.network_size)} nodes")
    if family.reachable is False:
        parts.append("strangers do not reach us")
    if family.read_only:
        parts.append("read-only")
    return ", ".join(parts)


def _rough(number: float) -> str:
    """Two digits of an estimate: 8,700,000."""
    whole = max(1, round(number))
    return f"{round(whole, min(0, 2 - len(str(whole)))):,}"
