"""The life of a torrent: check, download, seed, error, stop; and whom it talks to."""

import asyncio
import errno
from pathlib import Path

import pytest

from formats.endpoint import Endpoint
from formats.errors import StorageError
from formats.identifiers import PeerId
from node.peer.messages import Unchoke
from node.torrent.dial_budget import ban_key
from node.torrent.known_peer import Source, SourceKind
from node.torrent.options import Priority
from node.torrent.status import State
from node.torrent.torrent import SESSIONS_PER_IP
from simulation.network import Network
from tests.node.torrent.swarm import (
    BLOCK,
    NAME,
    PIECE,
    PORT,
    NotingTracker,
    Stranger,
    Us,
    dial,
    disk_of,
    gives,
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


async def reading(net: Network, us: Us, *, name: str = "leecher") -> Stranger:
    """A leecher that may ask us."""
    stranger = await dial(net, us, Stranger(METAINFO), name=name)
    stranger.wants()
    await until(lambda: stranger.heard(Unchoke))
    return stranger


# Check, download, seed


def test_what_is_on_disk_is_checked_and_the_rest_downloaded() -> None:
    async def main(net: Network) -> None:
        seed = await seed_on(net, METAINFO, DATA)
        async with sharing(net, METAINFO, HALF, peers=(seed.endpoint,)) as us:
            assert us.torrent.status().downloaded == len(HALF)
            assert us.torrent.status().checked == 1.0
            assert us.torrent.state is State.DOWNLOADING
            await us.torrent.wait_complete()
            assert us.torrent.state is State.SEEDING
            assert us.torrent.is_complete
            assert us.disk.files[NAME] == DATA
            assert us.torrent.status().received == len(DATA) - len(HALF)
            (stranger,) = seed.strangers
            assert {piece for piece, _, _ in stranger.asked} == {4, 5, 6, 7}
        assert us.torrent.state is State.STOPPED
        seed.close()

    play(main)


def test_files_that_are_not_wanted_are_not_asked_for() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, options={"priorities": (Priority.SKIP,)}) as us:
            assert us.torrent.is_complete
            assert not us.torrent.is_seed
            seed = await dial(net, us, Stranger(METAINFO))
            seed.has()
            await until(lambda: seed.closed)
            assert seed.asked == []

    play(main)


def test_corrupt_data_is_not_written_and_its_sender_is_banned() -> None:
    async def main(net: Network) -> None:
        liar = await seed_on(net, METAINFO, DATA, name="liar", react=gives(DATA, spoil=True))
        async with sharing(net, METAINFO, peers=(liar.endpoint,)) as us:
            await until(lambda: liar.strangers and liar.strangers[0].closed)
            assert us.disk.files.get(NAME, b"").strip(b"\0") == b""
            assert us.torrent.status().pieces == 0
            assert us.torrent.status().wasted >= PIECE
            assert us.torrent.peer_list.is_banned(liar.host.address, loop().time())
            again = await dial(net, us, Stranger(METAINFO), name="liar")
            assert again.closed
            honest = await dial(net, us, Stranger(METAINFO, react=gives(DATA)), name="honest")
            honest.has()
            honest.unchoke()
            await us.torrent.wait_complete()
            assert us.disk.files[NAME] == DATA
        liar.close()

    play(main)


# Whom it talks to


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


def test_p16_who_takes_a_peers_id_at_another_address_does_not_push_it_out() -> None:
    theirs = PeerId(b"~" * 20)  # by the rule their call would be kept, not ours

    async def main(net: Network) -> None:
        there = await listen(net, METAINFO, peer_id=theirs)
        async with sharing(net, METAINFO, HALF, peers=(there.endpoint,)) as us:
            await until(lambda: us.torrent.sessions)
            thief = await dial(net, us, Stranger(METAINFO, peer_id=theirs), name="thief")
            assert thief.closed
            (session,) = us.torrent.sessions
            assert session.endpoint == there.endpoint
        there.close()

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


# The disk


