"""The life of a torrent: check, download, seed, error, stop."""

import asyncio
import errno
from pathlib import Path

import pytest

from formats.errors import StorageError
from node.peer.messages import Unchoke
from node.torrent.known_peer import Source, SourceKind
from node.torrent.options import Priority
from node.torrent.request_pipeline import INITIAL_DEPTH
from node.torrent.status import State
from simulation.network import Network
from tests.node.torrent.swarm import (
    BLOCK,
    NAME,
    PIECE,
    NotingTracker,
    Stranger,
    Us,
    dial,
    disk_of,
    gives,
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
            await until(lambda: len(slow.asked) == INITIAL_DEPTH)
            quick = await dial(net, us, Stranger(METAINFO, react=gives(DATA)), name="quick")
            quick.has(0b1000_0000)
            quick.unchoke()
            await until(lambda: us.torrent.state is State.ERROR)
            await asyncio.sleep(1)
            cancelled = [payload for kind, payload in slow.frames if kind == "CANCEL"]
            assert len(cancelled) == INITIAL_DEPTH
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
