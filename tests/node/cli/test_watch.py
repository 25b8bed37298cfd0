import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from formats.endpoint import Endpoint
from formats.errors import StorageError
from formats.metainfo import Metainfo
from node.cli import watch
from node.cli.exit_status import Failed
from node.cli.watch import Watch, complete_copies
from node.torrent.status import State, TorrentStatus
from tracker.announcer import TrackerState, TrackerStatus


class FakeTorrent:
    """Shows the statuses it was given, one a look, and stays at the last."""

    def __init__(self, *statuses: TorrentStatus) -> None:
        self._statuses = list(statuses)
        self.is_complete = False
        self.done = asyncio.Event()
        self.error: StorageError | None = None

    def status(self) -> TorrentStatus:
        return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]

    async def wait_complete(self) -> None:
        await self.done.wait()
        if self.error:
            raise self.error
        self.is_complete = True


class Recorder:
    """A Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def metadata(self, metainfo: Metainfo, magnet: str, listen: Endpoint) -> None: ...

    def update(self, status: TorrentStatus, now: float) -> None:
        self.told.append(str(status.state))

    def why(self, reason: str) -> None:
        self.told.append(reason)

    def complete(self, status: TorrentStatus, *, seconds: float, path: Path) -> None: ...
    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_INTERVAL", 0.001)
    monkeypatch.setattr(watch, "WHY_AFTER", 0.0)


Status = Callable[..., TorrentStatus]


async def test_until_complete(status: Status) -> None:
    torrent, progress = FakeTorrent(status(down_rate=1.0)), Recorder()
    asyncio.get_running_loop().call_later(0.01, torrent.done.set)
    await Watch(torrent, progress).until_complete(patience=None)
    assert set(progress.told) == {"downloading"}


async def test_the_reason_is_told_once_until_it_changes(status: Status) -> None:
    waiting, moving = status(known_peers=2), status(down_rate=1.0)
    torrent, progress = FakeTorrent(waiting, waiting, moving, waiting, status()), Recorder()
    looks = Watch(torrent, progress)
    for _ in range(6):
        looks.look()
    reasons = [text for text in progress.told if text != "downloading"]
    known = "2 peers known, none connected yet"
    nobody = "no tracker to ask and no peer known; name one with --peer HOST:PORT"
    assert reasons == [known, known, nobody]


async def test_the_reason_waits_a_moment(status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "WHY_AFTER", 3600.0)
    torrent, progress = FakeTorrent(status()), Recorder()
    Watch(torrent, progress).look()
    assert progress.told == ["downloading"]


async def test_an_error_of_the_disk_flies(status: Status) -> None:
    torrent = FakeTorrent(status())
    torrent.error = StorageError("the disk is full")
    torrent.done.set()
    with pytest.raises(StorageError, match=r"^the disk is full$"):
        await Watch(torrent, Recorder()).until_complete(patience=None)


async def test_a_torrent_that_stopped_on_an_error(status: Status) -> None:
    torrent = FakeTorrent(status(state=State.ERROR, error="cover.jpg: the disk is full"))
    with pytest.raises(Failed, match=r"^cover\.jpg: the disk is full$"):
        await Watch(torrent, Recorder()).until(lambda _: False)


async def test_patience_ends_with_the_reason(status: Status) -> None:
    torrent = FakeTorrent(status(known_peers=1))
    with pytest.raises(Failed) as failure:
        await Watch(torrent, Recorder()).until_complete(patience=0.01)
    assert str(failure.value) == (
        "not complete after 0.01 seconds: 1 peer known, none connected yet"
    )


async def test_until_others_have_it(status: Status) -> None:
    torrent = FakeTorrent(status(complete_peers=1), status(complete_peers=2))
    await Watch(torrent, Recorder()).until(lambda status: complete_copies(status) >= 2)


def test_copies_that_a_tracker_knows(status: Status, peer) -> None:
    def tracker(seeds: int | None) -> TrackerStatus:
        return TrackerStatus(
            url="http://t.example/a",
            tier=0,
            state=TrackerState.WORKING,
            error=None,
            warning=None,
            next_announce=None,
            peers_given=0,
            seeds=seeds,
            leechers=None,
            external_ip=None,
        )

    assert complete_copies(status()) == 0
    assert complete_copies(status(trackers=(tracker(None), tracker(4)))) == 3
    assert complete_copies(status(trackers=(tracker(2),), complete_peers=5)) == 5