def test_f1_a_full_disk_stops_the_download_not_the_seeding_and_is_tried_again() -> None:
    async def main(net: Network) -> None:
        disk = disk_of(net.host("us"), HALF)
        seed = await seed_on(net, METAINFO, DATA)
        async with sharing(net, METAINFO, disk=disk) as us:
            leecher = await reading(net, us)
            disk.capacity = disk.used + PIECE
            us.torrent.peer_list.add(seed.endpoint, Source(SourceKind.USER), loop().time())
            with pytest.raises(StorageError, match="the disk is full"):
                await us.torrent.wait_complete()
            failed_at = loop().time()
            assert us.torrent.state is State.ERROR
            assert us.torrent.status().error == "/d/data.bin: the disk is full"
            stranger = seed.strangers[0]
            await asyncio.sleep(2)
            assert [kind for kind, _ in stranger.frames][-1] == "NOT_INTERESTED"
            assert not stranger.closed  # it is not to blame
            assert not us.torrent.peer_list.is_banned(seed.host.address, loop().time())
            leecher.ask((1, 0, BLOCK))
            await until(lambda: leecher.blocks, within=1)  # still served
            asked = len(stranger.asked)
            disk.capacity = float("inf")
            await until(lambda: us.torrent.state is not State.ERROR)
            assert 60 <= loop().time() - failed_at <= 62
            assert len(stranger.asked) == asked
            await us.torrent.wait_complete()
            assert disk.files[NAME] == DATA
            assert us.torrent.status().error is None
        seed.close()

    play(main, within=200)


def test_f1_what_others_were_asked_for_is_taken_back_when_the_disk_refuses() -> None:
    async def main(net: Network) -> None:
        disk = disk_of(net.host("us"))
        disk.capacity = 0
        async with sharing(net, METAINFO, disk=disk) as us:
            slow = await dial(net, us, Stranger(METAINFO), name="slow")
            slow.has(0b0001_1111)
            slow.unchoke()
            await until(lambda: len(slow.asked) == 10)
            quick = await dial(net, us, Stranger(METAINFO, react=gives(DATA)), name="quick")
            quick.has(0b1000_0000)
            quick.unchoke()
            await until(lambda: us.torrent.state is State.ERROR)
            await asyncio.sleep(1)
            cancelled = [payload for kind, payload in slow.frames if kind == "CANCEL"]
            assert cancelled == [payload for kind, payload in slow.frames if kind == "REQUEST"]
            assert slow.frames[-1][0] == "NOT_INTERESTED"

    play(main)


def test_f1_a_disk_that_stays_full_is_tried_every_minute() -> None:
    async def main(net: Network) -> None:
        disk = disk_of(net.host("us"))
        disk.capacity = 0
        seed = await seed_on(net, METAINFO, DATA)
        async with sharing(net, METAINFO, disk=disk, peers=(seed.endpoint,)) as us:
            errors = 0
            for _ in range(3):
                await until(lambda: us.torrent.state is State.ERROR)
                errors += 1
                await until(lambda: us.torrent.state is State.DOWNLOADING)
            assert errors == 3
            assert us.torrent.status().pieces == 0
        seed.close()

    play(main, within=300)


def test_f3_a_disk_that_cannot_be_opened_is_told_and_another_torrent_lives() -> None:
    other, content = made(4)

    async def main(net: Network) -> None:
        disk = disk_of(net.host("us"))
        disk.errors["status"] = errno.EACCES
        async with sharing(net, METAINFO, disk=disk) as us:
            with pytest.raises(StorageError, match="permission denied"):
                await us.torrent.wait_complete()
            with pytest.raises(StorageError, match="permission denied"):
                await us.torrent.wait_complete()
            assert not us.torrent.is_complete
            stranger = await dial(net, us, Stranger(METAINFO))
            stranger.has()
            stranger.unchoke()
            stranger.wants()
            await asyncio.sleep(5)
            assert stranger.asked == []
            del disk.errors["status"]
            disk.open(NAME, write=True).write(memoryview(content), 0)
            second = await us.node.add(other, Path("/d"))
            await asyncio.wait_for(second.wait_complete(), 5)

    play(main)


@pytest.mark.parametrize("loss", ["truncated", "gone", "broken"])
def test_f7_a_piece_that_cannot_be_read_any_more_is_wanted_again(loss: str) -> None:
    async def main(net: Network) -> None:
        disk = disk_of(net.host("us"), DATA)
        async with sharing(net, METAINFO, disk=disk) as us:
            leecher = await reading(net, us)
            assert us.torrent.state is State.SEEDING
            if loss == "broken":
                disk.errors["read"] = errno.EIO
            else:
                disk.remove(NAME)
            if loss == "truncated":
                disk.open(NAME, write=True).write(memoryview(HALF), 0)
            us.torrent.storage._payload.close()  # as if it had not been open
            leecher.ask((6, 0, BLOCK), (6, BLOCK, BLOCK))
            await until(lambda: len(leecher.rejected) == 2)
            assert leecher.blocks == []
            assert us.torrent.state is State.DOWNLOADING
            assert us.torrent.status().pieces == 7
            disk.errors.clear()
            seed = await dial(net, us, Stranger(METAINFO, react=gives(DATA)), name="seed")
            seed.has()
            seed.unchoke()
            await until(lambda: us.torrent.state is State.SEEDING, within=10)
            assert {piece for piece, _, _ in seed.asked} == {6}
            assert disk.files[NAME][6 * PIECE : 7 * PIECE] == DATA[6 * PIECE : 7 * PIECE]

    play(main)


