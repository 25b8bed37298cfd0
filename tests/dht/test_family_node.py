"""One family's node: whose word counts, and how the families help each other."""

import asyncio

import simulation
from dht.contact import Contact, Family
from dht.krpc import FindNode, Ping, Query, Response, encode_query, encode_response, parse
from dht.node_id import NodeId, is_compliant
from formats.endpoint import Endpoint, pack
from formats.identifiers import InfoHash
from simulation import Network
from tests.dht.world import PORT, Member, Stranger, World

HASH = InfoHash(b"a swarm, 20 bytes..."[:20])
THEIR_ID = NodeId(b"their ID, twenty byt")


def table_size(member: Member, family: Family = Family.V4) -> int:
    return len(member.dht.nodes[family].table)


def test_d5_d13_the_id_follows_the_voted_address_and_the_table_lives():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(12)
            newcomer = await world.member(bootstrap=((members[0].host.address, PORT),)).start(
                listen=(("0.0.0.0", PORT),)
            )
            first = newcomer.dht.node_ids[Family.V4]
            assert not is_compliant(first, newcomer.host.address)
            await asyncio.sleep(20)
            (status,) = newcomer.dht.status().families
            assert status.external_address == newcomer.host.address
            second = newcomer.dht.node_ids[Family.V4]
            assert second != first
            assert is_compliant(second, newcomer.host.address)
            assert table_size(newcomer) >= 8
            await asyncio.sleep(1200)
            assert newcomer.dht.node_ids[Family.V4] == second
            knowing = [
                member
                for member in members
                if Contact(second, newcomer.endpoint) in member.dht.nodes[Family.V4].table
            ]
            assert len(knowing) >= 6, "the others know it under its new ID"

    simulation.run(main, seed=1)


def test_d13_four_liars_do_not_change_our_id():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member = await world.member().start()
            before = member.dht.node_ids
            lie = Endpoint("5.5.5.5", 5)
            liars = [await Stranger.on(world.host()) for _ in range(4)]
            for liar in liars:
                at = Endpoint(*liar.transport.get_extra_info("sockname"))
                pinging = world.tasks.create_task(member.run(member.dht.ping(at)))
                await asyncio.sleep(0.1)
                query = parse(liar.received[0][0])
                assert isinstance(query, Query)
                reply = Response(query.transaction, THEIR_ID, ip=pack(lie))
                liar.send(encode_response(reply), member.endpoint)
                await pinging
                liar.close()
            assert member.dht.status().families[0].external_address is None
            assert member.dht.node_ids == before

    simulation.run(main, seed=2)


def test_d3_d7_a_node_that_answers_under_another_id_is_no_contact():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member = await world.member().start()
            stranger = await Stranger.on(world.host())
            at = Endpoint(*stranger.transport.get_extra_info("sockname"))
            node = member.dht.nodes[Family.V4]
            await member.run(node.ping(Contact(NodeId(bytes(20)), at)))
            await asyncio.sleep(0.1)
            query = parse(stranger.received[0][0])
            assert isinstance(query, Query)
            stranger.send(encode_response(Response(query.transaction, THEIR_ID)), member.endpoint)
            await asyncio.sleep(0.1)
            assert member.dht.status().responses == 1
            assert table_size(member) == 0
            stranger.close()

    simulation.run(main, seed=3)


def test_d12_queries_under_many_forged_addresses_make_us_ping_five_a_second():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member = await world.member().start()
            node = member.dht.nodes[Family.V4]
            for number in range(500):
                source = Endpoint(f"{60 + number // 250}.{number % 250}.1.1", 1)
                sender = NodeId(number.to_bytes(20, "little"))
                query = Query(b"aa", sender, Ping())
                node.answer(query, source, 60, asyncio.get_running_loop().time())
            await asyncio.sleep(2)
            assert 9 <= member.dht.status().queries_out["ping"] <= 11
            await asyncio.sleep(60)
            assert member.dht.status().queries_out["ping"] <= 64
            assert table_size(member) == 0

    simulation.run(main, seed=4)


