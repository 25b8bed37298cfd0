import asyncio
import errno
from typing import Any

import pytest
import uvloop

import simulation
from formats.endpoint import Endpoint
from simulation import Network
from tracker.datagram_socket import open_socket


async def scenario() -> None:
    received: list[tuple[bytes, Endpoint]] = []
    arrived = asyncio.Event()

    def note(data: bytes, source: tuple[Any, ...]) -> None:
        received.append((data, Endpoint(*source[:2])))
        arrived.set()

    here = await open_socket("127.0.0.1", 0, note)
    there = await open_socket("127.0.0.1", 0, note)
    assert here.send_now(b"hello", there.endpoint)
    async with asyncio.timeout(5):
        await arrived.wait()
    assert received == [(b"hello", here.endpoint)]
    assert here._recvq.empty()  # the library's queue

    assert not here.send_now(bytes(70_000), there.endpoint)  # the system refuses
    assert here.send_now(b"again", there.endpoint)

    here.close()
    assert not here.send_now(b"late", there.endpoint)
    await here.wait_closed()
    again = await open_socket(*here.endpoint, note)
    for socket in (again, there):
        socket.close()
        await socket.wait_closed()


LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.parametrize("loop", LOOPS)
def test_datagrams_come_and_go_without_a_queue(loop: Any) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scenario())


@pytest.mark.filterwarnings("ignore:Exception ignored in")  # uvloop forgets to close its transport
@pytest.mark.parametrize("loop", LOOPS)
def test_a_port_in_use_is_known_by_its_number(loop: Any) -> None:
    async def main() -> None:
        socket = await open_socket("127.0.0.1", 0, lambda *_: None)
        with pytest.raises(OSError) as refusal:
            await open_socket(*socket.endpoint, lambda *_: None)
        assert refusal.value.errno == errno.EADDRINUSE
        socket.close()
        await socket.wait_closed()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


def test_what_the_system_would_not_take_is_dropped() -> None:
    async def main(network: Network) -> None:
        host = network.host()
        socket = await open_socket(host.address, 1, lambda *_: None)
        socket._protocol.pause_writing()
        assert not socket.send_now(b"x", (host.address, 1))
        socket._protocol.resume_writing()
        assert socket.send_now(b"x", (host.address, 1))
        socket.close()
        await socket.wait_closed()

    simulation.run(main, seed=1)
