"""Announces over UDP: each client and ours at our tracker, and ours at opentracker (BEP 15)."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import libtorrent
import pytest

from formats.endpoint import Endpoint
from formats.identifiers import InfoHash, PeerId
from tests.interop.clients.client import Client
from tests.interop.clients.everswarm import Everswarm
from tests.interop.clients.libtorrent import Libtorrent
from tests.interop.clients.qbittorrent import Qbittorrent
from tests.interop.clients.tracker import EverswarmTracker, Opentracker, Tracker
from tests.interop.clients.transmission import Transmission
from tests.interop.host import LOOPBACK
from tests.interop.payload import PIECE_LENGTH, assert_same
from tests.interop.stage import Stage
from tests.interop.torrents import info_hash, make_with_everswarm
from tracker.announce import AnnounceRequest, Event
from tracker.swarm import Swarms
from tracker.udp_client import UdpTrackers
from tracker.udp_exchange import UdpLimits
from tracker.udp_message import parse_url_data
from tracker.udp_server import UdpTrackerServer, start_udp_tracker

pytestmark = pytest.mark.interop

PATIENCE = 60.0
"""Seconds for a download of a few megabytes."""

HASH = InfoHash(bytes(range(1, 21)))
REQUEST = AnnounceRequest(HASH, PeerId(b"-ES0100-abcdefghijkl"), 51413, left=0, event=Event.STARTED)

CASES = [
    *((client, EverswarmTracker) for client in (Everswarm, Libtorrent, Transmission, Qbittorrent)),
    *((client, Opentracker) for client in (Everswarm, Libtorrent)),
]


@pytest.mark.parametrize(
    ("client", "tracker"),
    [
        pytest.param(client, tracker, id=f"{client.__name__}-{tracker.__name__}")
        for client, tracker in CASES
    ],
)
class TestBothWays:
    """One seeds, the other hears of it by UDP alone and downloads."""

    def test_we_seed(
        self,
        stage: Stage,
        tmp_path: Path,
        folder: Path,
        client: type[Client],
        tracker: type[Tracker],
    ) -> None:
        ours, theirs, tracked = _cast(stage, client, tracker)
        torrent = make_with_everswarm(folder, tmp_path / "x.torrent", tracked.udp_url)
        tracked.serve(info_hash(torrent))
        ours.publish(folder, "--tracker", tracked.udp_url, "--piece-length", str(PIECE_LENGTH))
        tracked.wait_for_seed(info_hash(torrent))

        theirs.download(torrent)

        theirs.wait_complete(patience=PATIENCE)
        copy = theirs.downloads / folder.name
        assert_same(copy, folder, empty_files=client.creates_empty_files)

    def test_we_download(
        self,
        stage: Stage,
        tmp_path: Path,
        folder: Path,
        client: type[Client],
        tracker: type[Tracker],
    ) -> None:
        ours, theirs, tracked = _cast(stage, client, tracker)
        torrent = make_with_everswarm(folder, tmp_path / "x.torrent", tracked.udp_url)
        tracked.serve(info_hash(torrent))
        theirs.seed(torrent, folder)
        tracked.wait_for_seed(info_hash(torrent))

        ours.get(torrent, patience=PATIENCE)

        assert_same(ours.downloads / folder.name, folder)


def _cast(
    stage: Stage, client: type[Client], tracker: type[Tracker]
) -> tuple[Everswarm, Client, Tracker]:
    """Ours, theirs and the tracker, on two hosts if theirs wants an address of its own."""
    here = stage.new_host() if client.needs_own_address else LOOPBACK
    there = stage.new_host() if client.needs_own_address else LOOPBACK
    tracked = stage.add(tracker, here)  # the first to come leaves last, and hears the goodbyes
    ours, theirs = stage.add(Everswarm, here), stage.add(client, there)
    for each in (ours, theirs):
        if isinstance(each, Everswarm):
            each.options = ("--no-dht",)
    return ours, theirs, tracked


async def test_what_opentracker_answers(stage: Stage) -> None:
    tracked = stage.add(Opentracker)
    await asyncio.to_thread(tracked.serve, HASH)
    trackers = UdpTrackers(rng=random.Random(1), limits=UdpLimits(first_wait=0.5))
    tracker = trackers.tracker(tracked.udp_url, trusted=True)
    first = await tracker.announce(REQUEST)
    assert (first.complete, first.incomplete) == (1, 0)
    assert 60 <= first.interval <= 7200
    other = REQUEST._replace(peer_id=PeerId(b"-ES0100-bbbbbbbbbbbb"), port=51414, left=5)
    second = await tracker.announce(other)
    assert Endpoint("127.0.0.1", 51413) in second.peers
    assert (await tracker.scrape([HASH]))[HASH][:2] == (1, 1)
    await tracker.announce(REQUEST._replace(event=Event.STOPPED))
    assert (await tracker.scrape([HASH]))[HASH][:2] == (0, 1)

    exchange = trackers.exchange_with("127.0.0.1")
    assert exchange is not None
    exchange._remember(Endpoint("127.0.0.1", tracked.port), 5)  # as if it had a new secret
    assert (await tracker.scrape([HASH]))[HASH][:2] == (0, 1)
    assert not trackers.rejected
    await trackers.close()


@pytest.fixture
async def site() -> AsyncIterator[UdpTrackerServer]:
    """Our tracker, in this process."""
    swarms = Swarms(rng=random.Random(1))
    server = await start_udp_tracker(host="127.0.0.1", port=0, rng=random.Random(2), swarms=swarms)
    yield server
    await server.close()


async def _alert(session: libtorrent.session, kind: type) -> Any:
    """The first alert of a kind; the session works in threads of its own."""
    for _ in range(1_000):
        for alert in session.pop_alerts():
            if isinstance(alert, kind):
                return alert
        await asyncio.sleep(0.01)
    raise AssertionError(f"no {kind.__name__}")


async def test_what_libtorrent_asks_and_understands(
    site: UdpTrackerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packets: list[bytes] = []
    respond = site.responder.respond

    def note(data: bytes, ip: bytes, now: float) -> bytes | None:
        packets.append(data)
        return respond(data, ip, now)

    monkeypatch.setattr(site.responder, "respond", note)
    swarms = site.responder.swarms
    swarms.announce(REQUEST, b"\x7f\0\0\1", now=0.0)
    session = libtorrent.session(
        {
            "ssrf_mitigation": False,
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "listen_interfaces": "127.0.0.1:0",
            "alert_mask": libtorrent.alert.category_t.all_categories,
        }
    )
    parameters = libtorrent.parse_magnet_uri(f"magnet:?xt=urn:btih:{HASH.hex()}")
    parameters.save_path = str(tmp_path)
    path = "/announce?key=" + "x" * 200  # it sends one option of BEP 41, no more
    parameters.trackers = [site.announce_url.removesuffix("/announce") + path]
    handle = session.add_torrent(parameters)

    assert (await _alert(session, libtorrent.tracker_reply_alert)).num_peers == 1
    assert swarms.scrape([HASH])[HASH][:2] == (1, 1)
    assert {parse_url_data(packet) for packet in packets if len(packet) >= 98} == {path.encode()}
    handle.scrape_tracker()
    scraped = await _alert(session, libtorrent.scrape_reply_alert)
    assert (scraped.complete, scraped.incomplete) == (1, 1)
    session.remove_torrent(handle)
    async with asyncio.timeout(10):
        while swarms.peers > 1:  # it says goodbye
            await asyncio.sleep(0.01)
    assert not site.responder.rejected
