"""Names: a table that may lie or fail."""

import asyncio
import socket

import pytest

import simulation
from simulation import Network


def now() -> float:
    return asyncio.get_running_loop().time()


def test_names_resolve_lie_and_fail():
    async def main(network: Network) -> None:
        network.host("Tracker.Example", address="20.9.9.9", ipv6="2600:9::9")
        loop = asyncio.get_running_loop()
        start = now()
        assert await loop.getaddrinfo("tracker.example", 80, type=socket.SOCK_STREAM) == [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("20.9.9.9", 80)),
            (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("2600:9::9", 80, 0, 0)),
        ]
        assert now() == start + network.names.latency
        assert await loop.getnameinfo(("20.9.9.9", 80)) == ("tracker.example", "80")
        network.names.add("tracker.example", "20.6.6.6")
        (info,) = await loop.getaddrinfo("tracker.example", 80)
        assert info[4] == ("20.6.6.6", 80)
        network.names.fail("tracker.example")
        with pytest.raises(socket.gaierror) as caught:
            await loop.getaddrinfo("tracker.example", 80)
        assert caught.value.errno == socket.EAI_AGAIN
        network.names.restore("tracker.example")
        await loop.getaddrinfo("tracker.example", 80)
        with pytest.raises(socket.gaierror) as caught:
            await loop.getaddrinfo("nobody.example", 80)
        assert caught.value.errno == socket.EAI_NONAME
        before = now()
        (info,) = await loop.getaddrinfo("2600:0:0::7", 1)
        assert info[4] == ("2600::7", 1, 0, 0)
        assert now() == before  # a numeric host asks nobody

    simulation.run(main, seed=0)
