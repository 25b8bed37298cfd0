"""Where the node's DHT listens, and what it remembers."""

import asyncio
from pathlib import Path

import pytest

import simulation
from dht.config import BUILT_IN_HOSTS, DhtConfig
from dht.dht import Dht
from formats.errors import ConfigError
from node.config import NodeConfig
from node.node import Node
from simulation import Network

PORT = 6881


def test_it_listens_where_peers_do_and_remembers_who_answered(tmp_path: Path) -> None:
    async def main(network: Network) -> None:
        here, there = network.host("here"), network.host("there")
        other = Dht(DhtConfig(listen=((there.address, PORT),), built_in_hosts=()), rng=there.rng)
        config = NodeConfig(
            listen=(here.address, PORT), bootstrap=((there.address, PORT),), state=tmp_path
        )
        remembering = NodeConfig(listen=(here.address, PORT), state=tmp_path)

        async def first() -> None:
            async with Node(config, rng=here.rng, clock=here.clock) as node:
                dht = node.context.dht
                assert dht is not None
                assert [str(endpoint) for endpoint in dht.endpoints] == [f"{here.address}:{PORT}"]
                assert await dht.wait_ready()

        async def again() -> None:
            """Nobody tells it of the other but its own state."""
            async with Node(remembering, rng=here.rng, clock=here.clock) as node:
                assert node.context.dht is not None
                assert await node.context.dht.wait_ready()

        async def stay() -> None:
            async with other:
                await here.run(first())
                await here.run(again())

        await there.run(stay())

    simulation.run(main, seed=1, until=600)


def test_a_udp_port_in_use_moves_the_dht_unless_the_user_named_it() -> None:
    async def main(network: Network) -> None:
        host = network.host("here")
        with host:
            loop = asyncio.get_running_loop()
            taken, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=(host.address, PORT)
            )
            async with Node(NodeConfig(listen=(host.address, PORT)), rng=host.rng) as node:
                assert node.context.dht is not None
                assert node.context.dht.endpoints[0].port not in (0, PORT)
            named = NodeConfig(listen=(host.address, PORT), dht_listen=(host.address, PORT))
            with pytest.raises(ConfigError) as told:
                await Node(named, rng=host.rng).__aenter__()
            assert str(told.value) == (
                f"cannot listen on UDP {host.address}:{PORT}: the port is in use;"
                " choose another with --dht-listen"
            )
            taken.close()

    simulation.run(main, seed=1, until=600)


@pytest.mark.sockets
async def test_on_the_loopback_no_host_outside_is_asked() -> None:
    async with Node(NodeConfig(listen=("127.0.0.1", 0))) as node:
        dht = node.context.dht
        assert dht is not None
        assert dht.config.built_in_hosts == ()
        assert dht.config.allow_local


def test_elsewhere_the_built_in_hosts_are_the_last_resort() -> None:
    async def main(network: Network) -> None:
        host = network.host("here")
        with host:
            async with Node(NodeConfig(listen=(host.address, PORT)), rng=host.rng) as node:
                assert node.context.dht is not None
                assert node.context.dht.config.built_in_hosts == BUILT_IN_HOSTS
            async with Node(
                NodeConfig(listen=(host.address, PORT), use_dht=False), rng=host.rng
            ) as node:
                assert node.context.dht is None

    simulation.run(main, seed=1, until=600)
