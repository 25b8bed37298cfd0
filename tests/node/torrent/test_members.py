"""Who may join a swarm's members, how they are greeted, who is sent away."""

import asyncio
from pathlib import Path

import pytest

from formats.endpoint import Endpoint
from formats.identifiers import PeerId
from node.torrent import members
from node.torrent.dial_budget import ban_key
from node.torrent.known_peer import Source, SourceKind
from node.torrent.members import SESSIONS_PER_IP
from simulation.network import Network
from tests.node.torrent.swarm import (
    PIECE,
    PORT,
    Stranger,
    Us,
    dial,
    disk_of,
    listen,
    loop,
    made,
    node_on,
    play,
    seed_on,
    sharing,
    until,
)

METAINFO, DATA = made(8)
HALF = DATA[: 4 * PIECE]


def test_p11_a_banned_address_is_refused() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            key = ban_key(Endpoint(net.host("stranger").address, 1))
            us.torrent.peer_list.ban(key, loop().time())
            stranger = await dial(net, us, Stranger(METAINFO))
            assert stranger.closed
            assert stranger.frames == []
            assert us.node.context.connections.open == 0

    play(main)


def test_the_connection_limit_refuses_the_next() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, max_connections=2) as us:
            kept = [await dial(net, us, Stranger(METAINFO), name=f"peer{i}") for i in range(2)]
            refused = await dial(net, us, Stranger(METAINFO), name="peer2")
            assert refused.closed
            assert not kept[0].closed and not kept[1].closed
            kept[0].close()
            await until(lambda: us.node.context.connections.open == 1)
            assert not (await dial(net, us, Stranger(METAINFO), name="peer3")).closed

    play(main)


def test_one_address_may_have_a_few_connections() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            strangers = [
                await dial(net, us, Stranger(METAINFO)) for _ in range(SESSIONS_PER_IP + 1)
            ]
            closed = [stranger.closed for stranger in strangers]
            assert closed == [False] * SESSIONS_PER_IP + [True]
            assert not (await dial(net, us, Stranger(METAINFO), name="other")).closed

    play(main)


def test_events_before_the_check_ends_are_refused() -> None:
    """A peer that calls while we hash is sent away with our handshake and nothing else."""

    async def main(net: Network) -> None:
        disk = disk_of(net.host("us"), DATA)
        disk.rate = 10_000
        with net.hosts["us"]:
            async with node_on(net.hosts["us"], disk) as node:
                torrent = await node.add(METAINFO, Path("/d"))
                stranger = await dial(
                    net, Us(node, torrent, disk, net.hosts["us"]), Stranger(METAINFO)
                )
                assert stranger.closed
                assert stranger.frames == []

    play(main)


@pytest.mark.parametrize("seed_first", [True, False])
def test_two_that_are_complete_part(seed_first: bool) -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA) as us:
            stranger = await dial(net, us, Stranger(METAINFO))
            if seed_first:
                stranger.has()
            else:
                stranger.introduce(upload_only=True)
            await until(lambda: stranger.closed, within=1)
            assert us.torrent.status().peers == 0

    play(main)


def test_a_seed_parts_from_us_when_we_complete() -> None:
    async def main(net: Network) -> None:
        seed = await seed_on(net, METAINFO, DATA)
        async with sharing(net, METAINFO, peers=(seed.endpoint,)) as us:
            await us.torrent.wait_complete()
            await until(lambda: seed.strangers[0].closed, within=2)
            known = us.torrent.peer_list.get(seed.endpoint)
            assert known is not None
            assert known.seed  # not dialled again while we seed
            await asyncio.sleep(90)
            assert len(seed.strangers) == 1
        seed.close()

    play(main, within=200)


@pytest.mark.parametrize("greater", [True, False])
def test_p16_a_second_connection_of_a_peer_id_is_refused(greater: bool) -> None:
    theirs = PeerId(b"~" * 20 if greater else b"!" * 20)

    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            first = await dial(net, us, Stranger(METAINFO, peer_id=theirs))
            second = await dial(net, us, Stranger(METAINFO, peer_id=theirs))
            assert second.closed
            assert not first.closed
            assert us.torrent.status().peers == 1

    play(main)


