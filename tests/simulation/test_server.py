"""Connecting: refused, unanswered, in the backlog; and which ports are free."""

import asyncio

import pytest

import simulation
from simulation import Network
from tests.simulation.sink import Sink, connect, now


def test_nobody_listening_is_a_refusal_after_one_round_trip():
    async def main(network: Network) -> None:
        client, server = network.host(latency=0.1), network.host(latency=0.1)
        with pytest.raises(ConnectionRefusedError, match=f"refused by {server.address} port 80"):
            await connect(client, server)
        assert now() == pytest.approx(0.4)

    simulation.run(main, seed=0)


def test_a_black_hole_times_out_like_linux_and_may_open_in_time():
    async def main(network: Network) -> None:
        client, server = network.host(), network.host()
        async with Sink(server):
            server.blackhole()
            with pytest.raises(TimeoutError):
                await connect(client, server)
            assert now() == pytest.approx(127)
            asyncio.get_running_loop().call_later(4, server.restore)
            _, writer = await connect(client, server)
            assert now() == pytest.approx(127 + 7.04)  # the fourth SYN, after 1 + 2 + 4 seconds
            writer.close()

    simulation.run(main, seed=0)


def test_an_address_nobody_has_times_out():
    async def main(network: Network) -> None:
        with network.host(), pytest.raises(TimeoutError):
            await asyncio.open_connection("20.77.0.1", 80)

    simulation.run(main, seed=0)


def test_ports_are_exclusive_and_ephemeral_ports_go_up():
    async def main(network: Network) -> None:
        host = network.host()
        async with Sink(host):
            for address in (host.address, "0.0.0.0"):
                with host, pytest.raises(OSError, match="address already in use"):
                    await asyncio.start_server(print, address, 80)
            with host:
                first = await asyncio.start_server(print, None, 0)
            ports = [each.getsockname()[1] for each in first.sockets]
            assert ports == [49_152, 49_153]
            first.close()
            await first.wait_closed()

    simulation.run(main, seed=0)


def test_the_handshake_takes_one_round_trip_and_the_accept_half_a_one_more():
    async def main(network: Network) -> None:
        server, client = network.host(latency=0.03), network.host(latency=0.02)
        loop = asyncio.get_running_loop()
        accepted = loop.create_future()

        class Server(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                accepted.set_result((now(), transport))

        listening = await loop.create_server(Server, server.address, 1)
        transport, _ = await loop.create_connection(
            asyncio.Protocol, server.address, 1, local_addr=(client.address, 7)
        )
        assert now() == pytest.approx(0.10)
        when, far = await accepted
        assert when == pytest.approx(0.15)
        assert far.get_extra_info("peername") == (client.address, 7)
        assert transport.get_extra_info("sockname") == (client.address, 7)
        assert transport.get_extra_info("socket").getpeername() == (server.address, 1)
        transport.close()
        listening.close()
        await listening.wait_closed()

    simulation.run(main, seed=0)
