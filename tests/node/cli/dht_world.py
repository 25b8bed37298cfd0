"""Networks that the `dht` commands ask: real nodes on loopback, and simulated ones."""

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import simulation
from dht.config import DhtConfig
from dht.dht import Dht
from formats.endpoint import Endpoint
from node.cli.addresses import HostPort
from node.cli.dht_options import NetworkOptions
from simulation import Network
from tests.dht.world import GENEROUS, PORT, World


@contextmanager
def loopback_network(count: int) -> Iterator[list[Endpoint]]:
    """`count` nodes that know each other, on an event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack = AsyncExitStack()

    def wait(coroutine: Coroutine[Any, Any, list[Endpoint]]) -> list[Endpoint]:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(timeout=20)

    async def close() -> list[Endpoint]:
        await stack.aclose()
        return []

    try:
        yield wait(_start(count, stack))
    finally:
        wait(close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start(count: int, stack: AsyncExitStack) -> list[Endpoint]:
    nodes: list[Dht] = []
    for _ in range(count):
        config = DhtConfig(
            listen=(("127.0.0.1", 0),),
            bootstrap=tuple(node.endpoints[0] for node in nodes),
            built_in_hosts=(),
            allow_local=True,
            budget_limits=GENEROUS,
        )
        nodes.append(await stack.enter_async_context(Dht(config)))
    async with asyncio.timeout(15):
        while any(len(node.contacts()) < count - 1 for node in nodes):
            await asyncio.sleep(0.02)
    return [node.endpoints[0] for node in nodes]


Ask = Callable[[World, NetworkOptions], Coroutine[Any, Any, None]]


def simulate(ask: Ask, *, members: int = 12, seed: int = 1, **changes: Any) -> None:
    """Awaits `ask(world, options)` on a host of its own, beside a settled network."""

    async def main(network: Network) -> None:
        async with World(network) as world:
            grown = await world.grow(members)
            await asyncio.sleep(10)
            host = world.host()
            options = NetworkOptions(
                bootstrap=tuple(HostPort(m.host.address, PORT) for m in grown[:1]),
                listen=(HostPort(host.address, 0),),
                only_bootstrap=True,
            )
            await host.run(ask(world, replace(options, **changes)))

    # The commands draw from the system's randomness, past what the simulation pins.
    with mock.patch("random._urandom", random.Random(seed).randbytes):
        simulation.run(main, seed=seed)
