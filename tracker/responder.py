"""What the tracker answers to a target such as `/announce?info_hash=...`: bytes in, bytes out.

Pages tell aggregates only, never who is in a swarm (K13). There is no full scrape (K8). An address
named in the query counts only if a trusted proxy passed it on (K4).
"""

import json
from collections import Counter

from formats.endpoint import Endpoint, EndpointError, normalise, pack
from tracker.announce import (
    AnnounceRequest,
    encode_failure,
    encode_peers,
    encode_swarms,
    parse_announce,
    parse_scrape,
)
from tracker.errors import TrackerFailure
from tracker.swarm import Swarms

PLAIN = b"text/plain; charset=utf-8"
JSON = b"application/json"


class Responder:
    """Routes requests to the swarms and counts them."""

    def __init__(self, swarms: Swarms) -> None:
        self.swarms = swarms
        self.answered: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()

    def respond(
        self, target: bytes, ip: bytes, *, now: float, trusted: bool = False
    ) -> tuple[bytes, bytes] | None:
        """(content type, body) for a request from `ip` (4 or 16 bytes); None: no such page."""
        path, _, query = target.partition(b"?")
        if path == b"/announce":
            return PLAIN, self.announce(query, ip, now=now, trusted=trusted)
        if path == b"/scrape":
            return PLAIN, self.scrape(query)
        if path == b"/":
            return PLAIN, self._front_page()
        if path == b"/stats":
            return JSON, json.dumps(self.stats()).encode()
        return None

    def announce(self, query: bytes, ip: bytes, *, now: float, trusted: bool) -> bytes:
        """The bencoded answer to an announce, which may be a failure (K3)."""
        try:
            request = parse_announce(query)
            if trusted:
                ip = _claimed_address(request) or ip
            counts, interval, peers4, peers6 = self.swarms.announce(request, ip, now=now)
        except TrackerFailure as failure:
            self.answered["failures"] += 1
            self.rejected[failure.reason] += 1
            return encode_failure(failure)
        self.answered["announces"] += 1
        return encode_peers(
            counts,
            interval=interval,
            min_interval=self.swarms.limits.min_interval,
            external_ip=ip,
            peers4=peers4,
            peers6=peers6,
        )

    def scrape(self, query: bytes) -> bytes:
        """The bencoded answer to a scrape."""
        try:
            body = encode_swarms(self.swarms.scrape(parse_scrape(query)))
        except TrackerFailure as failure:
            self.answered["failures"] += 1
            self.rejected[failure.reason] += 1
            return encode_failure(failure)
        self.answered["scrapes"] += 1
        return body

    def stats(self) -> dict[str, int]:
        """Aggregates, fit to be shown to anyone (K13)."""
        swarms = self.swarms
        return {
            "torrents": len(swarms),
            "peers": swarms.peers,
            "seeds": swarms.seeds,
            "announces": self.answered["announces"],
            "scrapes": self.answered["scrapes"],
            "failures": self.answered["failures"],
        }

    def _front_page(self) -> bytes:
        stats = self.stats()
        return (
            "everswarm tracker\n\n"
            f"{stats['torrents']} torrents, {stats['peers']} peers, {stats['seeds']} seeds\n"
            "announce to /announce\n"
        ).encode()


def _claimed_address(request: AnnounceRequest) -> bytes | None:
    for text in (request.ip, request.ipv4, request.ipv6):
        if text is not None:
            try:
                return packed_address(text)
            except EndpointError:
                continue
    return None


def packed_address(host: str) -> bytes:
    """4 or 16 bytes of a numeric address, IPv4-mapped as IPv4 (K12). Raises EndpointError."""
    return pack(Endpoint(normalise(host), 0))[:-2]
