"""Reaching out: whom, how many at a time, and what comes of it."""

import asyncio

import pytest

from formats.endpoint import Endpoint
from formats.identifiers import PeerId
from node.peer.messages import KEEP_ALIVE
from node.torrent.dial_budget import FAILURES
from node.torrent.dialer import DIALS_PER_TURN, WANTED_PEERS, Failure
from node.torrent.known_peer import Source, SourceKind
from simulation.network import Network
from tests.node.torrent.swarm import (
    PIECE,
    PORT,
    NotingTracker,
    Stranger,
    Us,
    dial,
    listen,
    loop,
    made,
    play,
    seed_on,
    sharing,
    until,
)

METAINFO, DATA = made(8)
HALF = DATA[: 4 * PIECE]
TRACKER = Source(SourceKind.TRACKER)


def hear_of(us: Us, *endpoints: Endpoint) -> None:
    for endpoint in endpoints:
        us.torrent.peer_list.add(endpoint, TRACKER, loop().time())
    us.torrent.dial(loop().time())


def half_open(us: Us) -> int:
    return us.node.context.connections.half_open


def test_a_peer_we_hear_of_is_dialled_at_once() -> None:
    async def main(net: Network) -> None:
        seed = await seed_on(net, METAINFO, DATA)
        async with sharing(net, METAINFO) as us:
            hear_of(us, seed.endpoint)
            assert half_open(us) == 1
            await asyncio.wait_for(us.torrent.wait_complete(), 2)
            assert half_open(us) == 0
            (stranger,) = seed.strangers
            assert stranger.talk.remote is not None
            assert stranger.talk.remote.peer_id == us.node.context.peer_id
            assert stranger.talk.supports_fast and stranger.talk.supports_extensions
        seed.close()

    play(main)


def test_dials_are_bounded_per_turn_and_by_the_half_open_limit() -> None:
    async def main(net: Network) -> None:
        silent = [net.host(f"silent{i}") for i in range(30)]
        for host in silent:
            host.blackhole()
        async with sharing(net, METAINFO, max_half_open=15) as us:
            hear_of(us, *(Endpoint(host.address, PORT) for host in silent))
            assert half_open(us) == DIALS_PER_TURN
            us.torrent.dial(loop().time())
            assert half_open(us) == 15
            await asyncio.sleep(5)
            assert half_open(us) == 15
            await asyncio.sleep(30)  # ten seconds each
            assert half_open(us) == 0

    play(main)


def test_refused_and_unanswered_dials_back_off() -> None:
    async def main(net: Network) -> None:
        nobody = net.host("nobody")
        async with sharing(net, METAINFO) as us:
            endpoint = Endpoint(nobody.address, PORT)
            hear_of(us, endpoint)
            await asyncio.sleep(1)
            assert half_open(us) == 0
            known = us.torrent.peer_list.get(endpoint)
            assert known is not None
            assert (known.failures, known.busy) == (1, False)
            assert known.due > loop().time() + 50

    play(main)


def test_p9_one_that_answers_with_half_a_handshake_is_given_ten_seconds() -> None:
    async def main(net: Network) -> None:
        host = net.host("half")
        closed = loop().create_future()

        async def mumble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"\x13BitTorrent")
            await reader.read()  # our handshake
            await reader.read()  # the end
            closed.set_result(loop().time())
            writer.close()

        server = await asyncio.start_server(mumble, host.address, PORT)
        async with sharing(net, METAINFO) as us:
            start = loop().time()
            hear_of(us, Endpoint(host.address, PORT))
            await asyncio.sleep(5)
            assert half_open(us) == 1
            assert 10 <= await closed - start <= 12
            await until(lambda: half_open(us) == 0)
            known = us.torrent.peer_list.get(Endpoint(host.address, PORT))
            assert known is not None
            assert known.failures == 1
        server.close()

    play(main)


@pytest.mark.parametrize("why", ["duplicate", "banned", "full"])
def test_a_dial_that_is_refused_after_the_handshake_counts_once(why: str) -> None:
    """Or the half-open count drifts, and with it the limit."""
    theirs = PeerId(b"~" * 20)

    async def main(net: Network) -> None:
        there = await listen(net, METAINFO, peer_id=theirs)
        async with sharing(net, METAINFO, HALF, max_connections=2) as us:
            hear_of(us, there.endpoint)
            if why == "duplicate":
                await dial(net, us, Stranger(METAINFO, peer_id=theirs))
            elif why == "banned":
                us.torrent.peer_list.ban(there.host.address, loop().time())
            else:
                us.node.context.connections.open = 2
            await asyncio.sleep(2)
            assert half_open(us) == 0
            if why == "full":
                us.node.context.connections.open = 0
            assert us.torrent.status().peers == (1 if why == "duplicate" else 0)
        there.close()

    play(main)