def test_an_ipv6_network_alone():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members: list[Member] = []
            for _ in range(10):
                known = tuple((m.host.addresses[1], PORT) for m in members[-1:])
                member = world.member(ipv4=False, ipv6=True, bootstrap=known)
                members.append(await member.start())
                await asyncio.sleep(1)
            assert await members[2].dht.announce(HASH, 4000) == 8
            found = await members[7].dht.get_peers(HASH)
            assert found.peers == (Endpoint(members[2].host.addresses[1], 4000),)
            proof = await members[2].run(members[2].dht.findable(HASH, 4000))
            assert proof.found

    simulation.run(main, seed=5)


def test_the_families_help_each_other_and_both_are_searched():
    """Only IPv4 addresses are given to start from; the IPv6 network forms by hearsay (BEP 32)."""

    async def main(network: Network) -> None:
        async with World(network) as world:
            both = [await world.member(ipv6=True).start() for _ in range(4)]
            for member in both[1:]:  # the first pair know each other by IPv6 as well
                member.dht.add_node(both[0].host.address, PORT)
            both[1].dht.add_node(both[0].host.addresses[1], PORT)
            newcomer = await world.member(
                ipv6=True, bootstrap=((both[0].host.address, PORT),)
            ).start()
            await asyncio.sleep(30)
            assert table_size(newcomer, Family.V6) >= 2
            assert await newcomer.dht.announce(HASH, 4000) >= 6
            found = await both[1].dht.get_peers(HASH)
            assert set(found.peers) == {Endpoint(a, 4000) for a in newcomer.host.addresses}

    simulation.run(main, seed=6)


def test_private_addresses_are_taken_only_where_that_is_allowed():
    async def main(network: Network) -> None:
        for allowed in (False, True):
            async with World(network) as world:
                hosts = [
                    network.host(address=f"10.{int(allowed)}.0.{number + 1}") for number in range(5)
                ]
                members = []
                for host in hosts:
                    member = world.member(allow_local=allowed)
                    member.host = host
                    known = tuple((m.host.address, PORT) for m in members[-1:])
                    await member.start(listen=((host.address, PORT),), bootstrap=known)
                    members.append(member)
                    await asyncio.sleep(1)
                await asyncio.sleep(5)
                assert [table_size(member) for member in members] == [4 if allowed else 0] * 5
                refused = members[0].dht.status().families[0].refused
                assert ("address" in refused) is not allowed

    simulation.run(main, seed=7)


def test_read_only_by_measured_reachability_behind_a_translator(monkeypatch):
    """Nobody gets through to a node unasked: it serves for a trial, and then only asks."""

    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(20)
            hidden = await world.member(bootstrap=((members[0].host.address, PORT),)).start()
            node = hidden.dht.nodes[Family.V4]
            node.reachability.queried_by = lambda host, now: None  # type: ignore[method-assign]
            node.answer = lambda *_: None  # type: ignore[method-assign]
            await asyncio.sleep(60)
            (status,) = hidden.dht.status().families
            assert (status.reachable, status.read_only) == (None, False)
            await asyncio.sleep(1300)
            (status,) = hidden.dht.status().families
            assert (status.reachable, status.read_only) == (False, True)
            assert await hidden.dht.announce(HASH, 4000) >= 8
            assert (await members[9].dht.get_peers(HASH)).peers == (
                Endpoint(hidden.host.address, 4000),
            )

    monkeypatch.setattr("dht.reachability.TRIAL_CONTACTS", 10)

    simulation.run(main, seed=8)


def test_a_query_makes_a_contact_only_after_our_ping_was_answered():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member = await world.member().start()
            stranger = await Stranger.on(world.host())
            stranger.send(
                encode_query(Query(b"aa", THEIR_ID, FindNode(bytes(20)))), member.endpoint
            )
            await asyncio.sleep(0.2)
            assert table_size(member) == 0
            (ping,) = [
                query
                for data, _ in stranger.received
                if isinstance(query := parse(data), Query) and query.body == Ping()
            ]
            stranger.send(encode_response(Response(ping.transaction, THEIR_ID)), member.endpoint)
            await asyncio.sleep(0.2)
            assert table_size(member) == 1
            stranger.close()

    simulation.run(main, seed=9)
