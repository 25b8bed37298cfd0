"""Run the benchmarks one after another: `python -m benchmarks [NAME]...`, all of them by default.

Every figure is a ratio against another program or a limit, taken in the same run on the same
machine. A loaded machine spoils them: the load is printed first.
"""

import os
import subprocess
import sys

BENCHMARKS = {
    "transfer": "B1, B22: one seed to one leech, beside libtorrent",
    "recheck": "B4: hashing what is on disk, beside libtorrent and the limit of SHA-1",
    "create": "B19: making a torrent, beside mktorrent and libtorrent",
    "bencode": "B18: decoding and encoding, beside bencode.py",
    "udp_tracker": "B9: announces over UDP, beside opentracker",
    "swarm": "B5, B6: completion of a swarm beside the lower bound, on virtual time",
    "dht_answers": "B7: DHT queries answered per second, beside libtorrent",
    "dht_lookups": "B8: DHT lookups beside the ideal lookup, on virtual time",
    "dht_announces": "10,000 torrents kept findable on a budget of packets, on virtual time",
    "dht_memory": "memory of what a DHT node stores",
    "dht_flood": "D9: a node's own lookups under a flood of queries",
    "simulator": "the speed of the simulation",
}


def main() -> int:
    """Run those that were named."""
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}", file=sys.stderr)
        for name, what in BENCHMARKS.items():
            print(f"  {name:13} {what}", file=sys.stderr)
        return 2
    print(f"load of the last minute: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    failed = 0
    for name in names:
        print(f"\n== {name}: {BENCHMARKS[name]}", flush=True)
        failed += subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
