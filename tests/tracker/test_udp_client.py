import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

import simulation
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash, PeerId
from simulation import Host, Network
from tracker import udp_message
from tracker.announce import AnnounceRequest, Event, SwarmCounts
from tracker.errors import TrackerError, TrackerFailure
from tracker.swarm import Swarms
from tracker.udp_client import UdpTracker, UdpTrackers
from tracker.udp_exchange import UdpLimits
from tracker.udp_server import UdpTrackerServer, start_udp_tracker

HASH = InfoHash(bytes(range(20)))
REQUEST = AnnounceRequest(HASH, PeerId(b"-ES0100-abcdefghijkl"), 6881, left=5, key=0x01020304)
URL = "udp://tracker:6969/announce"
TRIP = 0.1
"""Seconds there and back."""

Scene = Callable[[Network, Host, UdpTrackers], Awaitable[None]]


def play(scene: Scene, *, limits: UdpLimits | None = None, ipv6: bool = False) -> None:
    """On a host that has UDP trackers for clients."""

    async def main(network: Network) -> None:
        host = network.host("us", latency=TRIP / 4, ipv6=ipv6)
        trackers = UdpTrackers(rng=random.Random(1), limits=limits)
        await host.run(scene(network, host, trackers))
        await trackers.close()

    simulation.run(main, seed=1)


async def site_on(network: Network, *, ipv6: bool = False) -> UdpTrackerServer:
    """Our tracker on the host `tracker`; of its addresses, the last is listened on."""
    host = network.host("tracker", latency=TRIP / 4, ipv6=ipv6)
    return await start_udp_tracker(
        host=host.addresses[-1],
        port=6969,
        rng=random.Random(2),
        swarms=Swarms(rng=random.Random(3)),
    )


async def refusal(tracker: UdpTracker) -> str:
    with pytest.raises(TrackerError) as raised:
        await tracker.announce(REQUEST)
    return str(raised.value)


def test_announce_and_scrape_in_the_simulation() -> None:
    async def scene(network: Network, host: Host, trackers: UdpTrackers) -> None:
        site = await site_on(network)
        tracker = trackers.tracker(URL, trusted=False)
        first = await tracker.announce(REQUEST._replace(event=Event.STARTED))
        assert first.peers == ()
        assert 1800 <= first.interval <= 1980
        second = await tracker.announce(REQUEST._replace(port=6882, left=0))
        assert second.peers == (Endpoint(host.address, 6881),)
        assert (second.complete, second.incomplete) == (1, 1)
        assert await tracker.scrape([InfoHash(bytes(20)), HASH]) == {
            InfoHash(bytes(20)): SwarmCounts(0, 0, 0),
            HASH: SwarmCounts(complete=1, incomplete=1, downloaded=0),
        }
        await tracker.announce(REQUEST._replace(event=Event.STOPPED))
        assert site.responder.swarms.peers == 1
        assert site.responder.answered["connects"] == 1
        await site.close()

    play(scene)


def test_the_first_announce_takes_two_round_trips() -> None:
    async def scene(network: Network, host: Host, trackers: UdpTrackers) -> None:
        site = await site_on(network)
        tracker = trackers.tracker(f"udp://{site.endpoint}/announce", trusted=False)
        now = asyncio.get_running_loop().time
        for trips in (2, 1):
            begun = now()
            await tracker.announce(REQUEST)
            assert now() - begun == pytest.approx(trips * TRIP)
        await site.close()

    play(scene)


async def test_announce_on_loopback() -> None:
    swarms = Swarms(rng=random.Random(1))
    trackers = UdpTrackers(rng=random.Random(2))
    for host in ("127.0.0.1", "::1"):
        site = await start_udp_tracker(host=host, port=0, rng=random.Random(3), swarms=swarms)
        tracker = trackers.tracker(site.announce_url, trusted=False)
        await tracker.announce(REQUEST)
        other = await tracker.announce(REQUEST._replace(peer_id=PeerId(b"o" * 20), port=6882))
        assert other.peers == (Endpoint(host, 6881),)
        await site.close()
    await trackers.close()
    assert not trackers.rejected