@pytest.mark.parametrize("thief_first", [True, False])
@pytest.mark.parametrize("greater", [True, False])
def test_p16_who_takes_a_peers_id_at_another_address_neither_pushes_it_out_nor_shuts_it_out(
    thief_first: bool, greater: bool
) -> None:
    theirs = PeerId(b"~" * 20 if greater else b"!" * 20)

    async def main(net: Network) -> None:
        there = await listen(net, METAINFO, peer_id=theirs, name="victim")
        thief = Stranger(METAINFO, peer_id=theirs)
        async with sharing(net, METAINFO, HALF) as us:
            if thief_first:
                await dial(net, us, thief, name="thief")
            us.torrent.peer_list.add(there.endpoint, Source(SourceKind.USER), loop().time())
            await until(lambda: there.strangers and there.strangers[0].is_introduced)
            if not thief_first:
                await dial(net, us, thief, name="thief")
            await asyncio.sleep(1)
            (victim,) = there.strangers
            assert (thief.closed, victim.closed) == (False, False)
            hosts = [session.connection.remote.host for session in us.torrent.sessions]
            both = [net.hosts["thief"].address, there.host.address]
            assert hosts == (both if thief_first else both[::-1])
            # Each of them is one peer still.
            for name in ("victim", "thief"):
                again = await dial(net, us, Stranger(METAINFO, peer_id=theirs), name=name)
                await asyncio.sleep(1)
                assert len(us.torrent.sessions) == us.node.context.connections.open == 2
                # It called, we had called the victim: the rule decides which of the two stays.
                assert again.closed is not (name == "victim" and greater)
            assert not thief.closed
            assert victim.closed is greater
            thief.close()
            await until(lambda: len(us.torrent.sessions) == 1)
            (session,) = us.torrent.sessions
            assert session.connection.remote.host == there.host.address
        there.close()

    play(main)


@pytest.mark.parametrize("greater", [True, False])
def test_p16_one_peer_over_both_families_is_connected_once(greater: bool) -> None:
    theirs = PeerId(b"~" * 20 if greater else b"!" * 20)

    async def main(net: Network) -> None:
        host = net.host("us", ipv6=True)
        peer = net.host("peer", ipv6=True)
        async with sharing(net, METAINFO, HALF, listen=None) as us:
            strangers = [Stranger(METAINFO, peer_id=theirs) for _ in range(2)]
            for stranger, ours, its in zip(strangers, host.addresses, peer.addresses, strict=True):
                await loop().create_connection(
                    lambda stranger=stranger: stranger, ours, PORT, local_addr=(its, 0)
                )
                await asyncio.sleep(1)
            assert [stranger.closed for stranger in strangers] == [False, True]
            (session,) = us.torrent.sessions
            assert session.connection.remote.host == peer.addresses[0]

    play(main)


@pytest.mark.parametrize("greater", [True, False])
def test_p16_of_two_that_dial_each_other_the_greater_peer_id_keeps_its_call(greater: bool) -> None:
    theirs = PeerId(b"~" * 20 if greater else b"!" * 20)

    async def main(net: Network) -> None:
        there = await listen(net, METAINFO, peer_id=theirs)
        async with sharing(net, METAINFO, HALF, peers=(there.endpoint,)) as us:
            mine = Stranger(METAINFO, peer_id=theirs)
            await dial(net, us, mine)
            await until(lambda: there.strangers and there.strangers[0].is_introduced)
            await asyncio.sleep(1)
            (ours,) = there.strangers
            assert (mine.closed, ours.closed) == (not greater, greater)
            (session,) = us.torrent.sessions
            assert session.connection.is_outgoing is not greater
            assert us.node.context.connections.open == 1
            assert us.node.context.connections.half_open == 0
        there.close()

    play(main)


