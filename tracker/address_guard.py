"""Whom a tracker URL may make us connect to: the guard against server-side request forgery.

Torrents and magnets come from strangers, and so do redirects. What they try, and the answer:

* loopback, private, link-local, CGNAT and reserved addresses, also mapped, NAT64, 6to4 or Teredo:
  every resolved address is judged by what it reaches (C1);
* `127.1`, `0x7f.1`, `2130706433`: judged after resolution like any name (C1);
* a name that resolves to something else later: resolved once, connected to what was judged (C1);
* mail servers and the like: of the ports below 1024, only 80 and 443 (C2);
* a redirect from a good address to a bad one: each hop is judged anew (C1, C2).

A torrent that the user gave (a file, the command line) may name a tracker of the user's network;
one that came from a peer may name only loopback, and only as a plain `/announce`.
"""

from formats.endpoint import AddressClass, classify
from tracker.errors import TrackerError

_OWN_NETWORK = (AddressClass.PRIVATE, AddressClass.LOOPBACK, AddressClass.CGNAT)
_LOW_PORTS = (80, 443)
_FIRST_UNPRIVILEGED_PORT = 1024


def check_port(port: int, *, trusted: bool) -> None:
    """Refuse a stranger's well-known port other than HTTP's. Raises TrackerError."""
    if not trusted and port < _FIRST_UNPRIVILEGED_PORT and port not in _LOW_PORTS:
        raise TrackerError(f"refused to connect to port {port}, which is no tracker's")


def is_allowed(address: str, *, trusted: bool, path: str, query: str) -> bool:
    """Whether we may connect to a numeric `address` for a URL with this path and query (C1)."""
    kind = classify(address)
    if kind is AddressClass.GLOBAL:
        return True
    if trusted:
        return kind in _OWN_NETWORK
    return kind is AddressClass.LOOPBACK and path == "/announce" and not query
