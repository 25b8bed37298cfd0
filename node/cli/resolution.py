"""The names of peers that a user gave, made addresses."""

import asyncio
import socket
from collections.abc import Sequence

from formats.endpoint import Endpoint, EndpointError, normalise
from node.cli.addresses import AddressError, HostPort
from node.cli.printable import printable

RESOLVE_TIMEOUT = 10.0
"""Seconds for all names together: a dead name server is told, not waited for."""


async def resolve_all(addresses: Sequence[HostPort]) -> tuple[Endpoint, ...]:
    """The endpoints that names stand for, in order, each once. Raises AddressError."""
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT):
            found = [await _resolve(address) for address in addresses]
    except TimeoutError:
        raise AddressError("the name server does not answer; give numeric addresses") from None
    return tuple(dict.fromkeys(endpoint for endpoints in found for endpoint in endpoints))


async def _resolve(address: HostPort) -> list[Endpoint]:
    try:
        return [Endpoint(normalise(address.host), address.port)]
    except EndpointError:
        pass
    loop = asyncio.get_running_loop()
    try:
        answers = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        name = printable(address.host)
        raise AddressError(f"the name {name} cannot be resolved: {_reason(error)}") from error
    return [Endpoint(normalise(str(where[0])), address.port) for *_, where in answers]


def _reason(error: OSError | UnicodeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
