"""The node as a whole: what it opens, what torrents share, and how it ends."""

import asyncio
import errno
import socket
from pathlib import Path
from typing import Any

import pytest

import node.node as module
from formats.endpoint import Endpoint
from formats.errors import ConfigError
from node.config import NodeConfig
from node.node import Node
from node.torrent.options import TorrentOptions
from node.torrent.status import State
from simulation.network import Network
from tests.node.torrent.swarm import (
    NAME,
    PIECE,
    NotingTracker,
    Stranger,
    Us,
    dial,
    disk_of,
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
SOME_PORTS = range(21_881, 21_884)


# Listening


def test_it_listens_where_it_is_told() -> None:
    async def main(net: Network) -> None:
        host = net.host("us")
        with host:
            async with node_on(host, listen=(host.address, 0)) as node:
                assert node.listen_endpoint.host == host.address
                assert node.listen_endpoint.port == node.context.listen_port > 0

    play(main)


def test_by_itself_it_takes_the_first_free_of_the_default_ports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (module.DEFAULT_PORTS[0], module.DEFAULT_PORTS[-1]) == (6881, 6999)
    monkeypatch.setattr(module, "DEFAULT_PORTS", SOME_PORTS)

    async def main(net: Network) -> None:
        host = net.host("us", ipv6=True)
        with host:
            nodes = [node_on(host, listen=None) for _ in SOME_PORTS]
            for expected, node in zip(SOME_PORTS, nodes):
                await node.__aenter__()
                assert node.context.listen_port == expected
                for address in host.addresses:
                    transport, _ = await loop().create_connection(
                        asyncio.Protocol, address, expected
                    )
                    transport.close()
            with pytest.raises(ConfigError) as told:
                await node_on(host, listen=None).__aenter__()
            assert str(told.value) == (
                "every port from 21881 to 21883 is in use; name a free one with --listen"
            )
            for node in nodes:
                await node.__aexit__(None, None, None)

    play(main)


def test_a_port_in_use_is_one_sentence_that_says_what_to_do() -> None:
    async def main(net: Network) -> None:
        host = net.host("us")
        with host:
            async with node_on(host, listen=(host.address, 7000)):
                with pytest.raises(ConfigError) as told:
                    await node_on(host, listen=(host.address, 7000)).__aenter__()
                assert str(told.value) == (
                    f"cannot listen on {host.address}:7000: the port is in use;"
                    " choose another with --listen"
                )

    play(main)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EACCES, "cannot listen on [::1]:80: ports below 1024 need more rights; choose"),
        (errno.EADDRNOTAVAIL, "cannot listen on [::1]:80: this machine has no such address"),
        (errno.ENOBUFS, "cannot listen on [::1]:80: No buffer space available"),
    ],
)
async def test_other_reasons_not_to_listen(
    monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    async def refuse(*_: Any) -> None:
        raise OSError(number, "No buffer space available")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_server", refuse)
    with pytest.raises(ConfigError) as told:
        await Node(NodeConfig(listen=("::1", 80), use_dht=False)).__aenter__()
    assert str(told.value).startswith(sentence)


async def test_a_machine_without_ipv6_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel has no IPv6, asyncio makes a server that listens nowhere."""
    monkeypatch.setattr(module, "DEFAULT_PORTS", range(1))  # port 0: any
    real = socket.socket

    def no_ipv6(family: int = -1, *arguments: Any, **options: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(family, *arguments, **options)

    monkeypatch.setattr(socket, "socket", no_ipv6)
    async with Node(NodeConfig(use_trackers=False, use_dht=False)) as node:
        assert node.listen_endpoint.host == "0.0.0.0"
        assert node.context.listen_port == node.listen_endpoint.port > 0


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, None])
async def test_an_ipv6_address_that_cannot_be_had_is_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    """uvloop and later versions of asyncio say so, each in its own way."""
    monkeypatch.setattr(module, "DEFAULT_PORTS", range(1))  # port 0: any
    running = asyncio.get_running_loop()
    real = running.create_server

    async def create_server(factory: Any, host: str, port: int) -> Any:
        if host == "::":
            raise OSError(number, "no") if number else OSError("could not bind on any address")
        return await real(factory, host, port)

    monkeypatch.setattr(running, "create_server", create_server)
    async with Node(NodeConfig(use_trackers=False, use_dht=False)) as node:
        assert node.listen_endpoint.host == "0.0.0.0"


def test_one_that_accepts_nobody_listens_nowhere() -> None:
    async def main(net: Network) -> None:
        seed = await seed_on(net, METAINFO, DATA)
        tracker = await NotingTracker(net.host("tracker"), peers=(seed.endpoint,)).start()
        metainfo, _ = made(8, trackers=(tracker.url,))
        async with sharing(net, metainfo, accept_incoming=False, listen=None) as us:
            await us.torrent.wait_complete()
            await until(lambda: len(tracker.asked) == 2)
            with pytest.raises(ConnectionRefusedError):
                await dial(net, us, Stranger(metainfo))
            assert tracker.asked[0]["port"] == b"0"
        assert us.disk.files[NAME] == DATA
        seed.close()
        tracker.close()

    play(main)


# Torrents


def test_adding_a_torrent_again_answers_the_same_one() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            assert await us.node.add(METAINFO, Path("/elsewhere")) is us.torrent
            assert list(us.node.torrents.values()) == [us.torrent]

    play(main)


def test_a_torrent_removed_can_be_added_again() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            await us.node.remove(us.torrent)
            assert us.node.torrents == {}
            again = await us.node.add(METAINFO, Path("/d"))
            assert again is not us.torrent
            await until(lambda: again.state is State.DOWNLOADING)
            stranger = await dial(net, Us(us.node, again, us.disk, us.host), Stranger(METAINFO))
            assert stranger.frames[1] == ("BITFIELD", b"\xf0")

    play(main)


def test_the_state_outlives_the_node(tmp_path: Path) -> None:
    """A second start trusts the record: it hashes nothing."""

    async def main(net: Network) -> None:
        seed = await seed_on(net, METAINFO, DATA)
        disk = disk_of(net.host("us"))
        async with sharing(net, METAINFO, disk=disk, peers=(seed.endpoint,), state=tmp_path) as us:
            await us.torrent.wait_complete()
        disk.errors["read"] = errno.EIO
        async with sharing(net, METAINFO, disk=disk, state=tmp_path) as us:
            assert us.torrent.is_complete
            assert us.torrent.status().received == 0
        seed.close()

    play(main)


def test_torrents_share_the_limits() -> None:
    other, content = made(4)

    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, max_connections=1) as us:
            us.disk.remove(NAME)
            us.disk.open(NAME, write=True).write(memoryview(content), 0)
            second = await us.node.add(other, Path("/d"))
            await second.wait_complete()
            assert second.upload_limits[0] is us.torrent.upload_limits[0]
            assert second.download_limits[0] is us.torrent.download_limits[0]
            one = await dial(net, us, Stranger(METAINFO), name="one")
            two = await dial(net, us, Stranger(other), name="two")
            assert (one.closed, two.closed) == (False, True)

    play(main)


# The end


class Trouble(Exception):
    """Something of the caller's own."""


def test_an_exception_of_the_body_arrives_as_it_is_after_a_polite_stop() -> None:
    async def main(net: Network) -> None:
        tracker = await NotingTracker(net.host("tracker")).start()
        metainfo, data = made(8, trackers=(tracker.url,))
        stranger: Stranger | None = None
        with pytest.raises(Trouble) as raised:
            async with sharing(net, metainfo, data) as us:
                stranger = await dial(net, us, Stranger(metainfo))
                await until(lambda: tracker.asked)
                raise Trouble
        assert type(raised.value) is Trouble
        assert [asked.get("event") for asked in tracker.asked] == [b"started", b"stopped"]
        await asyncio.sleep(1)
        assert stranger is not None
        assert stranger.closed
        tracker.close()

    play(main)


def test_a_cancelled_body_ends_politely_too() -> None:
    async def main(net: Network) -> None:
        tracker = await NotingTracker(net.host("tracker")).start()
        metainfo, data = made(8, trackers=(tracker.url,))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                async with sharing(net, metainfo, data) as us:
                    stranger = await dial(net, us, Stranger(metainfo))
                    await asyncio.sleep(1000)
        assert 10 <= loop().time() < 12
        assert [asked.get("event") for asked in tracker.asked] == [b"started", b"stopped"]
        await asyncio.sleep(1)
        assert stranger.closed
        tracker.close()

    play(main)


def test_a_bug_in_a_torrent_ends_the_body_and_is_seen() -> None:
    async def main(net: Network) -> None:
        with pytest.raises(ExceptionGroup) as raised:
            async with sharing(net, METAINFO, HALF) as us:

                def broken(now: float) -> None:
                    raise ZeroDivisionError

                us.torrent.tick = broken  # type: ignore[method-assign]
                await asyncio.sleep(1000)
        assert raised.value.subgroup(ZeroDivisionError)
        assert loop().time() < 20

    play(main)


def test_f13_many_silent_trackers_cost_five_seconds_in_all() -> None:
    async def main(net: Network) -> None:
        trackers = [await NotingTracker(net.host(f"tracker{i}")).start() for i in range(3)]
        metainfo, data = made(8, trackers=(trackers[0].url,))
        other, _ = made(4, trackers=(trackers[1].url,))
        async with sharing(net, metainfo, data) as us:
            await us.node.add(other, Path("/d"), options=TorrentOptions(overwrite=True))
            await until(lambda: trackers[0].asked)
            for tracker in trackers:
                tracker.silent = True
            start = loop().time()
        assert loop().time() - start <= 5.0 + 0.5  # F13
        for tracker in trackers:
            tracker.close()

    play(main)


def test_the_listening_address_is_told() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            assert us.node.listen_endpoint == us.endpoint == Endpoint(us.host.address, 6881)

    play(main)
