"""One socket among strangers: whose answers count, what is dropped, and that floods pass by."""

import asyncio

import pytest

import simulation
from dht.contact import Family
from dht.krpc import (
    ErrorReply,
    FindNode,
    Ping,
    Query,
    Response,
    encode_error,
    encode_query,
    encode_response,
    parse,
)
from dht.node_id import NodeId
from dht.rpc import LATE_SECONDS, MAX_TRANSACTIONS, NoAnswerError, RefusedError
from dht.source_budget import BudgetLimits
from formats.endpoint import Endpoint
from simulation import Network
from tests.dht.world import PORT, Member, Stranger, World

THEIR_ID = NodeId(b"their ID, twenty byt")
PING = encode_query(Query(b"aa", THEIR_ID, Ping()))


def drops(member: Member) -> dict[str, int]:
    return member.dht.status().drops


def replies(stranger: Stranger) -> int:
    return sum(data.endswith(b"1:y1:re") for data, _ in stranger.received)


async def asked(world: World) -> tuple[Member, Stranger, asyncio.Task[object], bytes]:
    """A member whose ping has just reached a stranger."""
    member = await world.member().start()
    stranger = await Stranger.on(world.host("stranger"))
    at = Endpoint(world.network.hosts["stranger"].address, PORT)
    pinging = world.tasks.create_task(member.run(_outcome(member, at)))
    await asyncio.sleep(0.1)
    ((data, source),) = stranger.received
    assert source == member.endpoint
    query = parse(data)
    assert isinstance(query, Query)
    assert (query.body, query.sender) == (Ping(), member.dht.node_ids[Family.V4])
    assert len(query.transaction) == 4
    return member, stranger, pinging, query.transaction


async def _outcome(member: Member, at: Endpoint) -> object:
    try:
        return (await member.dht.ping(at))[0]
    except (NoAnswerError, RefusedError) as error:
        return error


def test_d3_an_answer_counts_only_from_the_address_and_port_that_was_asked():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member, stranger, pinging, transaction = await asked(world)
            liar = await Stranger.on(world.host("liar"))
            neighbour = await Stranger.on(network.hosts["stranger"], PORT + 1)
            answer = encode_response(Response(transaction, THEIR_ID))
            liar.send(answer, member.endpoint)
            neighbour.send(answer, member.endpoint)
            guess = bytes([transaction[0] ^ 1]) + transaction[1:]
            stranger.send(encode_response(Response(guess, THEIR_ID)), member.endpoint)
            await asyncio.sleep(0.1)
            assert not pinging.done()
            assert drops(member) == {"unknown transaction": 3}
            assert member.dht.contacts() == ()
            stranger.send(answer, member.endpoint)
            assert await pinging == THEIR_ID
            assert [c.contact.id for c in member.dht.contacts()] == [THEIR_ID]
            stranger.send(answer, member.endpoint)
            await asyncio.sleep(0.1)
            assert drops(member) == {"unknown transaction": 4}, "one answer for one query"
            for each in (stranger, liar, neighbour):
                each.close()

    simulation.run(main, seed=1)


def test_d1_our_own_id_in_an_answer_is_a_reflection():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member, stranger, pinging, transaction = await asked(world)
            own_id = member.dht.node_ids[Family.V4]
            stranger.send(encode_response(Response(transaction, own_id)), member.endpoint)
            assert isinstance(await pinging, NoAnswerError)
            assert drops(member) == {"our own ID": 1}
            stranger.close()

    simulation.run(main, seed=2)


def test_an_error_is_an_answer_and_says_which():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member, stranger, pinging, transaction = await asked(world)
            stranger.send(encode_error(ErrorReply(transaction, 202, "busy")), member.endpoint)
            error = await pinging
            assert isinstance(error, RefusedError)
            assert error.code == 202
            assert str(error).endswith("refused: 202 busy")
            assert member.dht.status().refusals == 1
            stranger.close()

    simulation.run(main, seed=3)


def test_a_late_answer_still_makes_a_contact():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member, stranger, pinging, transaction = await asked(world)
            assert isinstance(await pinging, NoAnswerError)
            assert member.dht.nodes[Family.V4].rpc.in_flight == 1
            stranger.send(encode_response(Response(transaction, THEIR_ID)), member.endpoint)
            await asyncio.sleep(0.1)
            status = member.dht.status()
            assert (status.timeouts, status.late, status.families[0].good) == (1, 1, 1)
            assert member.dht.nodes[Family.V4].rpc.in_flight == 0
            stranger.close()

    simulation.run(main, seed=4)


def test_a_query_is_forgotten_after_a_while():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member, stranger, pinging, transaction = await asked(world)
            await asyncio.sleep(LATE_SECONDS + 1)
            assert member.dht.nodes[Family.V4].rpc.in_flight == 0
            stranger.send(encode_response(Response(transaction, THEIR_ID)), member.endpoint)
            await asyncio.sleep(0.1)
            assert drops(member) == {"unknown transaction": 1}
            assert isinstance(await pinging, NoAnswerError)
            stranger.close()

    simulation.run(main, seed=5)


