"""What a host's death, sleep and silence look like from outside, and who runs where."""

import asyncio

import pytest

import simulation
from simulation import Host, Network, SimulationError
from tests.simulation.sink import Sink, connect, now


def test_a_killed_program_resets_its_peers_and_a_power_cut_says_nothing():
    async def main(network: Network) -> None:
        client, server = network.host("client"), network.host("server")
        async with Sink(server) as sink:
            reader, writer = await connect(client, server)
            await asyncio.sleep(1)
            server.kill()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            assert now() == pytest.approx(1.06)
            assert sink.ends == [(pytest.approx(1.04), "ConnectionAbortedError")]
            with pytest.raises(ConnectionRefusedError):
                await connect(client, server)
            with pytest.raises(OSError, match="server was killed"):
                await connect(server, client)
            with pytest.raises(SimulationError, match=r"boot\(\) it"):
                server.restore()
        server.boot()
        async with Sink(server):
            reader, writer = await connect(client, server)
            server.kill(silent=True)
            writer.write(b"anybody?")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(300):
                    await reader.read()
            server.boot()  # its kernel knows nothing of the connection
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    simulation.run(main, seed=0)


def test_a_frozen_server_accepts_and_answers_when_it_is_thawed():
    async def main(network: Network) -> None:
        client, server = network.host(), network.host()

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(100):
                writer.write(data)
            writer.close()

        async with await asyncio.start_server(echo, server.address, 80):
            server.freeze()
            reader, writer = await connect(client, server)
            writer.write(b"hello")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await reader.read(100)
            server.restore()
            assert await reader.read(100) == b"hello"
            writer.write(b"again")
            assert await reader.read(100) == b"again"
            writer.close()
            await writer.wait_closed()

    simulation.run(main, seed=0)


def test_connections_in_the_backlog_of_a_frozen_program_are_reset_when_it_is_killed():
    async def main(network: Network) -> None:
        client, server = network.host(), network.host()
        async with Sink(server) as sink:
            server.freeze()
            reader, writer = await connect(client, server)
            writer.write(b"hello")
            await asyncio.sleep(1)
            server.kill()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            assert sink.received == []

    simulation.run(main, seed=0)


def test_tasks_inherit_their_host():
    async def main(network: Network) -> None:
        hosts = [network.host() for _ in range(31)]

        async def program() -> Host:
            await asyncio.sleep(1)
            async with asyncio.TaskGroup() as group:
                child = group.create_task(asyncio.sleep(0, simulation.current_host))
            return child.result()()

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(host.run(program())) for host in hosts]
        assert [task.result() for task in tasks] == hosts
        with hosts[0], hosts[1]:
            assert simulation.current_host() is hosts[1]

    simulation.run(main, seed=0)
