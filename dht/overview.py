"""Gathering what an operator sees, and the one sentence that says what is wrong."""

from collections.abc import Sequence

from dht.announce_schedule import ScheduleStats
from dht.bootstrap import BootstrapSource
from dht.contact import Family
from dht.family_node import FamilyNode
from dht.status import AnnounceStatus, FamilyStatus, SourceStatus


def family_status(node: FamilyNode, recoveries: int, now: float) -> FamilyStatus:
    """One family at one moment."""
    stats = node.table.stats(now)
    return FamilyStatus(
        family="ipv4" if node.family is Family.V4 else "ipv6",
        node_id=node.table.own_id.hex(),
        listen=str(node.rpc.endpoint),
        external_address=node.external.address,
        contacts=stats.contacts,
        good=stats.good,
        questionable=stats.questionable,
        bad=stats.bad,
        replacements=stats.replacements,
        buckets=stats.buckets,
        refused=stats.refused,
        reachable=node.is_reachable,
        read_only=node.read_only,
        is_silent=node.is_silent(now),
        rtt=node.latency.rtt,
        network_size=node.network_size,
        swarms_stored=len(node.peers),
        peers_stored=node.peers.peer_count,
        recoveries=recoveries,
    )


def source_status(source: BootstrapSource, now: float) -> SourceStatus:
    """One way to find first nodes."""
    answered = source.last_answer
    return SourceStatus(
        kind=source.kind.value,
        host=source.host,
        port=source.port,
        asked=source.asked,
        answered_ago=None if answered is None else now - answered,
        error=source.error,
    )


def announce_status(stats: ScheduleStats, now: float) -> AnnounceStatus:
    """The torrents that are kept findable."""
    oldest = stats.oldest_announce
    return AnnounceStatus(
        torrents=stats.hashes,
        never_stored=stats.never_stored,
        at_risk=stats.at_risk,
        overdue=stats.overdue,
        oldest_announce_ago=None if oldest is None else now - oldest,
    )


def problem(families: Sequence[FamilyStatus], sources: Sequence[SourceStatus]) -> str | None:
    """What is wrong with the node, and what would help; None if all is well."""
    if any(family.good and not family.is_silent for family in families):
        return None
    if any(family.contacts for family in families):
        return (
            "nodes that used to answer are silent: the network is gone or UDP is blocked;"
            " they are asked again every few seconds"
        )
    asked = [source for source in sources if source.asked]
    if not sources:
        return "no node is known: name one with --bootstrap HOST:PORT"
    if not asked:
        return "no bootstrap host was asked yet"
    unresolved = sum(1 for source in asked if source.error and "resolved" in source.error)
    if unresolved == len(asked):
        return (
            f"none of {len(asked)} bootstrap hosts could be resolved: check the name server, or"
            " name a node by its address with --bootstrap; they are asked again for ever"
        )
    return (
        f"none of {len(asked)} bootstrap hosts has answered: check that UDP gets out of this"
        " network, or name another node with --bootstrap; they are asked again for ever"
    )
