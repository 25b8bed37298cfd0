from dataclasses import replace

from dht.status import AnnounceStatus, DhtStatus, FamilyStatus
from node.cli.dht_status import status_line

FAMILY = FamilyStatus(
    family="ipv4",
    node_id="ab" * 20,
    listen="0.0.0.0:6881",
    external_address=None,
    contacts=1,
    good=1,
    questionable=0,
    bad=0,
    replacements=0,
    buckets=1,
    refused={},
    reachable=None,
    read_only=False,
    is_silent=False,
    rtt=None,
    network_size=None,
    swarms_stored=0,
    peers_stored=0,
    recoveries=0,
)
STATUS = DhtStatus(
    families=(FAMILY,),
    bootstrap=(),
    announces=AnnounceStatus(
        torrents=0, never_stored=0, at_risk=0, overdue=0, oldest_announce_ago=None
    ),
    queries_in={},
    queries_out={},
    responses=0,
    timeouts=0,
    late=0,
    refusals=0,
    replies=0,
    drops={},
    send_failures=0,
    bytes_in=0,
    bytes_out=0,
    items_stored=0,
    items_published=0,
    saved_problem=None,
    problem=None,
)


def test_a_young_node() -> None:
    stores = "0 peers of 0 torrents and 0 items stored"
    assert status_line(STATUS) == f"IPv4: 1 contact (1 good); 0 replies sent; {stores}"
    nobody = replace(STATUS, families=(replace(FAMILY, contacts=0),), replies=1)
    assert status_line(nobody) == f"no contacts; 1 reply sent; {stores}"


def test_a_node_of_both_families() -> None:
    busy = replace(
        FAMILY,
        contacts=182,
        good=150,
        rtt=0.0851,
        network_size=8_712_345.6,
        swarms_stored=12,
        peers_stored=1,
    )
    hidden = replace(FAMILY, family="ipv6", network_size=7.6, reachable=False, read_only=True)
    status = replace(STATUS, families=(busy, hidden), replies=12_345, items_stored=2)
    assert status_line(status) == (
        "IPv4: 182 contacts (150 good), 85 ms, a network of about 8,700,000 nodes;"
        " IPv6: 1 contact (1 good), a network of about 8 nodes, strangers do not reach us,"
        " read-only; 12,345 replies sent; 1 peer of 12 torrents and 2 items stored"
    )
