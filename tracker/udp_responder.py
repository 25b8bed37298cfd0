"""What the UDP tracker answers (BEP 15, 41): bytes in, bytes out, or silence.

Whoever can send a datagram can send it under any address. What strangers try, and the answer:

* having us send to a victim: 16 bytes are answered with 16, and more only to those who have shown,
  by a connection ID, that they receive what we send (K9);
* entering a victim as a peer: the address is the packet's, which the connection ID has proved;
  the one inside the packet is not read (K4, K5);
* old and guessed IDs, short packets, unknown actions: dropped without a word (K9);
* a million peers wanted: 100 at most, in 1,220 bytes (K6);
* floods: a budget for each network (K9).

Whom a torrent's list serves is decided by the swarms, which HTTP clients share. The URL that BEP 41
carries is not asked for: this tracker answers at every path alike.
"""

import random
from collections import Counter

from formats.endpoint import COMPACT4_SIZE, COMPACT6_SIZE
from tracker.connection_ids import ConnectionIds
from tracker.errors import TrackerFailure
from tracker.source_budget import BudgetLimits, SourceBudget
from tracker.swarm import Swarms
from tracker.udp_message import (
    PROTOCOL_ID,
    Action,
    UdpMessageError,
    announce_reply,
    connect_reply,
    error_reply,
    parse_announce_request,
    parse_request_head,
    parse_scrape_request,
    scrape_reply,
)


class UdpResponder:
    """Routes packets to the swarms and counts them. `now` is monotonic seconds."""

    def __init__(
        self, swarms: Swarms, *, rng: random.Random, limits: BudgetLimits | None = None
    ) -> None:
        self.swarms = swarms
        self.answered: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self._connection_ids = ConnectionIds(rng)
        self._budget = SourceBudget(limits or BudgetLimits())

    def respond(self, data: bytes, ip: bytes, now: float) -> bytes | None:
        """The reply to a packet from `ip` (4 or 16 bytes); None: nothing is to be said."""
        if not self._budget.admits(ip, now):
            self.rejected["source over budget"] += 1
            return None
        try:
            return self._reply(data, ip, now)
        except UdpMessageError as error:
            self.rejected[str(error)] += 1
            return None

    def _reply(self, data: bytes, ip: bytes, now: float) -> bytes:
        connection, action, transaction = parse_request_head(data)
        if action == Action.CONNECT:
            if connection != PROTOCOL_ID:
                raise UdpMessageError("a connect of another protocol")
            self.answered["connects"] += 1
            return connect_reply(transaction, self._connection_ids.issue(ip, now))
        if not self._connection_ids.accepts(connection, ip, now):
            raise UdpMessageError("a connection ID that does not count")
        try:
            if action == Action.ANNOUNCE:
                return self._announce(data, transaction, ip, now)
            if action == Action.SCRAPE:
                return self._scrape(data, transaction)
        except TrackerFailure as failure:
            self.answered["failures"] += 1
            self.rejected[failure.reason] += 1
            return error_reply(transaction, failure.reason)
        raise UdpMessageError("an unknown action")

    def _announce(self, data: bytes, transaction: int, ip: bytes, now: float) -> bytes:
        request = parse_announce_request(data)
        counts, interval, peers4, peers6 = self.swarms.announce(request, ip, now=now)
        self.answered["announces"] += 1
        is_ipv4 = len(ip) == 4
        return announce_reply(
            transaction,
            counts,
            interval=interval,
            peers=peers4 if is_ipv4 else peers6,
            peer_size=COMPACT4_SIZE if is_ipv4 else COMPACT6_SIZE,
        )

    def _scrape(self, data: bytes, transaction: int) -> bytes:
        info_hashes = parse_scrape_request(data)
        known = self.swarms.scrape(info_hashes)
        self.answered["scrapes"] += 1
        return scrape_reply(transaction, [known[info_hash] for info_hash in info_hashes])
