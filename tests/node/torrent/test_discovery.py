"""What trackers are told of a torrent, and what is made of their answers."""

import asyncio
from random import Random

import pytest

from formats.endpoint import AddressClass, Endpoint
from formats.metainfo import Metainfo
from node.torrent.discovery import host_class
from node.torrent.known_peer import Source, SourceKind
from simulation.network import Network
from tests.node.torrent.swarm import (
    PIECE,
    PORT,
    NotingTracker,
    listen,
    loop,
    made,
    play,
    seed_on,
    sharing,
    until,
)
from tracker.announcer import TrackerState
from tracker.swarm import Swarms
from tracker.udp_server import start_udp_tracker


async def tracked(net: Network, name: str = "tracker") -> tuple[NotingTracker, Metainfo, bytes]:
    tracker = await NotingTracker(net.host(name)).start()
    return tracker, *made(8, trackers=(tracker.url,))


def events(tracker: NotingTracker) -> list[bytes | None]:
    return [asked.get("event") for asked in tracker.asked]


def figures(asked: dict[str, bytes]) -> tuple[int, int, int]:
    return int(asked["uploaded"]), int(asked["downloaded"]), int(asked["left"])


def test_a_download_announces_its_start_its_completion_and_its_end() -> None:
    async def main(net: Network) -> None:
        tracker, metainfo, data = await tracked(net)
        seed = await seed_on(net, metainfo, data)
        tracker.peers = (seed.endpoint,)
        async with sharing(net, metainfo, data[:PIECE]) as us:
            await us.torrent.wait_complete()
            await until(lambda: len(tracker.asked) == 2)
        assert events(tracker) == [b"started", b"completed", b"stopped"]
        size = len(data)
        assert [figures(asked) for asked in tracker.asked] == [
            (0, 0, size - PIECE), (0, size - PIECE, 0), (0, size - PIECE, 0),
        ]  # fmt: skip
        first = tracker.asked[0]
        assert first["info_hash"] == metainfo.info_hash
        assert first["peer_id"] == us.node.context.peer_id
        assert first["port"] == str(PORT).encode()
        assert len({asked["key"] for asked in tracker.asked}) == 1
        seed.close()
        tracker.close()

    play(main)


def test_a_udp_tracker_brings_seed_and_download_together() -> None:
    async def main(net: Network) -> None:
        host = net.host("tracker")
        swarms = Swarms(rng=Random(1))
        site = await start_udp_tracker(host=host.address, port=80, rng=Random(2), swarms=swarms)
        metainfo, data = made(8, trackers=(site.announce_url,))
        async with sharing(net, metainfo, data, name="seed"):
            await until(lambda: swarms.seeds == 1)
            async with sharing(net, metainfo, data[:PIECE]) as us:
                await us.torrent.wait_complete()
                assert us.torrent.status().trackers[0].state is TrackerState.WORKING
                await until(lambda: swarms.seeds == 2)
                assert swarms.scrape([metainfo.info_hash])[metainfo.info_hash].downloaded == 1
        assert swarms.peers == 0  # both have said goodbye
        await site.close()

    play(main)


def test_a_torrent_that_was_complete_at_the_start_does_not_announce_completion() -> None:
    async def main(net: Network) -> None:
        tracker, metainfo, data = await tracked(net)
        async with sharing(net, metainfo, data):
            await asyncio.sleep(10)
        assert events(tracker) == [b"started", b"stopped"]
        assert figures(tracker.asked[0]) == (0, 0, 0)
        tracker.close()

    play(main)


def test_peers_that_a_tracker_names_are_dialled_at_once() -> None:
    async def main(net: Network) -> None:
        tracker, metainfo, data = await tracked(net)
        there = await listen(net, metainfo)
        tracker.peers = (there.endpoint,)
        async with sharing(net, metainfo, data[:PIECE]) as us:
            await until(lambda: us.torrent.sessions, within=1)
            known = us.torrent.peer_list.get(there.endpoint)
            assert known is not None
            assert list(known.sources) == [Source(SourceKind.TRACKER, tracker.url)]
            assert us.torrent.status().peer_rows[0].source == "tracker"
        there.close()
        tracker.close()

    play(main)


def test_x3_a_global_tracker_cannot_aim_us_at_our_own_network() -> None:
    async def main(net: Network) -> None:
        tracker, metainfo, _ = await tracked(net)
        near = (Endpoint("192.168.1.1", 80), Endpoint("127.0.0.1", 22), Endpoint("10.0.0.1", 6881))
        tracker.peers = near
        async with sharing(net, metainfo) as us:
            await until(lambda: us.torrent.status().trackers[0].peers_given)
            assert us.torrent.status().known_peers == 0
        async with sharing(net, metainfo, name="lenient", allow_local_peers=True) as us:
            await until(lambda: us.torrent.status().trackers[0].peers_given)
            assert us.torrent.status().known_peers == 3
        tracker.close()

    play(main)


def test_a_download_short_of_peers_does_not_wait_for_the_interval() -> None:
    async def main(net: Network) -> None:
        tracker, metainfo, _ = await tracked(net)
        async with sharing(net, metainfo, tracker_interval_floor=30.0):
            await asyncio.sleep(200)
            gaps = [b - a for a, b in zip(tracker.times, tracker.times[1:])]
            assert len(gaps) >= 2  # though its interval is half an hour
            assert min(gaps) >= 60  # each tracker's own politeness
        tracker.close()

    play(main, within=300)


def test_a_seed_waits_for_the_interval() -> None:
    async def main(net: Network) -> None:
        tracker, metainfo, data = await tracked(net)
        async with sharing(net, metainfo, data, tracker_interval_floor=30.0):
            await asyncio.sleep(1000)
            assert len(tracker.asked) == 1
        tracker.close()

    play(main, within=2000)


def test_the_interval_is_clamped() -> None:
    async def main(net: Network) -> None:
        tracker, metainfo, data = await tracked(net)
        tracker.interval = 1
        async with sharing(net, metainfo, data):
            await asyncio.sleep(290)
            assert len(tracker.asked) == 1
            await asyncio.sleep(100)
            assert len(tracker.asked) == 2
        tracker.close()

    play(main, within=1000)


def test_without_trackers_nobody_is_asked() -> None:
    async def main(net: Network) -> None:
        tracker, metainfo, _ = await tracked(net)
        async with sharing(net, metainfo, use_trackers=False) as us:
            await asyncio.sleep(5)
            assert us.torrent.status().trackers == ()
        assert tracker.asked == []
        tracker.close()

    play(main)


def test_a_dead_tracker_is_told_and_does_not_hold_up_the_stop() -> None:
    async def main(net: Network) -> None:
        metainfo, _ = made(8, trackers=(f"http://{net.host('dead').address}:6969/announce",))
        async with sharing(net, metainfo) as us:
            await until(lambda: us.torrent.status().trackers[0].error)
            start = loop().time()
        assert loop().time() - start < 1

    play(main)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://tracker.example:80/announce", AddressClass.GLOBAL),
        ("http://8.8.8.8/announce", AddressClass.GLOBAL),
        ("http://localhost:6969/announce", AddressClass.LOOPBACK),
        ("http://127.0.0.1:6969/announce", AddressClass.LOOPBACK),
        ("http://[::1]:6969/announce", AddressClass.LOOPBACK),
        ("http://192.168.0.2/announce", AddressClass.PRIVATE),
        ("http:///announce", AddressClass.GLOBAL),
    ],
)
def test_where_a_tracker_is(url: str, expected: AddressClass) -> None:
    assert host_class(url) is expected