def test_d1_d2_rubbish_is_dropped_and_counted_and_bad_queries_are_told():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member = await world.member().start()
            stranger = await Stranger.on(world.host())
            for data in (b"", b"d1:ae", b"hello, this is no dictionary", b"d" + bytes(1600) + b"e"):
                stranger.send(data, member.endpoint)
            stranger.send(b"d1:ad2:id20:" + bytes(20) + b"e", member.endpoint)
            bad = b"d1:ad2:id3:abce1:q4:ping1:t2:zz1:y1:qe"
            stranger.send(bad, member.endpoint)
            await asyncio.sleep(1)
            counted = drops(member)
            assert counted.pop("not KRPC") in (3, 4), "Python before 3.13 sends no empty datagram"
            assert counted == {"malformed": 2}
            ((reply, _),) = stranger.received
            error = parse(reply)
            assert isinstance(error, ErrorReply)
            assert (error.transaction, error.code) == (b"zz", 203)
            assert len(reply) <= len(bad)
            stranger.close()

    simulation.run(main, seed=6)


def test_d9_a_flood_from_one_address_is_dropped_before_decoding_and_lookups_go_on():
    async def main(network: Network) -> None:
        async with World(network) as world:
            limits = BudgetLimits(values_for_strangers=True)
            members = await world.grow(20, budget_limits=limits)
            await asyncio.sleep(10)
            victim = members[5]
            stranger = await Stranger.on(world.host())
            before = victim.dht.status().bytes_in
            for _ in range(50):
                for _ in range(200):
                    stranger.send(PING, victim.endpoint)
                await asyncio.sleep(0.01)
            found = await victim.dht.find_node(bytes(20))
            assert len(found) >= 8
            assert replies(stranger) == 50, "the burst of one address"
            assert drops(victim)["source over budget"] == 1
            assert drops(victim)["source is muted"] == 10_000 - 51
            assert victim.dht.status().bytes_in - before < 50 * len(PING) + 20 * 600
            stranger.close()

    simulation.run(main, seed=7)


def test_d9_a_flood_from_everywhere_meets_a_bounded_queue_and_lookups_go_on():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(20)
            await asyncio.sleep(10)
            victim = members[5]
            strangers = [await Stranger.on(world.host()) for _ in range(8)]
            searching = world.tasks.create_task(victim.dht.find_node(bytes(20)))
            for _ in range(10):
                for stranger in strangers:
                    for _ in range(100):
                        stranger.send(PING, victim.endpoint)
                await asyncio.sleep(0.02)
            assert len(await searching) >= 8
            await asyncio.sleep(1)
            answered = sum(map(replies, strangers))
            assert answered + drops(victim).get("queue full", 0) == 8_000
            for stranger in strangers:
                stranger.close()

    simulation.run(main, seed=8)


def test_the_queue_is_bounded_for_strangers_and_for_those_we_asked():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member = await world.member().start()
            rpc = member.dht.nodes[Family.V4].rpc
            there = Endpoint("99.1.1.1", 1)
            assert rpc._admit(PING, there, 255)
            assert not rpc._admit(PING, there, 256)
            await rpc.ask(there, Ping(), lambda outcome: None)
            (transaction,) = rpc._transactions
            answer = encode_response(Response(transaction, THEIR_ID))
            assert rpc._admit(answer, there, 511)
            assert not rpc._admit(answer, there, 512)
            assert not rpc._admit(answer, Endpoint("99.1.1.1", 2), 511)
            assert drops(member) == {"queue full": 3}

    simulation.run(main, seed=9)


def test_our_own_queries_are_bounded():
    async def main(network: Network) -> None:
        async with World(network) as world:
            member = await world.member().start()
            rpc = member.dht.nodes[Family.V4].rpc
            outcomes: list[object] = []
            for _ in range(MAX_TRANSACTIONS + 3):
                await rpc.ask(Endpoint("99.1.1.1", 1), FindNode(bytes(20)), outcomes.append)
            assert outcomes == [None] * 3
            assert drops(member) == {"too many queries of ours": 3}
            await member.stop()
            assert outcomes == [None] * (MAX_TRANSACTIONS + 3), "nobody waits for ever"

    simulation.run(main, seed=10)


def test_several_are_asked_at_once_and_none_of_none():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(4)
            rpc = members[0].dht.nodes[Family.V4].rpc
            dead = Endpoint("99.1.1.1", 1)
            outcomes = await rpc.query_all(
                [(at, None, Ping()) for at in (members[1].endpoint, dead, members[2].endpoint)]
            )
            assert [type(outcome) for outcome in outcomes] == [Response, type(None), Response]
            assert await rpc.query_all([]) == []

    simulation.run(main, seed=11)


@pytest.mark.parametrize("read_only", [True, False])
def test_d14_a_read_only_node_says_so_and_answers_nothing(read_only):
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(3)
            quiet = await world.member(
                read_only=read_only, bootstrap=((members[0].host.address, PORT),)
            ).start()
            await asyncio.sleep(10)
            assert len(quiet.dht.contacts()) == 3
            known = [
                m.dht.nodes[Family.V4].table.find(quiet.dht.node_ids[Family.V4]) for m in members
            ]
            assert all(entry is None for entry in known) == read_only
            stranger = await Stranger.on(world.host())
            stranger.send(PING, quiet.endpoint)
            stranger.send(b"d1:ad2:id3:abce1:q4:ping1:t2:zz1:y1:qe", quiet.endpoint)
            await asyncio.sleep(1)
            pings = [data for data, _ in stranger.received if b"4:ping" in data]
            assert len(stranger.received) - len(pings) == (0 if read_only else 2)
            assert len(pings) == (0 if read_only else 1), "whoever asks is verified"
            stranger.close()

    simulation.run(main, seed=12)
