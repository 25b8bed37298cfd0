import asyncio
import random
import socket

import pytest
import uvloop

from formats.endpoint import Endpoint
from formats.errors import ConfigError
from formats.identifiers import InfoHash, PeerId
from tracker.announce import AnnounceRequest
from tracker.http_client import HttpTrackers
from tracker.server import start_tracker
from tracker.swarm import Swarms
from tracker.udp_client import UdpTrackers
from tracker.udp_server import UdpTrackerServer, start_udp_tracker

REQUEST = AnnounceRequest(InfoHash(bytes(range(20))), PeerId(b"-ES0100-abcdefghijkl"), 6881, left=5)


async def started(host: str = "127.0.0.1", port: int = 0) -> UdpTrackerServer:
    swarms = Swarms(rng=random.Random(1))
    return await start_udp_tracker(host=host, port=port, rng=random.Random(2), swarms=swarms)


async def test_http_and_udp_clients_meet() -> None:
    site = await start_tracker(host="127.0.0.1", port=0, rng=random.Random(1))
    udp_site = await start_udp_tracker(
        host="127.0.0.1", port=0, rng=random.Random(2), swarms=site.swarms
    )
    by_http, by_udp = HttpTrackers(), UdpTrackers(rng=random.Random(3))
    await by_http.tracker(site.announce_url, trusted=True).announce(REQUEST)
    other = REQUEST._replace(peer_id=PeerId(b"o" * 20), port=6882)
    seen = await by_udp.tracker(udp_site.announce_url, trusted=True).announce(other)
    assert seen.peers == (Endpoint("127.0.0.1", 6881),)
    again = await by_http.tracker(site.announce_url, trusted=True).announce(REQUEST)
    assert again.peers == (Endpoint("127.0.0.1", 6882),)
    await by_http.close()
    await by_udp.close()
    await udp_site.close()
    await site.close()


def test_it_runs_on_uvloop() -> None:
    async def main() -> None:
        site = await started()
        clients = UdpTrackers(rng=random.Random(3))
        response = await clients.tracker(site.announce_url, trusted=True).announce(REQUEST)
        assert response.incomplete == 1
        await clients.close()
        await site.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def test_k12_ipv4_clients_of_an_ipv6_socket_are_ipv4() -> None:
    try:
        site = await started("::")
    except ConfigError:
        pytest.skip("this machine has no IPv6")
    clients = UdpTrackers(rng=random.Random(3))
    url = f"udp://127.0.0.1:{site.endpoint.port}/announce"
    await clients.tracker(url, trusted=True).announce(REQUEST)
    other = REQUEST._replace(peer_id=PeerId(b"o" * 20), port=6882)
    seen = await clients.tracker(url, trusted=True).announce(other)
    assert seen.peers == (Endpoint("127.0.0.1", 6881),)
    await clients.close()
    await site.close()


async def test_a_reply_that_cannot_be_sent_is_counted() -> None:
    site = await started()
    connect = bytes.fromhex("00000417 27101980 00000000 00000007")
    site._received(connect, ("127.0.0.1", 0))  # a forged source
    assert site.unsent == 1
    assert site.responder.answered["connects"] == 1
    await site.close()


async def test_a_link_local_source_names_its_interface() -> None:
    try:
        site = await started("::1")
    except ConfigError:
        pytest.skip("this machine has no IPv6")
    connect = bytes.fromhex("00000417 27101980 00000000 00000007")
    site._received(connect, ("fe80::1%eth0", 6881, 0, 9_999))
    assert site.responder.answered["connects"] == 1
    await site.close()


async def test_close_frees_the_port() -> None:
    site = await started()
    port = site.endpoint.port
    with pytest.raises(ConfigError) as refusal:
        await started(port=port)
    assert str(refusal.value) == (
        f"cannot listen on UDP 127.0.0.1 port {port}: the port is in use; "
        "choose another, or stop what uses it"
    )
    await site.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", port))


async def test_its_url() -> None:
    site = await started()
    assert site.announce_url == f"udp://127.0.0.1:{site.endpoint.port}/announce"
    await site.close()
    with pytest.raises(ConfigError, match=r"^cannot listen on UDP 192\.0\.2\.77 port 0: "):
        await started("192.0.2.77")
