"""One libtorrent process for `benchmarks.transfer`: a seed or a leech, default or tuned."""

import json
import resource
import sys
import time
from typing import Any

import libtorrent as lt

QUIET = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "allow_multiple_connections_per_ip": True,
    "out_enc_policy": 2,  # plaintext, as ours
    "in_enc_policy": 2,
    "alert_mask": lt.alert.category_t.status_notification
    | lt.alert.category_t.progress_notification
    | lt.alert.category_t.piece_progress_notification,
}
TUNED = {
    "send_buffer_watermark": 8 * 1024 * 1024,
    "send_buffer_low_watermark": 1024 * 1024,
    "send_buffer_watermark_factor": 150,
    "max_out_request_queue": 2000,
    "max_allowed_in_request_queue": 4000,
    "request_queue_time": 1,
    "hashing_threads": 2,
    "aio_threads": 4,
    "mixed_mode_algorithm": 0,
    "unchoke_slots_limit": -1,
}


def say(**values: Any) -> None:
    """One JSON line on standard output."""
    print(json.dumps(values), flush=True)


def main() -> None:
    """`seed|leech default|tuned TORRENT DIRECTORY PORT`: PORT is the seed's, 0 for the seed."""
    role, tuning, torrent, directory, port = sys.argv[1:6]
    settings = dict(QUIET, listen_interfaces="127.0.0.1:0")
    if tuning == "tuned":
        settings.update(TUNED)
    session = lt.session(settings)
    params = lt.load_torrent_file(torrent)
    params.save_path = directory
    if role == "seed":
        params.flags |= lt.torrent_flags.seed_mode
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(params)
    if role == "seed":
        while session.listen_port() == 0 or handle.status().state != lt.torrent_status.seeding:
            time.sleep(0.01)
        say(port=session.listen_port())
        sys.stdin.readline()
        say(cpu=sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
        return
    while handle.status().state in (
        lt.torrent_status.checking_files,
        lt.torrent_status.checking_resume_data,
    ):
        time.sleep(0.001)
    started, first, done = time.monotonic(), 0.0, 0.0
    handle.connect_peer(("127.0.0.1", int(port)))
    while not done:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.piece_finished_alert) and not first:
                first = time.monotonic()
            elif isinstance(alert, lt.torrent_finished_alert):
                done = time.monotonic()
    status = handle.status()
    say(
        started=started,
        first=first,
        done=done,
        cpu=sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
        received=status.total_payload_download,
    )


if __name__ == "__main__":
    main()