@pytest.mark.parametrize(
    ("url", "url_data"),
    [
        ("udp://{}", b""),
        ("udp://{}/", b""),
        ("udp://{}/announce", b"/announce"),
        ("udp://{}/dir?a=b&c=d#here", b"/dir?a=b&c=d"),
        ("UDP://user:pass@{}/a%2fb?key=%41", b"/a%2fb?key=%41"),
        ("udp://{}/" + "x" * 300, b"/" + b"x" * 300),
    ],
)
async def test_bep_41_the_path_goes_along(
    monkeypatch: pytest.MonkeyPatch, url: str, url_data: bytes
) -> None:
    swarms = Swarms(rng=random.Random(1))
    site = await start_udp_tracker(host="127.0.0.1", port=0, rng=random.Random(3), swarms=swarms)
    packets: list[bytes] = []
    respond = site.responder.respond

    def note(data: bytes, ip: bytes, now: float) -> bytes | None:
        packets.append(data)
        return respond(data, ip, now)

    monkeypatch.setattr(site.responder, "respond", note)
    trackers = UdpTrackers(rng=random.Random(2))
    await trackers.tracker(url.format(site.endpoint), trusted=True).announce(REQUEST)
    assert udp_message.parse_url_data(packets[1]) == url_data
    assert packets[1][88:92] == b"\1\2\3\4"  # the key
    await trackers.close()
    await site.close()


@pytest.mark.parametrize(
    "url",
    ["udp://tracker", "udp://tracker/announce", "udp://:6969", "udp://tracker:0", "http://a:1/",
     "udp://tracker:99999", "udp://[::1:80/", "udp://tra cker:1/"],
)  # fmt: skip
def test_a_url_that_is_none_is_an_error_of_the_announce(url: str) -> None:
    async def scene(network: Network, host: Host, trackers: UdpTrackers) -> None:
        tracker = trackers.tracker(url, trusted=True)
        assert await refusal(tracker) == "not a udp URL with a host and a port"

    play(scene)


PATHS = ("/announce", "", "/announce?x=1", "/x")