def test_f7_a_leecher_that_loses_a_piece_becomes_interested_in_who_has_it() -> None:
    async def main(net: Network) -> None:
        disk = disk_of(net.host("us"), HALF)
        async with sharing(net, METAINFO, disk=disk) as us:
            other = await dial(net, us, Stranger(METAINFO, react=gives(DATA)), name="other")
            other.has(0b1)
            other.unchoke()
            leecher = await reading(net, us)
            disk.remove(NAME)
            us.torrent.storage._payload.close()  # as if it had not been open
            assert "INTERESTED" not in dict(other.frames)
            leecher.ask((0, 0, BLOCK))
            await until(lambda: leecher.rejected)
            await until(lambda: other.asked, within=5)
            await until(lambda: us.torrent.status().pieces == 4)
            assert disk.files[NAME][:PIECE] == DATA[:PIECE]

    play(main)


def test_f5_what_was_verified_is_flushed_every_two_seconds() -> None:
    async def main(net: Network) -> None:
        flushes: list[float] = []
        seed = await seed_on(net, METAINFO, DATA)
        async with sharing(net, METAINFO, peers=(seed.endpoint,)) as us:
            flush = us.torrent.storage.flush

            async def noting_flush() -> None:
                flushes.append(loop().time())
                await flush()

            us.torrent.storage.flush = noting_flush  # type: ignore[method-assign]
            await us.torrent.wait_complete()
            await until(lambda: flushes, within=3.1)
        seed.close()

    play(main)


# Stop


def test_f13_a_stop_takes_leave_within_five_seconds_of_a_silent_tracker() -> None:
    async def main(net: Network) -> None:
        tracker = await NotingTracker(net.host("tracker")).start()
        metainfo, data = made(8, trackers=(tracker.url,))
        async with sharing(net, metainfo, data[: 4 * PIECE]) as us:
            stranger = await dial(net, us, Stranger(metainfo))
            await until(lambda: tracker.asked)
            tracker.silent = True
            since = loop().time()
        assert 4 <= loop().time() - since <= 5.5
        assert [asked.get("event") for asked in tracker.asked] == [b"started", b"stopped"]
        assert tracker.times[1] - since < 0.5
        assert stranger.closed
        assert us.node.context.connections.open == 0
        tracker.close()

    play(main)


def test_a_stop_during_the_check_is_polite_too() -> None:
    async def main(net: Network) -> None:
        disk = disk_of(net.host("us"), DATA)
        disk.rate = 10_000
        with net.hosts["us"]:
            async with node_on(net.hosts["us"], disk) as node:
                torrent = await node.add(METAINFO, Path("/d"))
                await asyncio.sleep(1)
                assert torrent.state is State.CHECKING
                assert torrent.status().checked == 0
            assert torrent.state is State.STOPPED

    play(main)


def test_a_torrent_that_is_removed_leaves_the_others_running() -> None:
    other, _ = made(4)

    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            stranger = await dial(net, us, Stranger(METAINFO))
            second = await us.node.add(other, Path("/d"))
            await us.node.remove(us.torrent)
            await asyncio.sleep(1)
            assert us.torrent.state is State.STOPPED
            assert stranger.closed
            assert second.is_running
            late = await dial(net, us, Stranger(METAINFO), name="late")
            assert late.closed

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


def test_sources_are_counted_by_kind() -> None:
    async def main(net: Network) -> None:
        seed = await seed_on(net, METAINFO, DATA)
        async with sharing(net, METAINFO, peers=(seed.endpoint,)) as us:
            await us.torrent.wait_complete()
            assert us.torrent.sources == {"user": len(DATA)}
        seed.close()

    play(main)


def test_the_first_piece_is_told() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO) as us:
            waiting = asyncio.create_task(us.torrent.wait_first_piece())
            stranger = await dial(net, us, Stranger(METAINFO, react=gives(DATA)))
            stranger.has(0b100)
            await asyncio.sleep(5)
            assert not waiting.done()
            stranger.unchoke()
            await waiting
            assert us.torrent.status().pieces == 1

    play(main)
