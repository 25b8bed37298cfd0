"""The TCP transport against what stock asyncio's selector transport does."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

import simulation
from simulation import Host, Network
from simulation.pipe import RECEIVE_WINDOW, SEND_BUFFER

Main = Callable[[Network, Host, Host], Awaitable[None]]


def now() -> float:
    return asyncio.get_running_loop().time()


def run(main: Main, **host_options: float) -> None:
    async def with_hosts(network: Network) -> None:
        await main(network, network.host("server", **host_options), network.host("client"))

    simulation.run(with_hosts, seed=0)


class Recorder(asyncio.Protocol):
    """Writes down every call; `transport` once connected."""

    keeps_open = False

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.data = bytearray()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.calls.append("made")

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.data += data

    def eof_received(self) -> bool | None:
        self.calls.append("eof")
        return self.keeps_open

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("lost")
        self.lost.set_result(exc)


class Pair:
    """A client's and a server's Recorder, connected."""

    def __init__(self, server: Host, client: Host) -> None:
        self._hosts = server, client

    async def __aenter__(self) -> tuple[Recorder, Recorder]:
        loop = asyncio.get_running_loop()
        server, client = self._hosts
        accepted = loop.create_future()

        def accept() -> Recorder:
            accepted.set_result(Recorder())
            return accepted.result()

        self._server = await loop.create_server(accept, server.address, 6881)
        _, near = await loop.create_connection(
            Recorder, server.address, 6881, local_addr=(client.address, 0)
        )
        far = await accepted
        await asyncio.sleep(0)
        return near, far

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._server.abort_clients()
        await self._server.wait_closed()
        await asyncio.sleep(1)


def test_streams_echo_and_half_close():
    async def main(network: Network, server: Host, client: Host) -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            data = await reader.read()
            writer.write(data.upper())
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(echo, server.address, 80) as listening:
            with client:
                reader, writer = await asyncio.open_connection("server", 80)
            writer.write(b"who ")
            writer.writelines([b"is ", b"there"])
            writer.write_eof()
            assert await reader.read() == b"WHO IS THERE"
            writer.close()
            await writer.wait_closed()
            assert listening.sockets[0].getsockname() == (server.address, 80)

    run(main)


def test_ipv6_addresses_have_four_parts():
    async def main(network: Network) -> None:
        server, client = network.host(ipv6=True), network.host(ipv6=True)
        async with Pair6(server, client) as (near, far):
            assert near.transport.get_extra_info("peername") == (server.addresses[1], 6881, 0, 0)
            assert far.transport.get_extra_info("peername")[0] == client.addresses[1]

    class Pair6(Pair):
        def __init__(self, server: Host, client: Host) -> None:
            super().__init__(server, client)
            for host in self._hosts:
                host.addresses.reverse()

        async def __aenter__(self) -> tuple[Recorder, Recorder]:
            try:
                return await super().__aenter__()
            finally:
                for host in self._hosts:
                    host.addresses.reverse()

    simulation.run(main, seed=0)


def test_close_sends_what_was_written_and_then_the_end():
    async def main(network: Network, server: Host, client: Host) -> None:
        async with Pair(server, client) as (near, far):
            near.transport.write(bytes(3 * RECEIVE_WINDOW))
            near.transport.close()
            assert near.transport.is_closing()
            assert await near.lost is None
            near.transport.write(b"too late")
            assert await far.lost is None
            assert far.data == bytes(3 * RECEIVE_WINDOW)
            assert far.calls == ["made", "eof", "lost"]
            assert near.calls == ["made", "pause", "lost"]

    run(main)


def test_abort_resets_the_other_side():
    async def main(network: Network, server: Host, client: Host) -> None:
        async with Pair(server, client) as (near, far):
            near.transport.abort()
            assert await near.lost is None
            assert isinstance(await far.lost, ConnectionResetError)
            assert far.calls == ["made", "lost"]

    run(main)


def test_bytes_that_come_after_closing_are_answered_with_a_reset():
    async def main(network: Network, server: Host, client: Host) -> None:
        async with Pair(server, client) as (near, far):
            far.keeps_open = True
            near.transport.close()
            far.transport.write(b"still talking")
            assert await near.lost is None
            assert isinstance(await far.lost, ConnectionResetError)
            assert far.calls == ["made", "eof", "lost"]

    run(main)


def test_writing_after_write_eof_is_an_error_and_text_is_no_data():
    async def main(network: Network, server: Host, client: Host) -> None:
        async with Pair(server, client) as (near, _):
            with pytest.raises(TypeError, match="must be a bytes-like object, not str"):
                near.transport.write("text")
            near.transport.write_eof()
            with pytest.raises(RuntimeError, match="after write_eof"):
                near.transport.write(b"more")

    run(main)


def test_what_is_written_from_a_reused_buffer_was_copied():
    async def main(network: Network, server: Host, client: Host) -> None:
        async with Pair(server, client) as (near, far):
            buffer = bytearray(b"before")
            near.transport.write(memoryview(buffer))
            buffer[:] = b"after!"
            await asyncio.sleep(1)
            assert far.data == b"before"

    run(main)


def test_a_peer_that_never_reads_blocks_the_sender():
    async def main(network: Network, server: Host, client: Host) -> None:
        async with Pair(server, client) as (near, far):
            far.transport.pause_reading()
            total = 8 * RECEIVE_WINDOW
            near.transport.set_write_buffer_limits(high=100_000, low=50_000)
            near.transport.write(bytes(total))
            await asyncio.sleep(3_600)
            left = near.transport.get_write_buffer_size()
            assert left == total - RECEIVE_WINDOW - SEND_BUFFER
            assert near.calls == ["made", "pause"]
            assert not far.data
            far.transport.resume_reading()
            await asyncio.sleep(10)
            assert len(far.data) == total
            assert near.calls == ["made", "pause", "resume"]

    run(main)


def test_drain_waits_for_the_reader():
    async def main(network: Network, server: Host, client: Host) -> None:
        gate = asyncio.Event()

        async def reads_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await gate.wait()
            while await reader.read(1 << 20):
                pass
            writer.close()

        async with await asyncio.start_server(reads_late, server.address, 80):
            with client:
                _, writer = await asyncio.open_connection(server.address, 80)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(600):
                    while True:
                        writer.write(bytes(65_536))
                        await writer.drain()
            gate.set()
            async with asyncio.timeout(10):
                await writer.drain()
            writer.close()
            await writer.wait_closed()

    run(main)


class Buffered(asyncio.BufferedProtocol):
    """Receives into one small buffer, as a peer connection does into a large one."""

    SIZE = 1_000

    def __init__(self) -> None:
        self.buffer = bytearray(self.SIZE)
        self.data = bytearray()
        self.hints: list[int] = []
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        self.hints.append(sizehint)
        return memoryview(self.buffer)

    def buffer_updated(self, nbytes: int) -> None:
        assert 0 < nbytes <= self.SIZE
        self.data += self.buffer[:nbytes]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


def connect_buffered(protocol: type[Buffered], sent: bytes) -> Buffered:
    received: list[Buffered] = []

    async def main(network: Network) -> None:
        server, client = network.host(), network.host()
        loop = asyncio.get_running_loop()

        def accept() -> Buffered:
            received.append(protocol())
            return received[0]

        listening = await loop.create_server(accept, server.address, 1)
        transport, _ = await loop.create_connection(
            asyncio.Protocol, server.address, 1, local_addr=(client.address, 0)
        )
        transport.write(sent)
        transport.close()
        await asyncio.sleep(1)
        await received[0].lost
        listening.close()
        await listening.wait_closed()

    simulation.run(main, seed=0)
    return received[0]


def test_a_buffered_protocol_gets_one_buffer_a_read():
    sent = bytes(range(256)) * 10
    protocol = connect_buffered(Buffered, sent)
    assert protocol.data == sent
    assert protocol.hints == [-1, -1, -1]
    assert protocol.lost.result() is None


def test_a_buffered_protocol_may_pause_between_its_buffers():
    class Pausing(Buffered):
        def buffer_updated(self, nbytes: int) -> None:
            super().buffer_updated(nbytes)
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(0.1, self.transport.resume_reading)

    assert len(connect_buffered(Pausing, bytes(2_560)).data) == 2_560


def test_an_empty_buffer_is_fatal_as_in_stock_asyncio():
    class Empty(Buffered):
        SIZE = 0

    with pytest.raises(ExceptionGroup) as caught:
        connect_buffered(Empty, b"x")
    (error,) = caught.value.exceptions
    assert str(error) == "get_buffer() returned an empty buffer"


def test_an_exception_in_data_received_ends_the_connection_and_the_run():
    class Raising(Recorder):
        def data_received(self, data: bytes) -> None:
            raise KeyError("our bug")

    async def main(network: Network, server: Host, client: Host) -> None:
        async with Pair(server, client) as (near, far):
            far.transport.set_protocol(raising := Raising())
            near.transport.write(b"x")
            assert isinstance(await near.lost, ConnectionResetError)
            assert isinstance(await raising.lost, KeyError)

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert [repr(error) for error in caught.value.exceptions] == ["KeyError('our bug')"]
