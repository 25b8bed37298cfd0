"""Sockets that open, and the sentences when they do not."""

import pytest

import simulation
from dht.config import DhtConfig
from dht.contact import Family
from dht.dht import Dht
from dht.node_id import NodeId, is_compliant
from formats.errors import ConfigError
from simulation import Network
from tests.dht.world import PORT, World


def test_a_taken_port_is_said_in_a_sentence_and_nothing_stays_open():
    async def main(network: Network) -> None:
        host = network.host(ipv6="2600::1")
        taken = ((host.address, PORT),)
        async with Dht(DhtConfig(listen=taken, built_in_hosts=()), rng=host.rng):
            both = (("2600::1", PORT), *taken)
            for listen, why in [
                (both, f"UDP {host.address}:6881: the port is in use"),
                ((("9.9.9.9", 1),), "UDP 9.9.9.9:1: this machine has no such address"),
                ((("localhost", 1),), "cannot listen on localhost"),
                ((("2600::1", 1), ("2600::1", 2)), "there is an IPv6 address already"),
                ((), "needs an address to listen on"),
            ]:
                with pytest.raises(ConfigError, match=why):
                    await Dht(DhtConfig(listen=listen), rng=host.rng).__aenter__()

    simulation.run(main, seed=12)


def test_a_chosen_id_is_kept_and_another_fits_the_address():
    async def main(network: Network) -> None:
        async with World(network) as world:
            chosen = await world.member(node_id=NodeId(bytes(20))).start()
            other = await world.member().start()
            assert chosen.dht.node_ids == {Family.V4: bytes(20)}
            assert is_compliant(other.dht.node_ids[Family.V4], other.host.address)

    simulation.run(main, seed=11)
