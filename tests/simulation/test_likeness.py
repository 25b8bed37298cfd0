"""The simulated loop beside the real one: the same program on loopback sees the same things."""

import asyncio
import errno
import socket

import pytest

import simulation

HERE = "127.0.0.1"


class Diary(asyncio.Protocol):
    """Writes down what it is told; keeps a half-closed connection open if `patient`."""

    def __init__(self, *, patient: bool) -> None:
        self.patient = patient
        self.entries: list[object] = []
        self.data = b""
        self.ended = asyncio.get_running_loop().create_future()
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.entries.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool:
        self.entries += [self.data, "eof", self.transport.is_closing()]
        self.ended.set_result(None)
        return self.patient

    def connection_lost(self, exc: Exception | None) -> None:
        self.entries += ["lost", type(exc), self.transport.is_closing()]
        self.over.set_result(None)

    def pause_writing(self) -> None:
        self.entries.append("pause")

    def resume_writing(self) -> None:
        self.entries.append("resume")


async def streams() -> list[object]:
    loop = asyncio.get_running_loop()
    accepted: list[Diary] = []

    def accept() -> Diary:
        accepted.append(Diary(patient=True))
        return accepted[0]

    server = await loop.create_server(accept, HERE, 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(OSError) as in_use:
        await loop.create_server(accept, HERE, port)
    near_transport, near = await loop.create_connection(lambda: Diary(patient=False), HERE, port)
    near_transport.writelines([b"a", b"", b"b"])
    near_transport.write_eof()
    seen: list[object] = [near_transport.can_write_eof(), near_transport.is_closing()]
    with pytest.raises(RuntimeError) as after_eof:
        near_transport.write(b"c")
    while not accepted:
        await asyncio.sleep(0.001)
    far = accepted[0]
    await far.ended
    far.transport.pause_reading()
    seen += [far.transport.is_reading(), near_transport.is_reading()]
    far.transport.set_write_buffer_limits(high=10)
    seen += [far.transport.get_write_buffer_limits(), far.transport.get_write_buffer_size()]
    far.transport.write(b"answer")
    far.transport.close()
    far.transport.close()
    await near.over
    await far.over
    with pytest.raises(RuntimeError):
        near_transport.write(b"")
    near_transport.close()
    seen += [near.entries, far.entries, near_transport.get_extra_info("nothing", "default")]
    server.close()
    await server.wait_closed()
    seen += [server.is_serving(), server.sockets, in_use.value.errno, str(after_eof.value)]
    with pytest.raises(OSError) as refused:
        await loop.create_connection(asyncio.Protocol, HERE, port)
    return [*seen, type(refused.value), refused.value.errno]


class Letters(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.seen: list[object] = []
        self.news = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.seen += [data, type(data), addr[0], len(addr)]
        self.news.set()

    def error_received(self, exc: Exception) -> None:
        self.seen += [type(exc), getattr(exc, "errno", None)]
        self.news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.seen.append(exc)


async def datagrams() -> list[object]:
    loop = asyncio.get_running_loop()
    far, hears = await loop.create_datagram_endpoint(Letters, local_addr=(HERE, 0))
    address = far.get_extra_info("sockname")
    near, sends = await loop.create_datagram_endpoint(Letters, remote_addr=address)
    far_seen: list[object] = [far.get_extra_info("peername"), far.get_write_buffer_size()]
    near.sendto(b"")
    near.sendto(bytearray(b"hello"))
    while b"hello" not in hears.seen:
        await asyncio.sleep(0.001)
    near.sendto(bytes(65_508))
    far.close()
    far.sendto(b"too late", near.get_extra_info("sockname"))
    await asyncio.sleep(0.001)
    sends.news.clear()
    near.sendto(b"anybody?")
    await sends.news.wait()
    near.close()
    await asyncio.sleep(0.001)
    return [*far_seen, hears.seen, sends.seen, near.is_closing()]


async def names() -> list[object]:
    loop = asyncio.get_running_loop()
    options = {"type": socket.SOCK_STREAM, "proto": socket.IPPROTO_TCP}
    seen: list[object] = [
        await loop.getaddrinfo(HERE, 80, **options),
        await loop.getaddrinfo("::1", 80, **options),
        await loop.getaddrinfo(None, 80, family=socket.AF_INET, flags=socket.AI_PASSIVE, **options),
        await loop.getnameinfo((HERE, 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV),
    ]
    with pytest.raises(socket.gaierror) as caught:
        await loop.getaddrinfo("example.org", 80, flags=socket.AI_NUMERICHOST, **options)
    return [*seen, caught.value.errno]


async def jobs() -> list[object]:
    loop = asyncio.get_running_loop()
    seen: list[object] = [await loop.run_in_executor(None, divmod, 7, 2)]
    with pytest.raises(ZeroDivisionError) as caught:
        await loop.run_in_executor(None, divmod, 7, 0)
    return [*seen, str(caught.value), errno.EIO]


@pytest.mark.parametrize("program", [streams, datagrams, names, jobs])
def test_the_same_program_sees_the_same(program):
    async def main(network: simulation.Network) -> list[object]:
        return await network.host().run(program())

    assert simulation.run(main, seed=0) == asyncio.run(program())
