"""Trackers that die, lie or are not there: the swarm completes while one way to find peers is left."""

import asyncio

import pytest

from simulation import Network
from tests.swarm.content import MIB, TRACKER, content
from tests.swarm.world import LATENCY, World, run

SECOND = "http://second:6969/announce"


def test_the_tracker_dies_after_the_first_announces():
    async def main(network: Network) -> None:
        async with World(network, content(2 * MIB)) as world:
            host = await world.tracker()
            await world.seed()
            leechers = await world.leechers(6)
            await world.until(lambda: all(leecher.torrent.sessions for leecher in leechers))
            host.kill()
            await world.complete(leechers, within=60)

    run(main)


def test_the_tracker_is_dead_and_the_user_names_one_peer():
    async def main(network: Network) -> None:
        async with World(network, content(2 * MIB)) as world:
            (await world.tracker()).kill()
            seed = await world.seed()
            leechers = await world.leechers(6, peers=[seed.endpoint])
            await world.complete(leechers, within=60)

    run(main)


async def answer_with(
    reply: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    writer.close()


BODIES = {
    "not http": b"\0\1\2\3" * 100,
    "500": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "404": b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n",
    "html": b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>hi</html>",
    "failure": b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\nd14:failure reason2:nooe",
    "itself": b"HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n"
    b"d8:intervali1e5:peers6:\x14\0\1\1\x1b\x39ee",
    "silence": b"",
}


@pytest.mark.parametrize("kind", BODIES)
def test_c9_the_second_tier_answers_where_the_first_is_broken(kind):
    async def main(network: Network) -> float:
        tiers = ((TRACKER,), (SECOND,))
        async with World(network, content(1 * MIB, tiers=tiers)) as world:
            broken = network.host("tracker", latency=LATENCY)

            async def serve() -> asyncio.Server:
                return await asyncio.start_server(
                    lambda r, w: answer_with(BODIES[kind], r, w), broken.address, 6969
                )

            server = await broken.run(serve())
            await world.tracker("second")
            await world.seed()
            await world.complete(await world.leechers(4), within=60)
            server.close()
            return world.now()

    assert run(main) < 40


@pytest.mark.parametrize("state", ["kill", "freeze", "blackhole", "refuse"])
def test_c9_the_second_tier_answers_where_the_first_is_dead(state):
    async def main(network: Network) -> float:
        tiers = ((TRACKER,), (SECOND,))
        async with World(network, content(1 * MIB, tiers=tiers)) as world:
            first = await world.tracker()
            getattr(first, state)()
            await world.tracker("second")
            await world.seed()
            await world.complete(await world.leechers(4), within=60)
            if state != "kill":
                first.restore()
            return world.now()

    assert run(main) < 40


def test_the_only_tracker_is_down_at_the_start_and_comes_back():
    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB)) as world:
            tracker = await world.tracker()
            tracker.refuse()
            await world.seed()
            leechers = await world.leechers(4)
            await asyncio.sleep(120)
            assert not any(leecher.torrent.sessions for leecher in leechers)
            tracker.restore()
            start = world.now()
            await world.complete(leechers)
            assert world.now() - start < 120

    run(main)


def test_leechers_that_come_first_find_the_seed_that_comes_later():
    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB)) as world:
            await world.tracker()
            leechers = await world.leechers(4)
            await asyncio.sleep(100)
            await world.seed()
            start = world.now()
            await world.complete(leechers)
            assert world.now() - start < 15

    run(main)
