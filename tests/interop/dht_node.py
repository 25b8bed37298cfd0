"""Our DHT node beside other programs, in the process of the test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from dht.config import DhtConfig
from dht.contact import Family
from dht.dht import Dht
from dht.krpc import Body, Response
from dht.source_budget import BudgetLimits
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash
from tests.interop.host import LOOPBACK, Host
from tests.interop.patience import LOOK_INTERVAL, PATIENCE, holds

SEARCH_INTERVAL = 0.5
"""Seconds between two searches: clients ban a host that asks more than five times a second."""

NEIGHBOURLY = BudgetLimits(
    host_rate=1_000, host_burst=1_000, subnet_rate=1_000, subnet_burst=1_000,
    values_for_strangers=True,
)  # fmt: skip
"""For hosts on which many nodes run, and ask each other all the time."""


@asynccontextmanager
async def run_node(
    *entries: Endpoint, host: Host = LOOPBACK, port: int = 0, limits: BudgetLimits | None = None
) -> AsyncIterator[Dht]:
    """A node that starts from `entries`, and knows of nobody else in the world."""
    config = DhtConfig(
        listen=((host.address, port),),
        bootstrap=tuple(entries),
        built_in_hosts=(),
        allow_local=True,
        budget_limits=limits or DhtConfig().budget_limits,
    )
    node = Dht(config)
    with host.entered():
        await node.__aenter__()
    try:
        yield node
    finally:
        await node.__aexit__(None, None, None)


@asynccontextmanager
async def run_network(
    size: int, *, host: Host = LOOPBACK, port: int = 0
) -> AsyncIterator[list[Dht]]:
    """Nodes on one host, all of which start from the first, the one at `port`."""
    async with AsyncExitStack() as running:
        nodes: list[Dht] = []
        for _ in range(size):
            entries = nodes[0].endpoints if nodes else ()
            node = run_node(*entries, host=host, port=0 if nodes else port, limits=NEIGHBOURLY)
            nodes.append(await running.enter_async_context(node))
        yield nodes


async def until(condition: Callable[[], bool], what: str, *, patience: float = PATIENCE) -> None:
    """`wait_until`, while our nodes live on."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while not holds(condition):
        assert loop.time() < deadline, f"{what}: not within {patience:g} s"
        await asyncio.sleep(LOOK_INTERVAL)


async def until_found(
    node: Dht, info_hash: InfoHash, peer: Endpoint, *, patience: float = PATIENCE
) -> None:
    """Search until `peer` is among the peers; fails the test if that takes too long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while peer not in (await node.get_peers(info_hash)).peers:
        assert loop.time() < deadline, f"{peer} is found: not within {patience:g} s"
        await asyncio.sleep(SEARCH_INTERVAL)


async def ask(node: Dht, endpoint: Endpoint, body: Body) -> Response:
    """One query to one node, under the ID it has. Raises NoAnswerError and RefusedError."""
    node_id, _ = await node.ping(endpoint)
    return await node.nodes[Family.V4].rpc.query(endpoint, body, node_id=node_id)
