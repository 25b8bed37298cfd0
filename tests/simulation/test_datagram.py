"""The UDP transport: asyncio's calls, and the ways a datagram is lost."""

import asyncio
import errno

import pytest

import simulation
from simulation import Host, Network


def now() -> float:
    return asyncio.get_running_loop().time()


class Mailbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: list[tuple[bytes, object]] = []
        self.times: list[float] = []
        self.errors: list[Exception] = []
        self.lost: list[Exception | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.append((data, addr))
        self.times.append(now())

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


async def bind(host: Host, port: int = 6881) -> Mailbox:
    loop = asyncio.get_running_loop()
    _, mailbox = await loop.create_datagram_endpoint(Mailbox, local_addr=(host.address, port))
    return mailbox


async def close(*mailboxes: Mailbox) -> None:
    for mailbox in mailboxes:
        mailbox.transport.close()
        mailbox.transport.close()
    await asyncio.sleep(0)
    assert [mailbox.lost for mailbox in mailboxes] == [[None]] * len(mailboxes)


def test_a_datagram_arrives_whole_after_the_latency_of_both_hosts():
    async def main(network: Network) -> None:
        a, b = network.host(latency=0.04), network.host(latency=0.01)
        near, far = await bind(a, 1_000), await bind(b, 2_000)
        buffer = bytearray(b"one")
        near.transport.sendto(memoryview(buffer), (b.address, 2_000))
        buffer[:] = b"bad"
        near.transport.sendto(b"two", (b.address, 2_000))
        await asyncio.sleep(1)
        assert far.received == [(b"one", (a.address, 1_000)), (b"two", (a.address, 1_000))]
        assert far.times == [0.05, 0.05]
        assert far.transport.get_extra_info("sockname") == (b.address, 2_000)
        await close(near, far)
        near.transport.sendto(b"after closing", (b.address, 2_000))

    simulation.run(main, seed=0)


def test_a_connected_endpoint_hears_its_peer_only_and_learns_of_refusal():
    async def main(network: Network) -> None:
        a, b, stranger = network.host(), network.host(), network.host()
        far, other = await bind(b), await bind(stranger)
        loop = asyncio.get_running_loop()
        with a:
            transport, near = await loop.create_datagram_endpoint(
                Mailbox, remote_addr=(b.name, 6881)
            )
        assert transport.get_extra_info("peername") == (b.address, 6881)
        local = transport.get_extra_info("sockname")
        assert local == (a.address, 49_152)
        transport.sendto(b"hello")
        with pytest.raises(ValueError, match="Invalid address"):
            transport.sendto(b"hello", (stranger.address, 6881))
        other.transport.sendto(b"spoof", local)
        await asyncio.sleep(1)
        assert far.received == [(b"hello", local)]
        assert near.received == []
        await close(far)
        transport.sendto(b"anybody?")
        await asyncio.sleep(1)
        assert [type(error) for error in near.errors] == [ConnectionRefusedError]
        await close(near, other)

    simulation.run(main, seed=0)


def test_errors_a_kernel_would_report():
    async def main(network: Network) -> None:
        host = network.host(ipv6=True)
        mailbox = await bind(host)
        with pytest.raises(OSError) as caught:
            await bind(host)
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(OSError) as caught:
            await asyncio.get_running_loop().create_datagram_endpoint(
                Mailbox, local_addr=("20.99.99.99", 1)
            )
        assert caught.value.errno == errno.EADDRNOTAVAIL
        mailbox.transport.sendto(bytes(65_508), (host.address, 1))
        mailbox.transport.sendto(b"x", (host.address, 0))
        mailbox.transport.sendto(b"x", (host.addresses[1], 1))
        assert [error.errno for error in mailbox.errors if isinstance(error, OSError)] == [
            errno.EMSGSIZE,
            errno.EINVAL,
            errno.EINVAL,
        ]
        with pytest.raises(OverflowError):
            mailbox.transport.sendto(b"x", (host.address, 65_536))
        await close(mailbox)
        await close(await bind(host))  # the port is free again

    simulation.run(main, seed=0)


def test_the_wildcard_sends_from_the_hosts_address_and_loopback_stays_inside():
    async def main(network: Network) -> None:
        a, b = network.host(), network.host()
        with a:
            loop = asyncio.get_running_loop()
            _, everywhere = await loop.create_datagram_endpoint(
                Mailbox, local_addr=("0.0.0.0", 5_000)
            )
            _, inside = await loop.create_datagram_endpoint(
                Mailbox, local_addr=("127.0.0.1", 5_001)
            )
        far = await bind(b)
        everywhere.transport.sendto(b"out", (b.address, 6881))
        everywhere.transport.sendto(b"in", ("127.0.0.1", 5_001))
        far.transport.sendto(b"nobody there", (a.address, 5_001))
        far.transport.sendto(b"back", (a.address, 5_000))
        await asyncio.sleep(1)
        assert far.received == [(b"out", (a.address, 5_000))]
        assert inside.received == [(b"in", ("127.0.0.1", 5_000))]
        assert everywhere.received == [(b"back", (b.address, 6881))]
        await close(everywhere, inside, far)

    simulation.run(main, seed=0)


def test_loss_of_both_hosts_adds_up():
    async def main(network: Network) -> int:
        a, b = network.host(loss=0.2), network.host(loss=0.5)
        near, far = await bind(a), await bind(b)
        for _ in range(2_000):
            near.transport.sendto(b"x", (b.address, 6881))
        await asyncio.sleep(1)
        await close(near, far)
        return len(far.received)

    arrived = simulation.run(main, seed=0)
    assert arrived == pytest.approx(0.8 * 0.5 * 2_000, rel=0.1)
    assert simulation.run(main, seed=0) == arrived
    assert simulation.run(main, seed=1) != arrived


def test_jitter_reorders_and_a_steady_way_does_not():
    async def main(network: Network) -> None:
        a, b, shaky = network.host(), network.host(), network.host(jitter=0.05)
        near, far, wild = await bind(a), await bind(b), await bind(shaky)
        for number in range(100):
            for host in (b, shaky):
                near.transport.sendto(bytes([number]), (host.address, 6881))
        await asyncio.sleep(1)
        assert [data[0] for data, _ in far.received] == list(range(100))
        assert [data[0] for data, _ in wild.received] != list(range(100))
        assert sorted(data[0] for data, _ in wild.received) == list(range(100))
        assert 0.02 <= min(wild.times) < max(wild.times) <= 0.07
        await close(near, far, wild)

    simulation.run(main, seed=0)


def test_a_slow_line_spaces_datagrams_and_drops_what_does_not_fit_its_queue():
    async def main(network: Network) -> None:
        a, b = network.host(up=10_000), network.host()
        near, far = await bind(a), await bind(b)
        for _ in range(100):
            near.transport.sendto(bytes(1_000), (b.address, 6881))
        await asyncio.sleep(20)
        assert far.times[:3] == pytest.approx([0.12, 0.22, 0.32])
        assert len(far.times) == 6  # half a second of queue, and the one on the line
        await close(near, far)

    simulation.run(main, seed=0)


def test_a_frozen_host_gets_its_datagrams_later_and_sends_none():
    async def main(network: Network) -> None:
        a, b = network.host(), network.host()
        near, far = await bind(a), await bind(b)
        b.freeze()
        near.transport.sendto(b"1", (b.address, 6881))
        near.transport.sendto(b"2", (b.address, 6881))
        far.transport.sendto(b"never", (a.address, 6881))
        await asyncio.sleep(60)
        assert far.received == []
        b.restore()
        await asyncio.sleep(1)
        assert [data for data, _ in far.received] == [b"1", b"2"]
        assert near.received == []
        await close(near, far)

    simulation.run(main, seed=0)
