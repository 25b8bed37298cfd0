"""The same seed gives the same bytes at the same times, in another process too."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

import simulation
from simulation import Host, Network
from tests.swarm.content import KIB, content
from tests.swarm.lying_disk import LyingDisk
from tests.swarm.strangers import Flooder
from tests.swarm.world import World


def now() -> float:
    return asyncio.get_running_loop().time()


class Gossip(asyncio.DatagramProtocol):
    """Sends what it hears on to somebody, while it has something to say."""

    def __init__(self, host: Host, everybody: list[Host]) -> None:
        self.host = host
        self.everybody = everybody

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport
        self.tell(40)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[0]:
            self.tell(data[0] - 1)

    def tell(self, left: int) -> None:
        somebody = self.host.rng.choice(self.everybody)
        noise = self.host.rng.randbytes(self.host.rng.randrange(300))
        self.transport.sendto(bytes([left]) + noise, (somebody.address, 6881))


async def upload(host: Host, target: Host) -> None:
    reader, writer = await asyncio.open_connection(target.address, 6881)
    writer.write(host.rng.randbytes(100_000))
    await writer.drain()
    writer.write_eof()
    assert await reader.read() == b"100000"
    writer.close()
    await writer.wait_closed()


async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    size = 0
    while data := await reader.read(9_000):
        size += len(data)
    writer.write(str(size).encode())
    writer.close()
    await writer.wait_closed()


async def announce(session: aiohttp.ClientSession) -> None:
    for _ in range(5):
        async with session.get("http://tracker.example/announce") as response:
            await response.read()
        await asyncio.sleep(30)


async def wait_and_say(host: Host, target: Host) -> None:
    """Is cancelled while it waits, and speaks then: in the order of cancellation."""
    _, writer = await asyncio.open_connection(target.address, 6881)
    try:
        await asyncio.sleep(1_000)
    finally:
        writer.write(host.name.encode())
        writer.close()


async def program(host: Host, everybody: list[Host]) -> None:
    loop = asyncio.get_running_loop()
    gossip, _ = await loop.create_datagram_endpoint(
        lambda: Gossip(host, everybody), local_addr=(host.address, 6881)
    )
    async with await asyncio.start_server(take, host.address, 6881):
        await asyncio.sleep(1)
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            group.create_task(announce(session))
            group.create_task(upload(host, host.rng.choice(everybody)))
        await asyncio.sleep(300 - now())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                for other in everybody:
                    group.create_task(wait_and_say(host, other))
        await asyncio.sleep(10)
    gossip.close()


async def answer(request: web.Request) -> web.Response:
    return web.Response(text=str(request.remote))


async def swarm(network: Network) -> str:
    tracker = network.host("tracker.example", latency=0.03, jitter=0.01)
    app = web.Application()
    app.router.add_get("/announce", answer)
    with tracker:
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, tracker.address, 80).start()
    hosts = [
        network.host(f"peer {n}", up=200_000, down=500_000, latency=0.02, jitter=0.03, loss=0.02)
        for n in range(8)
    ]
    async with asyncio.TaskGroup() as group:
        for host in hosts:
            group.create_task(host.run(program(host, hosts)))
        await asyncio.sleep(20)
        network.partition(hosts[:4], hosts[4:])
        await asyncio.sleep(20)
        network.heal()
    await runner.cleanup()
    return network.digest()


async def whole_nodes(network: Network) -> str:
    """Nodes of our own and a tracker; a liar, a stranger, a death and a partition among them."""
    async with World(network, content(512 * KIB)) as world:
        await world.tracker()
        await world.seed()
        liar = await world.join("liar", honest=False, disk=LyingDisk)
        assert isinstance(liar.disk, LyingDisk)
        liar.disk.one_in = 8
        world.stranger(Flooder)
        leechers = await world.leechers(6)
        for host in network.hosts.values():
            host.jitter, host.loss = 0.02, 0.02
        await asyncio.sleep(1)
        await leechers.pop().kill()
        network.partition(leechers[0].host, [leecher.host for leecher in leechers[1:]])
        await asyncio.sleep(2)
        network.heal()
        await world.complete(leechers)
    return network.digest()


PROGRAMS = {"swarm": swarm, "whole_nodes": whole_nodes}


def digest_elsewhere(program: str, seed: int, hash_seed: int) -> str:
    """The digest of a run in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, program, str(seed)],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_seed_gives_one_digest_whatever_the_process_and_its_hash_seed(program):
    here = simulation.run(PROGRAMS[program], seed=1)
    assert simulation.run(PROGRAMS[program], seed=1) == here
    assert digest_elsewhere(program, 1, hash_seed=1) == here
    assert digest_elsewhere(program, 1, hash_seed=2) == here


@pytest.mark.parametrize("program", PROGRAMS)
def test_another_seed_gives_another_digest(program):
    main = PROGRAMS[program]
    assert simulation.run(main, seed=1) != simulation.run(main, seed=2)


if __name__ == "__main__":
    print(simulation.run(PROGRAMS[sys.argv[1]], seed=int(sys.argv[2])))
