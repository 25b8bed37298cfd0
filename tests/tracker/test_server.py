import asyncio
import random
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import libtorrent
import pytest
import uvloop

from formats.endpoint import Endpoint
from formats.errors import ConfigError
from formats.identifiers import InfoHash, PeerId
from tracker.announce import AnnounceRequest, Event
from tracker.connections import HttpLimits
from tracker.errors import TrackerError
from tracker.http_client import HttpTrackers
from tracker.server import TrackerServer, start_tracker

HASH = "h" * 20


def announce(number: int, connection: str = "keep-alive") -> bytes:
    target = f"/announce?info_hash={HASH}&peer_id={number:020}&port={number}&left=1"
    return f"GET {target} HTTP/1.1\r\nHost: t\r\nConnection: {connection}\r\n\r\n".encode()


@pytest.fixture
async def site() -> AsyncIterator[TrackerServer]:
    server = await start_tracker(host="127.0.0.1", port=0, rng=random.Random(1))
    yield server
    await server.close()


async def read_reply(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    return await reader.readexactly(length)


async def test_keep_alive_then_close(site: TrackerServer) -> None:
    reader, writer = await asyncio.open_connection(*site.endpoint)
    for number in range(1, 4):
        writer.write(announce(number))
        body = await read_reply(reader)
        assert b"5:peers%d:" % (6 * (number - 1)) in body
    writer.write(announce(4, "close"))
    await read_reply(reader)
    assert await reader.read() == b""
    writer.close()
    assert site.swarms.peers == 4
    assert site.responder.stats()["announces"] == 4


async def test_it_listens_on_ipv6_and_meets_ipv4_clients() -> None:
    site = await start_tracker(host="::1", port=0, rng=random.Random(1))
    assert site.announce_url == f"http://[::1]:{site.endpoint.port}/announce"
    reader, writer = await asyncio.open_connection(*site.endpoint)
    writer.write(announce(1) + announce(2))
    assert b"external ip16:" + bytes(15) + b"\1" in await read_reply(reader)
    assert b"6:peers618:" + bytes(15) + b"\1\0\1e" in await read_reply(reader)
    writer.close()
    await site.close()


async def test_a_port_in_use_is_a_clear_sentence(site: TrackerServer) -> None:
    with pytest.raises(ConfigError) as refusal:
        await start_tracker(host="127.0.0.1", port=site.endpoint.port, rng=random.Random(1))
    assert str(refusal.value) == (
        f"cannot listen on 127.0.0.1 port {site.endpoint.port}: the port is in use; "
        "choose another, or stop what uses it"
    )


@pytest.mark.parametrize("host", ["192.0.2.77", "no-such-host.invalid"])
async def test_an_address_that_cannot_be_had(host: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot listen on {host} port 0: "):
        await start_tracker(host=host, port=0, rng=random.Random(1))


async def test_a_trusted_proxy_must_be_numeric() -> None:
    with pytest.raises(ConfigError, match="numeric address"):
        await start_tracker(
            host="127.0.0.1", port=0, rng=random.Random(1), trusted_proxies=["proxy.example"]
        )


async def test_k2_the_tick_cuts_the_slow_and_close_leaves_nothing() -> None:
    limits = HttpLimits(read_timeout=0.0)
    site = await start_tracker(host="127.0.0.1", port=0, rng=random.Random(1), http_limits=limits)
    reader, writer = await asyncio.open_connection(*site.endpoint)
    while not len(site.connections):
        await asyncio.sleep(0)
    site._tick()
    assert await reader.read() == b""
    writer.close()
    assert site.rejected["timeouts"] == 1
    site._timer.cancel()
    assert len(site.connections) == 0
    await site.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*site.endpoint)


def test_it_runs_on_uvloop() -> None:
    async def scenario() -> bytes:
        site = await start_tracker(host="127.0.0.1", port=0, rng=random.Random(1))
        reader, writer = await asyncio.open_connection(*site.endpoint)
        writer.write(announce(1, "close"))
        body = await read_reply(reader)
        writer.close()
        await site.close()
        return body

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert b"10:incompletei1e" in runner.run(scenario())


async def libtorrent_alert(session: libtorrent.session, kind: type) -> list[Any]:
    """The first alerts of a kind; the session works in threads of its own."""
    for _ in range(500):
        found = [alert for alert in session.pop_alerts() if isinstance(alert, kind)]
        if found:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"no {kind.__name__}")


