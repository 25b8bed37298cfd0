"""Lookups driven over a real network: complete, frugal, and through the dead."""

import asyncio

import pytest

import simulation
from dht.contact import Contact, Family
from dht.krpc import FindNode, Response
from dht.node_id import distance
from dht.search import Search
from simulation import Network
from tests.dht.world import Member, World

TARGET = b"a target of 20 bytes"


def search(member: Member, **options: object) -> Search:
    return Search(member.dht.nodes[Family.V4], TARGET, FindNode(TARGET), **options)  # type: ignore[arg-type]


def test_the_closest_living_are_found_through_a_third_of_dead_and_loss():
    async def main(network: Network) -> None:
        async with World(network, loss=0.01) as world:
            members = await world.grow(45)
            await asyncio.sleep(10)
            for victim in members[::3]:
                await victim.kill()
                world.members.remove(victim)
            alive = world.members
            nearest = sorted(distance(TARGET, m.dht.node_ids[Family.V4]) for m in alive)
            found = 0
            for member in alive:
                own = distance(TARGET, member.dht.node_ids[Family.V4])
                expected = [away for away in nearest if away != own][:8]
                run = search(member)
                started = asyncio.get_running_loop().time()
                await run.run()
                assert asyncio.get_running_loop().time() - started < 3
                got = {distance(TARGET, contact.id) for contact in run.closest}
                found += len(got & set(expected))
                asked = [step.contact for step in run.steps]
                assert len(asked) == len(set(asked)) == run.queries, "nobody twice"
            assert found >= 0.93 * 8 * len(alive)

    simulation.run(main, seed=1)


def test_answers_are_reported_while_it_runs_and_it_can_be_stopped():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(20)
            await asyncio.sleep(10)
            seen: list[tuple[Contact, Response]] = []

            def response(contact: Contact, answer: Response) -> None:
                seen.append((contact, answer))
                if len(seen) == 2:
                    run.stop()

            run = search(members[3], on_response=response)
            await run.run()
            assert len(seen) == 2
            assert all(answer.sender == contact.id for contact, answer in seen)
            assert run.answers < 8

    simulation.run(main, seed=2)


def test_tokens_come_with_the_answers_that_have_them():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(6)
            run = search(members[3])
            await run.run()
            assert run.tokens == {}, "find_node gives none"

    simulation.run(main, seed=3)


@pytest.mark.parametrize("contacts", [None, ()])
def test_without_contacts_it_is_over_at_once(contacts):
    async def main(network: Network) -> None:
        async with World(network) as world:
            lonely = await world.member().start()
            run = search(lonely, contacts=contacts)
            await run.run()
            assert (run.closest, run.steps, run.queries) == ([], [], 0)
            assert asyncio.get_running_loop().time() < 1

    simulation.run(main, seed=4)


def test_a_search_ends_when_its_node_is_closed():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(12)
            await asyncio.sleep(10)
            for other in members[1:]:
                other.host.blackhole()
            run = search(members[0])
            running = world.tasks.create_task(members[0].run(run.run()))
            await asyncio.sleep(0.05)
            await members[0].stop()
            await running
            assert run.closest == []

    simulation.run(main, seed=5)
