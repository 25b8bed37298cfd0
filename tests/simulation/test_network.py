"""The internet as a whole: who is where, and which ways are open."""

import pytest

import simulation
from simulation import Network, SimulationError


def test_hosts_get_global_addresses_in_subnets_of_their_own():
    async def main(network: Network) -> None:
        one, two = network.host("one", ipv6=True), network.host()
        assert one.addresses == ["20.0.1.1", "2600:1::1"]
        assert two.address == "20.0.2.1"
        assert one.rng.random() == network.random("host one").random() != two.rng.random()
        one.clock_offset = -60.0
        assert one.clock() == two.clock() - 60.0
        with pytest.raises(SimulationError, match="already"):
            network.host("one")

    simulation.run(main, seed=0)


def test_a_partition_cuts_both_directions_between_two_groups_only():
    async def main(network: Network) -> None:
        a, b, c, d = (network.host() for _ in range(4))
        hosts = [a, b, c, d]

        def cuts() -> list[str]:
            return [
                f"{one.number}{other.number}"
                for one in hosts
                for other in hosts
                if not network.is_open(one, other)
            ]

        network.partition([a, b], [c])
        network.partition(a, d)
        assert cuts() == ["13", "14", "23", "31", "32", "41"]
        network.heal(c, a)
        assert cuts() == ["14", "23", "32", "41"]
        network.heal()
        assert cuts() == []
        a.blackhole()
        assert cuts() == ["12", "13", "14", "21", "31", "41"]  # not 11: loopback needs no wire

    simulation.run(main, seed=0)


def test_loss_of_everything_delays_a_segment_and_does_not_hang():
    async def main(network: Network) -> float:
        return network.segment_delay(network.host(loss=1.0), network.host())

    assert 120 < simulation.run(main, seed=0) < 360