async def test_libtorrent_announces_to_us_and_gets_peers(
    site: TrackerServer, tmp_path: Path
) -> None:
    trackers = HttpTrackers()
    tracker = trackers.tracker(site.announce_url, trusted=True)
    info_hash = InfoHash(bytes(range(1, 21)))
    us = AnnounceRequest(info_hash, PeerId(b"-ES0100-abcdefghijkl"), 51413, left=0)
    await tracker.announce(us._replace(event=Event.STARTED))

    session = libtorrent.session(
        {
            "ssrf_mitigation": False, "allow_multiple_connections_per_ip": True, "enable_dht": False,
            "enable_lsd": False, "enable_outgoing_utp": False, "enable_incoming_utp": False, "enable_upnp": False, "enable_natpmp": False,
            "listen_interfaces": "127.0.0.1:0",
            "alert_mask": libtorrent.alert.category_t.all_categories,
        }
    )  # fmt: skip
    parameters = libtorrent.parse_magnet_uri(f"magnet:?xt=urn:btih:{info_hash.hex()}")
    parameters.save_path = str(tmp_path)
    parameters.trackers = [site.announce_url]
    handle = session.add_torrent(parameters)
    (reply, *_) = await libtorrent_alert(session, libtorrent.tracker_reply_alert)
    assert reply.num_peers == 1
    port = session.listen_port()
    swarm = site.swarms.scrape([info_hash])[info_hash]
    assert (swarm.complete, swarm.incomplete) == (1, 1)
    seen = await tracker.announce(us)
    assert seen.peers == (Endpoint("127.0.0.1", port),)

    handle.scrape_tracker()
    (scrape, *_) = await libtorrent_alert(session, libtorrent.scrape_reply_alert)
    assert (scrape.complete, scrape.incomplete) == (1, 1)
    session.remove_torrent(handle)
    while site.swarms.peers > 1:  # it says goodbye
        await asyncio.sleep(0.01)
    await trackers.close()


@pytest.mark.interop
async def test_our_client_and_opentracker(tmp_path: Path) -> None:
    program = shutil.which("opentracker")
    if program is None:
        pytest.skip("opentracker is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    request = AnnounceRequest(InfoHash(b"\x80" * 20), PeerId(b"-ES0100-abcdefghijkl"), 1001, left=5)
    (tmp_path / "allowed").write_text(request.info_hash.hex() + "\n")
    tmp_path.chmod(0o755)  # started by root, it drops its rights first
    process = subprocess.Popen(
        [program, "-i", "127.0.0.1", "-p", str(port), "-d", str(tmp_path), "-w", "allowed"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    trackers = HttpTrackers()
    tracker = trackers.tracker(f"http://127.0.0.1:{port}/announce", trusted=True)
    try:
        for attempt in range(100):
            try:
                await tracker.announce(request._replace(event=Event.STARTED))
                break
            except TrackerError:
                assert attempt < 99
                await asyncio.sleep(0.02)
        second = request._replace(peer_id=PeerId(b"-ES0100-bbbbbbbbbbbb"), port=1002, left=0)
        response = await tracker.announce(second)
        assert Endpoint("127.0.0.1", 1001) in response.peers
        assert response.interval > 0
        counts = await tracker.scrape([request.info_hash])
        assert counts[request.info_hash][:2] == (1, 1)
    finally:
        process.kill()
        process.wait()
        await trackers.close()
