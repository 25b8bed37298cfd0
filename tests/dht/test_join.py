"""Settling in."""

import asyncio

import simulation
from dht.contact import Contact, Family
from dht.join import MAX_HINTS, Joiner
from dht.node_id import NodeId
from formats.endpoint import Endpoint
from simulation import Network
from tests.dht.world import World


def test_one_contact_is_enough_to_know_and_be_known():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(30)
            await asyncio.sleep(20)
            newcomer = await world.member(bootstrap=((members[7].host.address, 6881),)).start()
            await asyncio.sleep(5)
            node = newcomer.dht.nodes[Family.V4]
            assert len(node.table) >= 15
            everybody = [m.dht.node_ids[Family.V4] for m in members]
            own = int.from_bytes(node.table.own_id, "big")
            nearest = sorted(everybody, key=lambda each: int.from_bytes(each, "big") ^ own)[:8]
            known = [contact.id for contact in node.table.closest(node.table.own_id)]
            assert known == nearest
            knowing = sum(
                Contact(node.table.own_id, newcomer.endpoint) in m.dht.nodes[Family.V4].table
                for m in members
            )
            assert knowing >= 8
            assert newcomer.dht.status().timeouts == 0

    simulation.run(main, seed=1)


def test_hints_are_bounded_and_must_belong_to_the_network():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member = await world.member().start()
            node = member.dht.nodes[Family.V4]
            joiner = Joiner(member.host.rng)
            good = [
                Contact(NodeId(n.to_bytes(20, "big")), Endpoint(f"50.0.{n}.1", 1))
                for n in range(100)
            ]
            bad = [
                Contact(node.table.own_id, Endpoint("50.1.0.1", 1)),
                Contact(NodeId(bytes(20)), Endpoint("2600::1", 1)),
                Contact(NodeId(bytes(20)), Endpoint("192.168.1.1", 1)),
            ]
            joiner.join(node, [*bad, *good])
            joiner.join(node)
            assert list(joiner._hints[node]) == good[:MAX_HINTS]

    simulation.run(main, seed=2)
