"""Where a torrent comes from: a file, a web address, a magnet or a bare info hash.

Threats: a file or server that never ends (size and time are bounded, C3), a server that sends us on
in circles or from https to http (C2), one that answers with a page instead of a torrent, and
whatever the torrent itself tries (`formats.metainfo`).
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from formats.errors import ProtocolError
from formats.magnet import Magnet, parse_magnet
from formats.metainfo import Metainfo, parse_metainfo
from node.cli.exit_status import Failed
from node.cli.printable import printable

if TYPE_CHECKING:
    import aiohttp

MAX_TORRENT_SIZE = 10_000_000
"""Bytes of a .torrent file (THREATS limits)."""
FETCH_TIMEOUT = 30.0
"""Seconds for a whole download of a .torrent file (C3)."""
FETCH_SILENCE = 10.0
"""Seconds without a byte after which a server counts as dead (C3)."""
MAX_REDIRECTS = 3
"""Hops from the address given (C2)."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_INFO_HASH = re.compile(r"[0-9A-Fa-f]{40}|[A-Za-z2-7]{32}", re.ASCII)


def is_magnet(text: str) -> bool:
    """Whether `text` names a torrent without describing it: a magnet or a bare info hash."""
    if text[:7].lower() == "magnet:":
        return True
    return _INFO_HASH.fullmatch(text) is not None and not Path(text).exists()


def read_magnet(text: str) -> Magnet:
    """The magnet, or the one that a bare info hash stands for. Raises MagnetError."""
    return parse_magnet(text if ":" in text else f"magnet:?xt=urn:btih:{text}")


def is_url(text: str) -> bool:
    """Whether `text` is the address of a .torrent on the web."""
    return text[:8].lower().startswith(("http://", "https://"))


async def load(text: str) -> Metainfo:
    """The torrent in a file or on the web. Raises Failed."""
    if not is_url(text):
        return read_torrent(Path(text))
    data = await fetch(text)
    return _parse(data, of=text)


def read_torrent(path: Path) -> Metainfo:
    """The torrent in a file. Raises Failed, with the path and the reason."""
    name = printable(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TORRENT_SIZE + 1)
    except FileNotFoundError:
        raise Failed(f"{name}: there is no such file") from None
    except IsADirectoryError:
        raise Failed(f"{name} is a folder, not a .torrent file") from None
    return _parse(data, of=str(path))


def _parse(data: bytes, *, of: str) -> Metainfo:
    name = printable(of)
    if len(data) > MAX_TORRENT_SIZE:
        raise Failed(f"{name} is larger than {MAX_TORRENT_SIZE:,} bytes: not a torrent")
    try:
        return parse_metainfo(data)
    except ProtocolError as error:
        raise Failed(f"{name} is not a valid torrent: {error}") from error


async def fetch(url: str) -> bytes:
    """The bytes behind `url`, at most one more than MAX_TORRENT_SIZE. Raises Failed."""
    import aiohttp

    name = printable(url)
    timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT, sock_read=FETCH_SILENCE)
    try:
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            return await _follow(session, url)
    except TimeoutError:
        raise Failed(f"{name}: the server does not answer in time") from None
    except aiohttp.InvalidURL:
        raise Failed(f"{name} is not a web address") from None
    except aiohttp.ClientConnectorError as error:
        reason = error.os_error.strerror or str(error.os_error)
        raise Failed(f"{name}: cannot connect to {error.host}:{error.port}: {reason}") from error
    except aiohttp.ClientError as error:
        raise Failed(f"{name}: {str(error) or type(error).__name__}") from error


async def _follow(session: "aiohttp.ClientSession", url: str) -> bytes:
    """GET `url` and, at most MAX_REDIRECTS times, where it points."""
    here = url
    for _ in range(MAX_REDIRECTS + 1):
        headers = {"Accept-Encoding": "identity"}
        async with session.get(here, headers=headers, allow_redirects=False) as response:
            if response.status not in _REDIRECTS:
                return await _body(response, printable(here))
            there = urljoin(str(response.url), response.headers.get("Location", ""))
        if not is_url(there):
            raise Failed(f"{printable(url)} points to {printable(there)}, which is not on the web")
        if urlsplit(here).scheme == "https" and urlsplit(there).scheme != "https":
            raise Failed(f"{printable(url)} points from https to http; refused")
        here = there
    raise Failed(f"{printable(url)} sends us on more than {MAX_REDIRECTS} times")


async def _body(response: "aiohttp.ClientResponse", name: str) -> bytes:
    if response.status != 200:
        reason = printable(response.reason or "")
        raise Failed(f"{name}: the server answers {response.status} {reason}".rstrip())
    if (response.content_length or 0) > MAX_TORRENT_SIZE:
        raise Failed(f"{name} is larger than {MAX_TORRENT_SIZE:,} bytes: not a torrent")
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > MAX_TORRENT_SIZE:
            break
    return bytes(body)
