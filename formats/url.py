"""URLs of trackers and web seeds as torrents and magnets carry them.

A torrent's author chooses what our HTTP client is pointed at. What is tried, and the answer:

* schemes such as `file://`, `javascript:` and `gopher://`: two lists of what is allowed (T8);
* URLs of megabytes, with control characters or without a host: dropped (T8);
* credentials and passkeys that end up in a log: `origin` (T8).
"""

from collections.abc import Callable, Iterable
from itertools import islice
from urllib.parse import SplitResult, urlsplit

MAX_URL_BYTES = 1024
"""A longer URL is dropped."""
MAX_TRACKERS = 100
"""Trackers kept of one torrent."""
MAX_TIERS = 20
"""Tiers kept of one torrent (BEP 12)."""
MAX_WEB_SEEDS = 20
"""Web seeds kept of one torrent (BEP 19)."""

MAX_CONSIDERED = 200
"""Entries looked at of any one list, so that a million bad ones cost nothing."""

TRACKER_SCHEMES = ("http", "https", "udp")
WEB_SEED_SCHEMES = ("http", "https")


def is_tracker_url(text: str) -> bool:
    """Whether `text` is a URL that we announce to."""
    return _is_url(text, TRACKER_SCHEMES)


def is_web_seed_url(text: str) -> bool:
    """Whether `text` is a URL that we fetch data from (BEP 19)."""
    return _is_url(text, WEB_SEED_SCHEMES)


def distinct(
    texts: Iterable[str], accept: Callable[[str], bool], *, at_most: int
) -> tuple[str, ...]:
    """The first `at_most` different ones of `texts` that `accept` approves, in their order."""
    considered = dict.fromkeys(islice(texts, MAX_CONSIDERED))
    return tuple(islice(filter(accept, considered), at_most))


def origin(url: str) -> str:
    """Scheme, host and port: the part of `url` that is fit for a log or a screen.

    User, password, path and query may hold a tracker's passkey. A host that is not ASCII is shown
    in punycode, so that no letter can pose as another.
    """
    parts = _split(url)
    if parts is None or not parts.hostname:
        return "(not a URL)"
    host = ".".join(map(_ascii_label, parts.hostname.split(".")))
    if ":" in host:
        host = f"[{host}]"
    return (
        f"{parts.scheme}://{host}"
        if parts.port is None
        else f"{parts.scheme}://{host}:{parts.port}"
    )


def _ascii_label(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode()


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    if len(text) > MAX_URL_BYTES or not text.isprintable() or " " in text:
        return False
    parts = _split(text)
    return (
        parts is not None
        and parts.scheme in schemes
        and bool(parts.hostname)
        and len(text.encode()) <= MAX_URL_BYTES
    )


def _split(text: str) -> SplitResult | None:
    """The parts of a URL whose host and port can be read; None for anything else."""
    try:
        parts = urlsplit(text)
        if parts.port == 0:
            return None
    except ValueError:
        return None
    return parts
