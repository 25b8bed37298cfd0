"""A DHT node for one question: it joins, asks, and leaves.

It is read-only (BEP 43), for who leaves at once should not stand in the tables of others; unless
the answer may be large. Nodes of ours send a stranger no more than three times what it sent (D8);
one that has answered their ping gets all of it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from dht.address_limits import AddressLimits
from dht.config import BUILT_IN_HOSTS, DhtConfig
from dht.dht import Dht
from dht.status import DhtStatus, SourceStatus
from formats.endpoint import AddressClass, Endpoint, classify
from formats.errors import ConfigError
from node.cli.addresses import AddressError, HostPort
from node.cli.dht_options import NetworkOptions
from node.cli.exit_status import Failed
from node.cli.log import open_log
from node.cli.resolution import resolve_all

ANY_FREE_PORT = (("0.0.0.0", 0), ("::", 0))  # noqa: S104 - a node is there for everybody
PING_SECONDS = 2.0
"""After the first question, in which the nodes asked ping us, if they do."""
MAX_NAMED = 5
"""Hosts listed in a sentence."""


async def dht_config(
    options: NetworkOptions, *, read_only: bool | None = None, saved: bytes | None = None
) -> DhtConfig:
    """The node that `options` ask for.

    Local addresses are allowed if the user named one, or nobody at all to ask.
    """
    is_alone = options.only_bootstrap and not options.bootstrap
    listens_here = any(classify(at.host) is AddressClass.LOOPBACK for at in options.listen)
    return DhtConfig(
        listen=tuple((at.host, at.port) for at in options.listen) or ANY_FREE_PORT,
        bootstrap=tuple((at.host, at.port) for at in options.bootstrap),
        built_in_hosts=() if options.only_bootstrap else BUILT_IN_HOSTS,
        saved=saved,
        read_only=read_only,
        allow_local=is_alone or listens_here or await _is_any_local(options.bootstrap),
    )


@asynccontextmanager
async def joined(options: NetworkOptions, *, answers: bool = False) -> AsyncIterator[Dht]:
    """A node that has found the network; what is done with it ends after `options.timeout`.

    One that `answers` may ask again after PING_SECONDS, for what is too large for strangers.
    Raises ConfigError, and Failed when nobody answers or the time is over.
    """
    if options.only_bootstrap and not options.bootstrap:
        raise ConfigError("--only-bootstrap leaves nobody to ask; add --bootstrap HOST:PORT")
    open_log(options.log_level)
    deadline = asyncio.get_running_loop().time() + options.timeout
    async with Dht(await dht_config(options, read_only=not answers)) as dht:
        if not await dht.wait_ready(options.timeout):
            raise Failed(nobody_answered(dht.status(), options.timeout))
        async with _until(deadline, options.timeout):
            yield dht


@asynccontextmanager
async def unjoined(options: NetworkOptions) -> AsyncIterator[Dht]:
    """A node that contacts nobody by itself. Raises like `joined`."""
    open_log(options.log_level)
    alone = NetworkOptions(listen=options.listen, only_bootstrap=True)
    deadline = asyncio.get_running_loop().time() + options.timeout
    config = await dht_config(alone, read_only=True)
    async with Dht(config) as dht, _until(deadline, options.timeout):
        yield dht


def nobody_answered(status: DhtStatus, seconds: float) -> str:
    """The sentence for a network that was not found: whom we tried, and what would help."""
    asked = [source for source in status.bootstrap if source.asked]
    if status.send_failures and not status.bytes_out:
        problem = "no datagram could be sent: check that this machine is online"
    else:
        problem = (status.problem or "no node has answered").partition(";")[0]
    return f"{problem} (tried for {seconds:g} s: {_names(asked)})"


def _names(sources: list[SourceStatus]) -> str:
    names = [
        f"{HostPort(source.host, source.port)}"
        + (" (not resolved)" if source.error and "resolved" in source.error else "")
        for source in sources
    ]
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "") or "nobody"


@asynccontextmanager
async def _until(deadline: float, seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        raise Failed(f"not done within {seconds:g} s; --timeout gives it more") from None


async def _is_any_local(addresses: Iterable[HostPort]) -> bool:
    found = await asyncio.gather(*map(_resolve, addresses))
    return any(_is_local(endpoint) for endpoints in found for endpoint in endpoints)


async def _resolve(address: HostPort) -> tuple[Endpoint, ...]:
    try:
        return await resolve_all([address])
    except AddressError:
        return ()


def _is_local(endpoint: Endpoint) -> bool:
    """Whether only a node that allows local addresses may have a contact there."""
    public, local = AddressLimits(), AddressLimits(allow_local=True)
    return public.place(endpoint) is None and local.place(endpoint) is not None
