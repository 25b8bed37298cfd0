import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from formats.endpoint import Endpoint
from formats.identifiers import InfoHash, PeerId
from tracker.announce import AnnounceRequest, AnnounceResponse, Event
from tracker.announcer import Announcer, TrackerState
from tracker.errors import TrackerError
from tracker.http_client import HttpTrackers
from tracker.server import start_tracker
from tracker.tiers import AnnounceLimits

PEER = Endpoint("192.0.2.1", 6881)
Behaviour = Callable[[AnnounceRequest], AnnounceResponse]


class Board:
    """Trackers by URL, each a function; what they were asked."""

    def __init__(self, **behaviours: Behaviour | None) -> None:
        self.behaviours = {f"test://{name}": function for name, function in behaviours.items()}
        self.asked: list[tuple[str, AnnounceRequest]] = []
        self.timeouts: list[float | None] = []
        self.changed = asyncio.Event()

    def client(self, url: str) -> "Client":
        return Client(self, url)

    async def until(self, count: int) -> None:
        while len(self.asked) < count:
            self.changed.clear()
            await self.changed.wait()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def events(self) -> list[tuple[str, Event]]:
        return [(url.removeprefix("test://"), request.event) for url, request in self.asked]


class Client:
    def __init__(self, board: Board, url: str) -> None:
        self.board, self.url = board, url

    async def announce(
        self, request: AnnounceRequest, *, timeout: float | None = None
    ) -> AnnounceResponse:
        self.board.asked.append((self.url, request))
        self.board.timeouts.append(timeout)
        self.board.changed.set()
        behaviour = self.board.behaviours[self.url]
        if behaviour is None:  # never answers
            await asyncio.Event().wait()
            raise AssertionError
        await asyncio.sleep(0)
        return behaviour(request)


def good(_: AnnounceRequest) -> AnnounceResponse:
    return AnnounceResponse(
        peers=(PEER,), complete=3, incomplete=4, warning="be kind", tracker_id=b"id"
    )


def dead(_: AnnounceRequest) -> AnnounceResponse:
    raise TrackerError("connection refused")


def buggy(_: AnnounceRequest) -> AnnounceResponse:
    raise ZeroDivisionError


