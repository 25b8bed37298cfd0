"""Announce and scrape over UDP (BEP 7, 15, 41).

The tracker is a stranger, named by strangers. What it tries, and the answer:

* pointing us at machines of our own network: `address_guard.py` judges every address of its name,
  and we send to the address that was judged (C1, C2);
* a name server that never answers: ten seconds for the name alone;
* forged, late and malformed replies: `udp_exchange.py` and `udp_message.py` (C5, C6, C8).

A tracker with addresses of both families hears of us over both, with one key, so that peers of each
family can reach us (BEP 7).
"""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from formats.endpoint import Endpoint, is_ipv6, normalise
from formats.identifiers import InfoHash
from tracker.address_guard import check_port, is_allowed
from tracker.announce import AnnounceRequest, AnnounceResponse, SwarmCounts
from tracker.errors import TrackerError
from tracker.tracker_url import parse_udp_url
from tracker.udp_exchange import UdpExchange, UdpLimits, Write
from tracker.udp_message import (
    Action,
    announce_request,
    parse_announce_reply,
    parse_scrape_reply,
    scrape_request,
)

if TYPE_CHECKING:
    from yarl import URL

_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - nothing but replies is listened to


class UdpTrackers:
    """Makes the clients of UDP trackers, which share a socket per family; the node owns one."""

    def __init__(
        self,
        *,
        rng: random.Random,
        limits: UdpLimits | None = None,
        local_address: str | None = None,
    ) -> None:
        """`local_address` is the only one to send from; by itself any, of both families."""
        self.limits = limits or UdpLimits()
        hosts = _EVERY_ADDRESS if local_address is None else (local_address,)
        self._exchanges = {
            is_ipv6(host): UdpExchange(host, limits=self.limits, rng=rng) for host in hosts
        }

    def tracker(self, url: str, *, trusted: bool) -> "UdpTracker":
        """The client of one announce URL. `trusted`: the user named it, not a peer (C1)."""
        return UdpTracker(self, url, trusted=trusted)

    def exchange_with(self, host: str) -> UdpExchange | None:
        """What asks trackers at addresses like `host`; None if we have no such address."""
        return self._exchanges.get(is_ipv6(host))

    @property
    def rejected(self) -> Counter[str]:
        """Datagrams that were no reply to us, by reason (G8)."""
        return sum((exchange.rejected for exchange in self._exchanges.values()), Counter())

    async def close(self) -> None:
        """Close what is open; the clients cannot be used any more."""
        for exchange in self._exchanges.values():
            await exchange.close()


class UdpTracker:
    """One tracker. Every method raises TrackerError with one sentence, TrackerFailure included."""

    def __init__(self, trackers: UdpTrackers, url: str, *, trusted: bool) -> None:
        self._trackers = trackers
        self._trusted = trusted
        self.url = url

    async def announce(
        self, request: AnnounceRequest, *, timeout: float | None = None
    ) -> AnnounceResponse:
        """Announce; `timeout` (seconds) may shorten the limit for everything."""
        url = parse_udp_url(self.url)
        path = b"" if url.raw_path_qs == "/" else url.raw_path_qs.encode()

        def write(connection: int, transaction: int) -> bytes:
            return announce_request(connection, transaction, request, url_data=path)

        replies = await self._ask(url, Action.ANNOUNCE, write, timeout)
        return _merged(
            [parse_announce_reply(data, ipv6=is_ipv6(host)) for (host, _), data in replies]
        )

    async def scrape(
        self, info_hashes: Sequence[InfoHash], *, timeout: float | None = None
    ) -> dict[InfoHash, SwarmCounts]:
        """Ask for counts."""

        def write(connection: int, transaction: int) -> bytes:
            return scrape_request(connection, transaction, info_hashes)

        replies = await self._ask(parse_udp_url(self.url), Action.SCRAPE, write, timeout)
        return parse_scrape_reply(replies[0][1], info_hashes)

    async def _ask(
        self, url: "URL", action: Action, write: Write, timeout: float | None
    ) -> list[tuple[Endpoint, bytes]]:
        try:
            async with asyncio.timeout(timeout):
                return await self._ask_families(await self._resolve(url), action, write)
        except TimeoutError:
            raise TrackerError("timed out") from None

    async def _resolve(self, url: "URL") -> list[Endpoint]:
        """One address of each family that we may send to, of those that we can send to."""
        assert url.port is not None
        check_port(url.port, trusted=self._trusted)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._trackers.limits.resolve_timeout):
                found = await loop.getaddrinfo(url.raw_host, url.port, type=socket.SOCK_DGRAM)
        except TimeoutError:
            raise TrackerError("the name server does not answer") from None
        except (OSError, ValueError):
            raise TrackerError("no such host") from None
        families: dict[bool, Endpoint] = {}
        for host in (normalise(str(entry[4][0]).partition("%")[0]) for entry in found):
            if is_allowed(
                host, trusted=self._trusted, path=url.raw_path, query=url.raw_query_string
            ):
                families.setdefault(is_ipv6(host), Endpoint(host, url.port))
        if not families:
            raise TrackerError("refused to connect to an address of a local network")
        return list(families.values())

    async def _ask_families(
        self, trackers: list[Endpoint], action: Action, write: Write
    ) -> list[tuple[Endpoint, bytes]]:
        """The replies, the first to come first. Raises TrackerError if there is none at all."""
        loop = asyncio.get_running_loop()
        patience = self._trackers.limits.family_patience
        replies: list[tuple[Endpoint, bytes]] = []
        errors = [TrackerError("no route to the tracker")]

        async def ask(tracker: Endpoint, exchange: UdpExchange, limit: asyncio.Timeout) -> None:
            try:
                replies.append((tracker, await exchange.ask(tracker, action, write)))
            except TrackerError as error:
                errors.append(error)
            else:
                if len(replies) == 1:
                    limit.reschedule(loop.time() + patience)

        try:
            async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
                for tracker in trackers:
                    exchange = self._trackers.exchange_with(tracker.host)
                    if exchange is not None:
                        group.create_task(ask(tracker, exchange, limit))
        except TimeoutError:
            pass  # one family has answered and the other has had its time
        if not replies:
            raise errors[-1]
        return replies


def _merged(responses: list[AnnounceResponse]) -> AnnounceResponse:
    """What the families said, as one: every peer, the longer interval, the larger counts."""
    peers = dict.fromkeys(peer for response in responses for peer in response.peers)
    return AnnounceResponse(
        interval=max(response.interval for response in responses),
        peers=tuple(peers),
        complete=max(response.complete or 0 for response in responses),
        incomplete=max(response.incomplete or 0 for response in responses),
    )
