"""The guard before asyncio-dgram's queue."""

import asyncio
import socket

import pytest
from asyncio_dgram import TransportClosed

import simulation
from dht.datagram_stream import local_address, open_stream
from formats.endpoint import Endpoint
from simulation import Network
from tests.dht.world import Stranger


def test_what_the_guard_refuses_never_enters_the_queue():
    async def main(network: Network) -> None:
        host, other = network.host(), network.host()
        stranger = await Stranger.on(other, 9)
        seen: list[tuple[bytes, Endpoint, int]] = []

        def guard(data: bytes, source: Endpoint, waiting: int) -> bool:
            seen.append((data, source, waiting))
            return waiting < 2

        stream = await open_stream(host.address, 6881, guard)
        assert stream.endpoint == Endpoint(host.address, 6881)
        for number in range(5):
            stranger.send(b"%d" % number, stream.endpoint)
        await asyncio.sleep(1)
        source = Endpoint(other.address, 9)
        assert seen == [(b"%d" % n, source, min(n, 2)) for n in range(5)]
        assert [await stream.recv() for _ in range(2)] == [(b"0", source), (b"1", source)]
        await stream.send(b"back", source)
        await asyncio.sleep(1)
        assert stranger.received == [(b"back", stream.endpoint)]
        stream.close()
        await stream.wait_closed()
        with pytest.raises(TransportClosed):
            await stream.recv()
        stranger.close()
        again = await open_stream(host.address, 6881, guard)
        again.close()
        await again.wait_closed()

    simulation.run(main, seed=1)


def test_errors_of_sending_are_counted_and_hinder_nothing():
    async def main(network: Network) -> None:
        host = network.host()
        stream = await open_stream(host.address, 6881, lambda *_: True)
        for _ in range(3):
            assert not stream.send_now(b"no way", Endpoint("2600::1", 1))
        assert stream.is_writable
        assert stream.send_now(b"to myself", stream.endpoint)
        assert await stream.recv() == (b"to myself", stream.endpoint)
        stream.close()
        await stream.wait_closed()
        assert not stream.send_now(b"too late", stream.endpoint)

    simulation.run(main, seed=2)


async def test_the_wildcards_of_both_families_share_one_port():
    """On real sockets: the kernel would have `::` hold the IPv4 addresses, too."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    four = await open_stream("0.0.0.0", 0, lambda *_: True)
    try:
        six = await open_stream("::", four.endpoint.port, lambda *_: True)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    assert six.endpoint == Endpoint("::", four.endpoint.port)
    for stream in (four, six):
        stream.close()
        await stream.wait_closed()


def test_the_address_that_a_remote_is_reached_from():
    async def main(network: Network) -> None:
        host = network.host(ipv6="2600::1")
        with host:
            assert await local_address(Endpoint("9.9.9.9", 1)) == host.address
            assert await local_address(Endpoint("2600::9", 1)) == "2600::1"

    simulation.run(main, seed=3)
