"""Announce and scrape over HTTP and HTTPS (BEP 3, 7, 23, 48), with aiohttp.

The tracker is a stranger, named by strangers. What it tries, and the answer:

* pointing us at machines of our own network, at once or by a redirect: `address_guard.py` judges
  each hop, and we connect to the address that was judged (C1);
* redirect loops, https to http, other schemes: 3 redirects, no downgrade; the user's name and
  password go to their own host only (C2);
* endless, slow or swelling bodies: 1 MiB before and after decompression, 10 s between bytes, 30 s
  in all (C3);
* a bad certificate: refused, and there is no switch (C4);
* replies that are none: `reply.py` (C5, C6).
"""

import asyncio
import base64
import errno
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from formats.endpoint import is_ipv6
from formats.identifiers import InfoHash
from tracker.address_guard import check_port, is_allowed
from tracker.announce import (
    AnnounceRequest,
    AnnounceResponse,
    SwarmCounts,
    encode_announce,
    encode_scrape,
)
from tracker.errors import TrackerError, TrackerFailure
from tracker.http_body import read_body
from tracker.reply import parse_response, parse_swarms
from tracker.tracker_url import parse_url, redirected, scrape_url, with_query

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from yarl import URL

USER_AGENT = "everswarm/0.1"
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (404, 410)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """What we put up with: libtorrent's figures. Times are seconds, sizes bytes."""

    body_size: int = 1 << 20
    """Before and after decompression."""
    idle_timeout: float = 10.0
    """To connect to one address, and between bytes."""
    total_timeout: float = 30.0
    """For everything: name, redirects, body."""
    redirects: int = 3
    addresses: int = 3
    """Of one name, tried in turn."""
    connections: int = 50
    """Requests at a time; further ones wait."""


