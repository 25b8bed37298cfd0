"""How fast virtual time is: `python -m benchmarks.simulator`.

Three workloads, each with its digest taken: datagrams bounced between two hosts, HTTP requests of
aiohttp's client to aiohttp's server, and bytes through one stream on a limited line.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import web

import simulation
from simulation import Network

DATAGRAMS = 200_000
BALLS = 50
"""Datagrams under way at once."""
REQUESTS = 2_000
STREAM_BYTES = 100_000_000


class Bouncer(asyncio.DatagramProtocol):
    """Sends back what it gets, as long as `left` lasts."""

    left = 0

    def __init__(self, done: asyncio.Future[None]) -> None:
        self.done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        Bouncer.left -= 1
        if Bouncer.left > 0:
            self.transport.sendto(data, addr)
        elif not self.done.done():
            self.done.set_result(None)


async def datagrams(network: Network) -> int:
    a, b = network.host(), network.host()
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    Bouncer.left = DATAGRAMS
    endpoints = [
        await loop.create_datagram_endpoint(lambda: Bouncer(done), local_addr=(host.address, 1))
        for host in (a, b)
    ]
    for _ in range(BALLS):
        endpoints[0][0].sendto(bytes(100), (b.address, 1))
        await asyncio.sleep(0.000_1)
    await done
    for transport, _ in endpoints:
        transport.close()
    return DATAGRAMS


async def answer(request: web.Request) -> web.Response:
    return web.Response(body=bytes(200))


async def requests(network: Network) -> int:
    server, client = network.host("server"), network.host("client")
    app = web.Application()
    app.router.add_get("/", answer)
    with server:
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, server.address, 80).start()
    with client:
        async with aiohttp.ClientSession() as session:
            for _ in range(REQUESTS):
                async with session.get("http://server/") as response:
                    await response.read()
    await runner.cleanup()
    return REQUESTS


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65_536):
        pass
    writer.close()


async def stream(network: Network) -> int:
    server, client = network.host(), network.host(up=1e6)
    async with await asyncio.start_server(swallow, server.address, 80):
        with client:
            reader, writer = await asyncio.open_connection(server.address, 80)
        writer.write(bytes(STREAM_BYTES))
        writer.write_eof()
        await reader.read()
        writer.close()
    return STREAM_BYTES


def measure(name: str, workload: Callable[[Network], Awaitable[int]]) -> None:
    async def main(network: Network) -> tuple[int, float]:
        return await workload(network), network.scheduler.time()

    start = time.perf_counter()
    amount, virtual = simulation.run(main, seed=0)
    seconds = time.perf_counter() - start
    print(f"{name}: {amount / seconds:,.0f}/s, {virtual / seconds:,.0f} times real time")


if __name__ == "__main__":
    measure("datagrams", datagrams)
    measure("HTTP requests", requests)
    measure("stream bytes", stream)
