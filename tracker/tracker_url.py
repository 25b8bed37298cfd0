"""URLs of trackers: the user's own, with our query, for a scrape, and after a redirect.

A torrent's author or a tracker chooses them: only http, https and udp, with a host and a port,
survive; a redirect from https to http does not (C2). Control characters, spaces and line ends are
escaped in paths and refused in hosts: nothing of theirs ends a line of our request.
"""

from yarl import URL

from tracker.errors import TrackerError

SCHEMES = ("http", "https")
_LONGEST_LOCATION = 8192
"""Characters of a redirect's target: as long as a request line may be for most servers."""


def parse_url(text: str) -> URL:
    """Read an announce URL without changing its escapes. Raises TrackerError."""
    url = _parse(text)
    if url is None or url.scheme not in SCHEMES or not url.raw_host or not url.port:
        raise TrackerError("not an http or https URL")
    return url.with_fragment(None)


def parse_udp_url(text: str) -> URL:
    """Read the announce URL of a UDP tracker, which needs a port. Raises TrackerError."""
    url = _parse(text)
    if url is None or url.scheme != "udp" or not url.raw_host or not url.port:
        raise TrackerError("not a udp URL with a host and a port")
    return url.with_fragment(None)


def with_query(url: URL, query: str) -> URL:
    """`url` with our percent-encoded query after its own."""
    bare, _, own = str(url).partition("?")
    return URL(f"{bare}?{own}&{query}" if own else f"{bare}?{query}", encoded=True)


def scrape_url(url: str) -> str:
    """`announce` at the start of the last path segment becomes `scrape` (BEP 48).

    Raises TrackerError where there is no such place: that tracker cannot be scraped.
    """
    path, question, query = url.partition("?")
    start, slash, last = path.rpartition("/")
    if not slash or not last.startswith("announce"):
        raise TrackerError("this tracker's URL has no place for a scrape")
    return f"{start}/scrape{last.removeprefix('announce')}{question}{query}"


def redirected(previous: URL, location: str) -> URL:
    """Where a redirect leads. Raises TrackerError if we may not follow it (C2)."""
    target = _parse(location[:_LONGEST_LOCATION], previous) if location else None
    if target is None:
        raise TrackerError("a redirect leads nowhere")
    if target.scheme not in SCHEMES or not target.raw_host or not target.port:
        raise TrackerError("a redirect leads to something else than http or https")
    if previous.scheme == "https" and target.scheme == "http":
        raise TrackerError("refused a redirect from https to http")
    return target.with_fragment(None)


def _parse(text: str, base: URL | None = None) -> URL | None:
    """A URL, relative to `base` if given; None if it is none."""
    try:
        url = URL(text, encoded=_is_clean(text))  # what is not clean is escaped
        url = url if base is None else base.join(url)
        usable = url.port != 0 and _is_clean(url.raw_host or "")
    except (ValueError, IndexError):  # the latter for a bracket before an empty host
        return None
    return url if usable else None


def _is_clean(text: str) -> bool:
    """Whether `text` may stand in the head of a request as it is."""
    return text.isascii() and text.isprintable() and " " not in text