class HttpTrackers:
    """Makes the clients of HTTP trackers, which share one aiohttp session; the node owns one."""

    def __init__(
        self,
        *,
        limits: ClientLimits | None = None,
        local_addr: tuple[str, int] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls` replaces the system's certificate authorities by others."""
        self.limits = limits or ClientLimits()
        self._local_addr = local_addr
        self._tls = tls
        self._session: ClientSession | None = None

    def tracker(self, url: str, *, trusted: bool) -> "HttpTracker":
        """The client of one announce URL. `trusted`: the user named it, not a peer (C1)."""
        return HttpTracker(self, url, trusted=trusted)

    def session(self) -> "ClientSession":
        """The shared session; aiohttp is imported with the first one, since that takes a while."""
        if self._session is None:
            from aiohttp import ClientSession, DummyCookieJar

            from tracker.connector import LoopConnector

            self._session = ClientSession(
                connector=LoopConnector(local_addr=self._local_addr, limit=self.limits.connections),
                auto_decompress=False,
                cookie_jar=DummyCookieJar(),
            )
        return self._session

    async def tls(self) -> ssl.SSLContext:
        """What certificates are checked against; reading the authorities takes 10 ms of disk."""
        if self._tls is None:
            loop = asyncio.get_running_loop()
            self._tls = await loop.run_in_executor(None, ssl.create_default_context)
        return self._tls

    async def close(self) -> None:
        """Close what is open; the clients cannot be used any more."""
        if self._session is not None:
            await self._session.close()


class HttpTracker:
    """One tracker. Every method raises TrackerError with one sentence, TrackerFailure included."""

    def __init__(self, trackers: HttpTrackers, url: str, *, trusted: bool) -> None:
        self._trackers = trackers
        self._limits = trackers.limits
        self._trusted = trusted
        self.url = url

    async def announce(
        self, request: AnnounceRequest, *, timeout: float | None = None
    ) -> AnnounceResponse:
        """Announce; `timeout` (seconds) may shorten the limit for everything."""
        return parse_response(await self._get(self.url, encode_announce(request), timeout))

    async def scrape(
        self, info_hashes: Sequence[InfoHash], *, timeout: float | None = None
    ) -> dict[InfoHash, SwarmCounts]:
        """Ask for counts (BEP 48)."""
        body = await self._get(scrape_url(self.url), encode_scrape(info_hashes), timeout)
        return parse_swarms(body)

    async def _get(self, text: str, query: str, timeout: float | None) -> bytes:
        total = self._limits.total_timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(total):
                return await self._follow(parse_url(text), query)
        except TimeoutError:
            raise TrackerError("timed out") from None

    async def _follow(self, url: "URL", query: str) -> bytes:
        """Ask, and follow redirects; a redirect brings its own query."""
        trusted, auth = self._trusted, _credentials(url)
        target = with_query(url, query)
        for _ in range(self._limits.redirects + 1):
            addresses = await self._addresses(url, trusted=trusted)
            answer = await self._ask(target, addresses, auth)
            if isinstance(answer, bytes):
                return answer
            url = redirected(target, answer)
            trusted = trusted and url.raw_host == target.raw_host
            auth = auth if url.origin() == target.origin() else None
            check_port(url.port or 0, trusted=False)
            target = url
        raise TrackerError("too many redirects")

    async def _addresses(self, url: "URL", *, trusted: bool) -> list[str]:
        """The addresses of the URL's host that we may connect to: the only time it is resolved."""
        assert url.port is not None
        check_port(url.port, trusted=trusted)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(url.raw_host, url.port, type=socket.SOCK_STREAM)
        except (OSError, ValueError):
            raise TrackerError("no such host") from None
        path, query = url.raw_path, url.raw_query_string
        allowed = [
            address
            for address in dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
            if is_allowed(address, trusted=trusted, path=path, query=query)
        ]
        if not allowed:
            raise TrackerError("refused to connect to an address of a local network")
        return allowed[: self._limits.addresses]

    async def _ask(self, target: "URL", addresses: list[str], auth: str | None) -> bytes | str:
        """The body of a reply, or where a redirect points. Tries the addresses in turn."""
        *others, last = addresses
        for address in others:
            try:
                return await self._ask_address(target, address, auth)
            except _Unreachable:
                continue
        return await self._ask_address(target, last, auth)

    async def _ask_address(self, target: "URL", address: str, auth: str | None) -> bytes | str:
        from aiohttp import ClientConnectorSSLError, ClientError, ClientSSLError, ClientTimeout

        idle = self._limits.idle_timeout
        try:
            async with self._trackers.session().get(
                target.with_user(None).with_host(address),
                headers=_headers(target, auth),
                allow_redirects=False,
                ssl=await self._trackers.tls() if target.scheme == "https" else True,
                server_hostname=(target.raw_host or "").rstrip("."),
                timeout=ClientTimeout(total=None, sock_connect=idle, sock_read=idle),
            ) as response:
                if response.status in _REDIRECTS:
                    return response.headers.get("Location", "")
                return await self._read(response)
        except ClientConnectorSSLError:
            raise TrackerError("TLS failed: the two sides have no version in common") from None
        except ClientSSLError:
            raise TrackerError("the tracker's certificate is not valid") from None
        except TimeoutError:
            raise _Unreachable("timed out") from None
        except OSError as error:
            raise _Unreachable(_sentence(error)) from None
        except ClientError:
            raise TrackerError("the connection closed before the reply was whole") from None

    async def _read(self, response: "ClientResponse") -> bytes:
        """The body of a final reply; a failure reason counts whatever the status."""
        status, limit = response.status, self._limits.body_size
        if status == 200:
            return await read_body(response, limit=limit)
        try:
            parse_response(await read_body(response, limit=limit))
        except TrackerFailure as failure:
            failure.gone = status in _GONE
            raise
        except TrackerError:
            pass
        raise TrackerError(f"HTTP {status}", gone=status in _GONE)


class _Unreachable(TrackerError):
    """One address failed; the next may not."""


def _credentials(url: "URL") -> str | None:
    """The `Authorization` that a URL's user and password stand for (RFC 7617)."""
    if url.user is None:
        return None
    pair = f"{url.user}:{url.password or ''}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _headers(target: "URL", auth: str | None) -> dict[str, str]:
    host = target.raw_host or ""
    if is_ipv6(host):
        host = f"[{host}]"
    if not target.is_default_port():
        host = f"{host}:{target.port}"
    headers = {"Host": host, "User-Agent": USER_AGENT, "Accept-Encoding": "gzip", "Accept": "*/*"}
    return headers if auth is None else headers | {"Authorization": auth}


def _sentence(error: OSError) -> str:
    match error.errno:
        case errno.ECONNREFUSED:
            return "connection refused"
        case errno.ECONNRESET | errno.EPIPE | errno.ECONNABORTED:
            return "the connection was cut"
        case errno.ENETUNREACH | errno.EHOSTUNREACH:
            return "no route to the tracker"
        case None:
            return "the connection failed"
        case number:
            return os.strerror(number).lower()