@pytest.mark.parametrize("seed", range(4))
def test_p16_two_nodes_that_dial_each_other_keep_one_and_the_same_connection(seed: int) -> None:
    async def main(net: Network) -> None:
        one, two = net.host("one"), net.host("two")
        async with (
            sharing(net, METAINFO, HALF, name="one", peers=(Endpoint(two.address, PORT),)) as a,
            sharing(net, METAINFO, name="two", peers=(Endpoint(one.address, PORT),)) as b,
        ):
            await until(lambda: b.torrent.status().pieces == 4)
            await asyncio.sleep(100)  # nobody redials what is connected
            (ours,) = a.torrent.sessions
            (theirs,) = b.torrent.sessions
            assert ours.connection.is_outgoing is not theirs.connection.is_outgoing
            greater = a.node.context.peer_id > b.node.context.peer_id
            assert ours.connection.is_outgoing is greater
            assert a.node.context.connections.half_open == 0
            assert b.node.context.connections.half_open == 0
            for node in (a, b):
                budget = node.node.context.dial_budget
                assert all(
                    budget.may_dial(Endpoint(host.address, PORT), loop().time(), hearsay=False)
                    for host in (one, two)
                )

    play(main, seed=seed, within=300)


def test_p16_we_notice_ourselves_and_do_not_dial_again() -> None:
    async def main(net: Network) -> None:
        host = net.host("us")
        ourselves = Endpoint(host.address, PORT)
        async with sharing(net, METAINFO, HALF, peers=(ourselves,)) as us:
            await asyncio.sleep(2)
            assert us.torrent.peer_list.get(ourselves) is None
            assert us.torrent.status().peers == 0
            connections = us.node.context.connections
            assert (connections.open, connections.half_open) == (0, 0)
            now = loop().time()
            assert not us.torrent.peer_list.add(ourselves, Source(SourceKind.TRACKER), now)
            await asyncio.sleep(100)
            assert us.torrent.status().known_peers == 0

    play(main, within=200)


def test_a_peer_that_dialled_us_is_known_by_where_it_listens() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            stranger = await dial(net, us, Stranger(METAINFO))
            assert us.torrent.status().known_peers == 0  # the port it dialled from is nobody's
            stranger.introduce(listen_port=4321, client="Some Client 1.0")
            await until(lambda: us.torrent.status().known_peers)
            (row,) = us.torrent.status().peer_rows
            assert row.endpoint == Endpoint(net.hosts["stranger"].address, 4321)
            assert row.client == "Some Client 1.0"
            known = us.torrent.peer_list.get(row.endpoint)
            assert known is not None
            assert known.busy

    play(main)


def test_p11_a_ban_ends_every_connection_of_the_address_and_no_other() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            liars = [await dial(net, us, Stranger(METAINFO), name="liar") for _ in range(2)]
            other = await dial(net, us, Stranger(METAINFO), name="other")
            us.torrent.members.ban([ban_key(Endpoint(net.hosts["liar"].address, 1))])
            await asyncio.sleep(1)
            assert [stranger.closed for stranger in liars] == [True, True]
            assert not other.closed
            assert us.torrent.status().peers == us.node.context.connections.open == 1
            assert (await dial(net, us, Stranger(METAINFO), name="liar")).closed

    play(main)


def test_a_peer_that_is_complete_counts_once() -> None:
    """However often it says so, comes back, or somebody else takes its ID."""
    theirs = PeerId(b"-XX0100-complete----")

    async def main(net: Network) -> None:
        def complete() -> int:
            return us.torrent.status().complete_peers

        async with sharing(net, METAINFO, HALF) as us:
            peer = await dial(net, us, Stranger(METAINFO, peer_id=theirs))
            peer.has((1 << 8) - 2)
            await asyncio.sleep(0.5)
            assert complete() == 0
            for _ in range(3):
                peer.talk.have(0)
            peer.say()
            await asyncio.sleep(0.5)
            assert complete() == 1
            peer.close()
            await until(lambda: not us.torrent.sessions)
            assert complete() == 1  # it has been seen
            for name in ("stranger", "thief"):
                again = await dial(net, us, Stranger(METAINFO, peer_id=theirs), name=name)
                again.has()
                await asyncio.sleep(0.5)
                assert complete() == 1
            assert us.torrent.status().seeds == 2
            other = await dial(net, us, Stranger(METAINFO), name="other")
            other.has()
            await asyncio.sleep(0.5)
            assert complete() == 2

    play(main)


def test_complete_peers_are_remembered_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "COMPLETE_PEERS", 2)

    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA) as us:
            for number in range(4):
                stranger = await dial(net, us, Stranger(METAINFO), name=f"peer{number}")
                stranger.has()
                await until(lambda stranger=stranger: stranger.closed)
            assert us.torrent.status().complete_peers == 2

    play(main)