def test_x6_an_address_that_answers_is_not_left_alone_although_it_is_refused() -> None:
    """One that is connected already, by its own call, is a peer all the same."""
    theirs = PeerId(b"~" * 20)

    async def main(net: Network) -> None:
        there = await listen(net, METAINFO, peer_id=theirs)
        async with sharing(net, METAINFO, HALF) as us:
            other = await dial(net, us, Stranger(METAINFO, peer_id=theirs))
            hear_of(us, there.endpoint)
            for _ in range(20):
                await asyncio.sleep(60)
                other.send(KEEP_ALIVE)
            assert len(there.strangers) >= FAILURES
            budget = us.node.context.dial_budget
            assert budget.may_dial(there.endpoint, loop().time(), hearsay=False)
            assert half_open(us) == 0
        there.close()

    play(main, within=2000)


def test_a_stop_gives_up_every_dial() -> None:
    async def main(net: Network) -> None:
        silent = net.host("silent")
        silent.blackhole()
        mute = await listen(net, METAINFO, name="mute")
        mute.server.close()
        accepted: list[asyncio.Transport] = []

        class Mute(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                accepted.append(transport)

        server = await loop().create_server(Mute, net.host("deaf").address, PORT)
        async with sharing(net, METAINFO) as us:
            hear_of(us, *(Endpoint(net.hosts[name].address, PORT) for name in ("silent", "deaf")))
            await asyncio.sleep(1)
            assert half_open(us) == 2
            start = loop().time()
        assert loop().time() - start < 1
        assert half_open(us) == 0
        await until(lambda: accepted[0].is_closing(), within=2)
        server.close()

    play(main)


def test_a_dial_that_succeeds_while_we_stop_leaves_nothing_open() -> None:
    async def main(net: Network) -> None:
        tracker = await NotingTracker(net.host("tracker"), silent=True).start()
        metainfo, _ = made(8, trackers=(tracker.url,))
        far = net.host("far", latency=1.5)
        accepted: list[asyncio.Transport] = []

        class Mute(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                accepted.append(transport)

        server = await loop().create_server(Mute, far.address, PORT)
        tracker.silent = False
        async with sharing(net, metainfo) as us:
            await until(lambda: tracker.asked)
            tracker.silent = True
            hear_of(us, Endpoint(far.address, PORT))
            await asyncio.sleep(0.1)
            assert half_open(us) == 1
        assert half_open(us) == 0
        await asyncio.sleep(10)
        assert all(transport.is_closing() for transport in accepted)
        server.close()
        tracker.close()

    play(main)


def test_no_more_peers_are_called_than_wanted() -> None:
    async def main(net: Network) -> None:
        there = [await listen(net, METAINFO, name=f"peer{i}") for i in range(WANTED_PEERS + 10)]
        async with sharing(net, METAINFO, HALF) as us:
            hear_of(us, *(peer.endpoint for peer in there))
            await asyncio.sleep(20)
            assert us.torrent.status().peers == WANTED_PEERS
            assert sum(bool(peer.strangers) for peer in there) == WANTED_PEERS
        for peer in there:
            peer.close()

    play(main)


def test_a_seed_does_not_call_seeds() -> None:
    async def main(net: Network) -> None:
        seed = await seed_on(net, METAINFO, DATA)
        async with sharing(net, METAINFO, DATA) as us:
            us.torrent.peer_list.add(seed.endpoint, TRACKER, loop().time(), seed=True)
            await asyncio.sleep(5)
            assert seed.strangers == []
        seed.close()

    play(main)


def test_dials_leave_from_the_bound_address() -> None:
    async def main(net: Network) -> None:
        there = await listen(net, METAINFO)
        own = net.host("us", ipv6=True)
        async with sharing(net, METAINFO, bind_address=own.address) as us:
            hear_of(us, there.endpoint)
            await until(lambda: there.strangers and there.strangers[0].is_introduced)
            transport = there.strangers[0].transport
            assert transport is not None
            assert transport.get_extra_info("peername")[0] == own.address
        there.close()

    play(main)


def test_why_dials_failed_is_remembered_by_address() -> None:
    async def main(net: Network) -> None:
        hole = net.host("hole")
        hole.blackhole()
        other = await listen(net, made(3)[0], name="other")
        nobody = Endpoint(net.host("nobody").address, PORT)
        async with sharing(net, METAINFO, HALF) as us:
            hear_of(us, Endpoint(hole.address, PORT), other.endpoint, nobody)
            failures = us.torrent._dialer.failures
            await until(lambda: len(failures) == 3, within=15)
            assert failures == {
                Endpoint(hole.address, PORT): Failure.TIMED_OUT,
                other.endpoint: Failure.SENT_AWAY,
                nobody: Failure.REFUSED,
            }
            late = await loop().create_server(lambda: Stranger(METAINFO, outgoing=False), *nobody)
            await until(lambda: nobody not in failures, within=100)
            late.close()
        other.close()

    play(main, within=200)
