"""TORRENT DIRECTORY ADDRESS:PORT DHT_NODES: share a torrent until killed.

Says `seeding` once it is complete. The DHT starts from the nodes, ADDRESS:PORT,..., if there are any.
"""

import sys
import time

import libtorrent

LOOK_INTERVAL = 0.05
"""Seconds between two looks."""
DHT_ON_ONE_MACHINE = {
    "dht_block_ratelimit": 10_000,
    "dht_enforce_node_id": False,
    "dht_ignore_dark_internet": False,
    "dht_prefer_verified_node_ids": False,
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
}
"""Nodes that share the address of the loopback are welcome, and may together ask much."""
_kinds = libtorrent.alert.category_t
ALERTS = _kinds.error_notification | _kinds.tracker_notification | _kinds.connect_notification
"""What is told for the one who wonders why a test failed."""


def main(torrent: str, directory: str, listen: str, dht_nodes: str) -> None:
    """Without LSD, PEX and uTP: peers come from the trackers and the DHT, by TCP."""
    session = libtorrent.session(
        {
            "listen_interfaces": listen,
            "alert_mask": ALERTS,
            "enable_dht": bool(dht_nodes),
            "dht_bootstrap_nodes": dht_nodes,
            **DHT_ON_ONE_MACHINE,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_outgoing_utp": False,
            "enable_incoming_utp": False,
            "allow_multiple_connections_per_ip": True,
            "ssrf_mitigation": False,
        }
    )
    parameters = libtorrent.add_torrent_params()
    parameters.ti = libtorrent.torrent_info(torrent)
    parameters.save_path = directory
    parameters.flags |= libtorrent.torrent_flags.disable_pex
    parameters.flags &= ~libtorrent.torrent_flags.auto_managed
    parameters.flags &= ~libtorrent.torrent_flags.paused
    handle = session.add_torrent(parameters)
    seeding = False
    while True:
        for alert in session.pop_alerts():
            print(alert.message(), flush=True)
        if handle.status().is_seeding and not seeding:
            seeding = True
            print("seeding", flush=True)
        time.sleep(LOOK_INTERVAL)


if __name__ == "__main__":
    main(*sys.argv[1:])
