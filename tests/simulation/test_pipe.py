"""One direction of a connection: its speed, its window, and what a cut does to it."""

import asyncio

import pytest

import simulation
from simulation import Network
from simulation.pipe import GIVE_UP
from tests.simulation.sink import Sink, connect, now, send


@pytest.mark.parametrize(("up", "down"), [(1e6, 5e6), (5e6, 1e6), (1e6, float("inf"))])
def test_ten_megabytes_at_one_megabyte_a_second_take_ten_seconds(up: float, down: float):
    async def main(network: Network) -> None:
        client, server = network.host(up=up), network.host(down=down)
        async with Sink(server) as sink:
            await send(client, server, 10_000_000)
            while not sink.ends:
                await asyncio.sleep(0.1)
        assert sink.received == [10_000_000]
        assert sink.ends[0][0] == pytest.approx(10.1, abs=0.1)

    simulation.run(main, seed=0)


def test_throughput_of_a_long_way_is_one_window_a_round_trip():
    async def main(network: Network) -> None:
        client, server = network.host(latency=0.5), network.host(latency=0.5)
        async with Sink(server) as sink:
            await send(client, server, 20 << 20)
        assert sink.ends[0][0] == pytest.approx(20 * 2, rel=0.1)

    simulation.run(main, seed=0)


def test_loss_delays_a_stream_and_loses_nothing():
    async def main(network: Network) -> float:
        client, server = network.host(loss=0.2), network.host()
        async with Sink(server) as sink:
            await send(client, server, 3_000_000)
        assert sink.received == [3_000_000]
        return sink.ends[0][0]

    assert simulation.run(main, seed=0) > 0.5


def test_bytes_wait_behind_a_partition_and_arrive_when_it_heals():
    async def main(network: Network) -> None:
        client, server, bystander = network.host(), network.host(), network.host()
        async with Sink(server) as sink:
            _, writer = await connect(client, server)
            writer.write(b"before")
            await asyncio.sleep(1)
            network.partition(client, [server, bystander])
            writer.write(b"during")
            await asyncio.sleep(600)
            writer.write(b"later")
            await asyncio.sleep(1)
            assert sink.received == [6]
            await send(bystander, server, 3)  # the others go on
            network.heal(client, server)
            healed = now()
            writer.write(b"after")
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(1)
            assert sink.received == [22, 3]
            assert sink.ends[1] == (pytest.approx(healed + 0.02), "end")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await connect(client, bystander)

    simulation.run(main, seed=0)


def test_a_partition_that_lasts_ends_the_connection_of_who_sends():
    async def main(network: Network) -> None:
        client, server = network.host(), network.host()
        async with Sink(server) as sink:
            reader, writer = await connect(client, server)
            network.partition(client, server)
            writer.write(b"anybody?")
            with pytest.raises(TimeoutError, match="Connection timed out"):
                await reader.read()
            assert now() == pytest.approx(GIVE_UP, abs=1)
            assert sink.ends == []  # it has sent nothing and knows nothing
            network.heal()
            writer.close()
            sink.server.close()
            server.kill()

    simulation.run(main, seed=0)
