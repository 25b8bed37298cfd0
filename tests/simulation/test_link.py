"""Lines: datagrams first, streams in turns."""

import asyncio

import pytest

import simulation
from simulation import Network
from simulation.link import Link, segment_size
from tests.simulation.sink import Sink, now, send


def test_streams_share_a_line_fairly_and_datagrams_pass_them():
    async def main(network: Network) -> None:
        one, two = network.host(), network.host()
        server = network.host(down=1e6)
        loop = asyncio.get_running_loop()
        times: list[float] = []

        class Clock(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                times.append(now())

        probe, _ = await loop.create_datagram_endpoint(Clock, local_addr=(server.address, 1))
        sender, _ = await loop.create_datagram_endpoint(Clock, local_addr=(one.address, 1))
        async with Sink(server) as sink, asyncio.TaskGroup() as group:
            group.create_task(send(one, server, 5_000_000))
            group.create_task(send(two, server, 5_000_000))
            await asyncio.sleep(5)
            assert sink.received[0] == pytest.approx(sink.received[1], abs=50_000)
            sender.sendto(bytes(100), (server.address, 1))
            start = now()
            await asyncio.sleep(0.5)
            assert times == pytest.approx([start + 0.0201])
        assert [when for when, _ in sink.ends] == pytest.approx([10.1, 10.1], abs=0.15)
        probe.close()
        sender.close()

    simulation.run(main, seed=0)


def test_a_line_is_a_queue_of_dates():
    link = Link(1_000)
    assert [link.send_segment(0, 500), link.send_segment(0, 500)] == [0.5, 1.0]
    assert link.send_datagram(0, 100) == 0.1
    assert link.send_segment(0, 400) == 1.5  # paid for the datagram too
    assert link.send_segment(9, 1_000) == 10
    assert Link().send_segment(3, 1 << 30) == Link().send_datagram(3, 1_000) == 3


def test_a_burst_beyond_the_queue_is_dropped():
    link = Link(1_000)
    assert [link.send_datagram(0, 300) for _ in range(4)] == [0.3, 0.6, None, None]
    assert link.send_datagram(0.2, 300) == pytest.approx(0.9)


def test_a_segment_is_a_moment_of_the_line():
    sizes = [segment_size(rate) for rate in (1, 1e6, 1e9, float("inf"))]
    assert sizes == [4_096, 20_000, 65_536, 65_536]
