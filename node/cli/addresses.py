"""Addresses as people type them: `HOST:PORT` to reach, `ADDR:PORT` to listen on."""

from dataclasses import dataclass

from formats.endpoint import EndpointError, normalise, split_host_port
from formats.errors import ConfigError


class AddressError(ConfigError):
    """Text that is no address, or a name that leads nowhere."""


@dataclass(frozen=True, slots=True)
class HostPort:
    """A name or address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host_port(text: str) -> HostPort:
    """Read `tracker.example:6969`, `1.2.3.4:80` or `[::1]:80`. Raises AddressError."""
    try:
        host, port = split_host_port(text)
    except EndpointError as error:
        raise AddressError(f"{error}; write HOST:PORT") from error
    if not host or not port:
        raise AddressError(f"{text!r} has no host or no port; write HOST:PORT")
    return HostPort(host, port)


def parse_listen(text: str) -> HostPort:
    """Read `0.0.0.0:6881`, `[::]:6881`, or `:6881` for every address; port 0 is any free one.

    Raises AddressError.
    """
    try:
        every = "0.0.0.0"  # noqa: S104 - the user asks for it
        host, port = split_host_port(every + text if text.startswith(":") else text)
        return HostPort(normalise(host), port)
    except EndpointError as error:
        hint = "write ADDR:PORT with a numeric address, such as 0.0.0.0:6881 or [::]:6881"
        raise AddressError(f"{error}; {hint}") from error