@pytest.mark.parametrize(
    ("host", "of_strangers", "of_the_user"),
    [
        ("127.0.0.1", ("/announce",), PATHS),
        ("[::1]", ("/announce",), PATHS),
        ("localhost", ("/announce",), PATHS),
        ("192.168.1.1", (), PATHS),
        ("10.0.0.1", (), PATHS),
        ("100.64.0.1", (), PATHS),
        ("[fd00::1]", (), PATHS),
        ("[::ffff:192.168.1.1]", (), PATHS),
        ("169.254.169.254", (), ()),
        ("[fe80::1]", (), ()),
        ("[64:ff9b::7f00:1]", ("/announce",), PATHS),
        ("224.0.0.1", (), ()),
        ("0.0.0.0", (), ()),
        ("metadata.internal", (), ()),
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_c1_addresses_of_our_own_network(
    host: str, path: str, of_strangers: tuple[str, ...], of_the_user: tuple[str, ...]
) -> None:
    async def scene(network: Network, _: Host, trackers: UdpTrackers) -> None:
        network.names.add("metadata.internal", "169.254.169.254")
        for trusted, paths in ((False, of_strangers), (True, of_the_user)):
            sentence = await refusal(trackers.tracker(f"udp://{host}:6969{path}", trusted=trusted))
            refused = sentence == "refused to connect to an address of a local network"
            assert refused == (path not in paths), (trusted, sentence)

    play(scene, limits=UdpLimits(first_wait=0.1, tries=1), ipv6=True)


def test_c1_the_address_that_was_judged_is_the_one_asked() -> None:
    async def scene(network: Network, _: Host, trackers: UdpTrackers) -> None:
        site = await start_udp_tracker(
            host="127.0.0.1", port=6969, rng=random.Random(2), swarms=Swarms(rng=random.Random(3))
        )
        network.names.add("rebinding", "9.9.9.9")
        asked = asyncio.gather(
            trackers.tracker("udp://rebinding:6969/", trusted=False).announce(REQUEST),
            return_exceptions=True,
        )
        await asyncio.sleep(5)
        network.names.add("rebinding", "127.0.0.1")
        (error,) = await asked
        assert str(error) == "timed out"
        assert not site.responder.answered
        await site.close()

    play(scene)


def test_c2_well_known_ports_are_not_for_strangers() -> None:
    async def scene(network: Network, _: Host, trackers: UdpTrackers) -> None:
        for port in (53, 123):
            tracker = trackers.tracker(f"udp://9.9.9.9:{port}/announce", trusted=False)
            assert await refusal(tracker) == (
                f"refused to connect to port {port}, which is no tracker's"
            )
        allowed = trackers.tracker("udp://9.9.9.9:80/announce", trusted=False)
        assert await refusal(allowed) == "timed out"

    play(scene)


def test_a_name_that_is_none() -> None:
    async def scene(network: Network, _: Host, trackers: UdpTrackers) -> None:
        assert await refusal(trackers.tracker("udp://nobody:1234", trusted=True)) == "no such host"

    play(scene)


def test_a_name_has_its_own_time_limit() -> None:
    async def scene(network: Network, _: Host, trackers: UdpTrackers) -> None:
        network.names.latency = 3600.0
        loop = asyncio.get_running_loop()
        begun = loop.time()
        assert await refusal(trackers.tracker(URL, trusted=True)) == (
            "the name server does not answer"
        )
        assert loop.time() - begun == pytest.approx(10)

    play(scene)


def test_c8_a_silent_tracker_fails_after_225_seconds_or_when_told() -> None:
    async def scene(network: Network, _: Host, trackers: UdpTrackers) -> None:
        network.host("tracker")
        tracker = trackers.tracker(URL, trusted=True)
        loop = asyncio.get_running_loop()
        for timeout, expected in ((None, 225.0), (5.0, 5.0)):
            begun = loop.time()
            with pytest.raises(TrackerError, match=r"^timed out$"):
                await tracker.announce(REQUEST, timeout=timeout)
            assert loop.time() - begun == pytest.approx(expected, abs=0.1)

    play(scene)


def test_a_refusal_is_shown() -> None:
    async def scene(network: Network, _: Host, trackers: UdpTrackers) -> None:
        site = await site_on(network)
        tracker = trackers.tracker(URL, trusted=True)
        with pytest.raises(TrackerFailure, match="port must be from 1 to 65535"):
            await tracker.announce(REQUEST._replace(port=0))
        await site.close()

    play(scene)


def test_bep_7_a_tracker_of_both_families_hears_of_us_over_both_with_one_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(network: Network, host: Host, trackers: UdpTrackers) -> None:
        machine = network.host("tracker", latency=TRIP / 4, ipv6=True)
        swarms = Swarms(rng=random.Random(3))
        sites = [
            await start_udp_tracker(host=address, port=6969, rng=random.Random(2), swarms=swarms)
            for address in machine.addresses
        ]
        keys: list[bytes] = []
        for site in sites:
            note_keys(monkeypatch, site, keys)
        tracker = trackers.tracker(URL, trusted=False)
        await tracker.announce(REQUEST)
        assert swarms.peers == 2
        assert keys == [b"\1\2\3\4"] * 2
        seen = await tracker.announce(REQUEST._replace(peer_id=PeerId(b"o" * 20), port=6882))
        assert sorted(seen.peers) == [Endpoint(address, 6881) for address in host.addresses]
        assert await tracker.scrape([HASH]) == {HASH: SwarmCounts(0, 4, 0)}
        for site in sites:
            await site.close()

    play(scene, ipv6=True)


def note_keys(monkeypatch: pytest.MonkeyPatch, site: UdpTrackerServer, keys: list[bytes]) -> None:
    respond = site.responder.respond

    def note(data: bytes, ip: bytes, now: float) -> bytes | None:
        if data[8:12] == b"\0\0\0\1":
            keys.append(data[88:92])
        return respond(data, ip, now)

    monkeypatch.setattr(site.responder, "respond", note)


@pytest.mark.parametrize("dead", ["IPv4", "IPv6"])
def test_bep_7_one_family_that_is_dead_costs_a_second(dead: str) -> None:
    async def scene(network: Network, _: Host, trackers: UdpTrackers) -> None:
        site = await site_on(network, ipv6=True)  # listens on IPv6 only
        if dead == "IPv6":
            await site.close()
            address = network.hosts["tracker"].addresses[0]
            site = await start_udp_tracker(
                host=address, port=6969, rng=random.Random(2), swarms=site.responder.swarms
            )
        loop = asyncio.get_running_loop()
        begun = loop.time()
        response = await trackers.tracker(URL, trusted=False).announce(REQUEST)
        assert response.incomplete == 1
        assert 1.0 < loop.time() - begun < 1.5
        await site.close()

    play(scene, ipv6=True)


def test_only_the_family_of_a_bound_address_is_used() -> None:
    async def main(network: Network) -> None:
        host = network.host("us", ipv6=True)
        trackers = UdpTrackers(rng=random.Random(1), local_address=host.addresses[0])
        network.names.add("six", "2600::1")
        tracker = trackers.tracker("udp://six:6969/announce", trusted=True)
        assert await host.run(refusal(tracker)) == "no route to the tracker"
        site = await site_on(network)
        assert (await host.run(trackers.tracker(URL, trusted=True).announce(REQUEST))).incomplete
        await site.close()
        await trackers.close()

    simulation.run(main, seed=1)