@asynccontextmanager
async def running(
    board: Board, *tiers: list[str], left: list[int] | None = None, **options: Any
) -> AsyncIterator[tuple[Announcer, list[tuple[str, list[Endpoint]]]]]:
    got: list[tuple[str, list[Endpoint]]] = []
    remaining = left if left is not None else [10]
    announcer = Announcer(
        [[name if ":" in name else f"test://{name}" for name in tier] for tier in tiers],
        info_hash=InfoHash(b"h" * 20),
        peer_id=PeerId(b"p" * 20),
        port=6881,
        clients={"test": board.client},
        progress=lambda: (1, 2, remaining[0]),
        on_peers=lambda url, peers: got.append((url, peers)),
        rng=random.Random(1),
        **options,
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(announcer.run())
        try:
            yield announcer, got
        finally:
            task.cancel()


async def test_peers_are_handed_over_with_their_source() -> None:
    board = Board(a=good)
    async with running(board, ["a"]) as (announcer, got):
        await board.until(1)
        assert got == [("test://a", [PEER])]
        ((_, request),) = board.asked
        assert request[:7] == (b"h" * 20, b"p" * 20, 6881, 1, 2, 10, Event.STARTED)
        assert request.numwant == 50
        assert request.key is not None
        (status,) = announcer.statuses()
        assert (status.state, status.seeds, status.leechers, status.peers_given) == (
            TrackerState.WORKING, 3, 4, 1,
        )  # fmt: skip
        assert status.warning == "be kind"
        assert status.next_announce is not None
        assert 1700 < status.next_announce <= 1800


async def test_a_dead_tracker_hands_over_to_the_next_tier_at_once() -> None:
    board = Board(a=dead, b=good)
    async with running(board, ["a"], ["b"]) as (announcer, got):
        await board.until(2)
        assert got == [("test://b", [PEER])]
        first, second = announcer.statuses()
        assert (first.state, first.error) == (TrackerState.FAILED, "connection refused")
        assert (second.state, second.error) == (TrackerState.WORKING, None)


async def test_c9_a_silent_tracker_does_not_hold_up_the_next_tier() -> None:
    board = Board(a=None, b=good)
    async with running(board, ["a"], ["b"], limits=AnnounceLimits(probe_after=0.02)) as (
        announcer,
        got,
    ):
        await board.until(2)
        assert got == [("test://b", [PEER])]
        assert announcer.statuses()[0].state is TrackerState.ASKING


async def test_completed_once_and_only_if_it_was_incomplete() -> None:
    left = [10]
    board = Board(a=good)
    async with running(board, ["a"], left=left) as (announcer, _):
        await board.until(1)
        left[0] = 0
        announcer.completed()
        announcer.completed()
        await board.until(2)
        assert board.events() == [("a", Event.STARTED), ("a", Event.COMPLETED)]
        assert board.asked[1][1].left == 0
        assert board.asked[1][1].tracker_id == b"id"
    board = Board(a=good)
    async with running(board, ["a"], left=[0]) as (announcer, _):
        await board.until(1)
        announcer.completed()
        await asyncio.sleep(0.01)
        assert board.events() == [("a", Event.STARTED)]


async def test_stopped_goes_in_parallel_to_those_that_know_us() -> None:
    board = Board(a=dead, b=good, c=good)
    async with running(board, ["a"], ["b"], ["c"]) as (announcer, _):
        await board.until(2)
        announcer.announce_now()  # nobody was reached: c is asked too (C7)
        await board.until(3)
    board.behaviours["test://b"] = dead
    await announcer.stop()
    await announcer.stop()
    assert board.events()[3:] == [("b", Event.STOPPED), ("c", Event.STOPPED)]
    assert [request.numwant for _, request in board.asked[3:]] == [0, 0]
    assert board.timeouts[3:] == [5.0, 5.0]


async def test_a_completion_nobody_heard_of_is_told_before_the_goodbye() -> None:
    board = Board(a=good)
    async with running(board, ["a"]) as (announcer, _):
        await board.until(1)
        announcer.completed()
    await announcer.stop()
    assert board.events()[1:] == [("a", Event.COMPLETED), ("a", Event.STOPPED)]
    assert board.timeouts[1:] == [2.5, 2.5]


async def test_c7_a_reached_peer_is_credited_to_its_tracker() -> None:
    board = Board(a=good, b=good)
    async with running(board, ["a"], ["b"]) as (announcer, _):
        await board.until(1)
        announcer.announce_now()
        announcer.peer_reached(PEER)
        await asyncio.sleep(0.01)
        assert board.events() == [("a", Event.STARTED)]


async def test_unsupported_schemes_are_shown_not_asked() -> None:
    board = Board(a=good)
    async with running(board, ["udp://tracker.example:6969/announce"], ["a"]) as (announcer, _):
        await board.until(1)
        first, second = announcer.statuses()
    assert (first.state, first.error) == (
        TrackerState.UNSUPPORTED,
        "this kind of tracker is not supported",
    )
    assert second.state is TrackerState.WORKING


async def test_a_bug_flies() -> None:
    board = Board(a=buggy)
    with pytest.raises(ExceptionGroup) as raised:
        async with running(board, ["a"]):
            await asyncio.sleep(0.05)
    assert raised.group_contains(ZeroDivisionError)


async def test_no_task_outlives_the_announcer() -> None:
    board = Board(a=None)
    async with running(board, ["a"]):
        await board.until(1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_two_announcers_meet_at_our_tracker() -> None:
    site = await start_tracker(host="127.0.0.1", port=0, rng=random.Random(1))
    trackers = HttpTrackers()
    met: asyncio.Queue[list[Endpoint]] = asyncio.Queue()

    def announcer(port: int) -> Announcer:
        return Announcer(
            [[site.announce_url]],
            info_hash=InfoHash(b"h" * 20),
            peer_id=PeerId(f"{port:020}".encode()),
            port=port,
            clients={"http": lambda url: trackers.tracker(url, trusted=True)},
            progress=lambda: (0, 0, 1),
            on_peers=lambda _, peers: met.put_nowait(peers),
            rng=random.Random(port),
        )

    first, second = announcer(1001), announcer(1002)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(first.run())]
        while site.swarms.peers < 1:
            await asyncio.sleep(0.001)
        tasks.append(group.create_task(second.run()))
        assert await met.get() == [Endpoint("127.0.0.1", 1001)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
    await first.stop()
    await second.stop()
    assert site.swarms.peers == 0
    await trackers.close()
    await site.close()
