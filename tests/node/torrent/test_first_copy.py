"""The first copy: what is revealed to whom, and what that does to a swarm.

The simulation hands blocks round in turn: each uplink carries one block a tick and serves its peers
in rotation, everything takes LATENCY ticks, the leechers are real pickers and pipelines.

The bound (Mundinger, Weber, Weiss 2008): the seed needs F/u to send every byte once, and the last
piece must then double its holders log2(N) times: T* = F/u · (1 + floor(log2 N) / pieces).
"""

import heapq
import random
from collections import deque
from collections.abc import Callable

import pytest

from node.torrent import bitfield
from node.torrent.first_copy import LARGEST_SHARE, WINDOW_PIECES, FirstCopy
from node.torrent.piece_picker import PiecePicker, Request
from node.torrent.rates import Rate
from node.torrent.request_pipeline import RequestPipeline

BLOCK = 16_384
TICK = 1 / 256
"""Seconds a block takes on an uplink of 4 MiB/s."""
LATENCY = 12
"""Ticks: 47 ms one way."""


class Host:
    def __init__(self, swarm: "Swarm", number: int) -> None:
        self.number = number
        self.queues: dict[Host, deque[Request]] = {}
        self.rotation: deque[Host] = deque()
        self.asked: dict[Host, set[Request]] = {}
        self.pipelines: dict[Host, RequestPipeline] = {}
        self.rates: dict[Host, Rate] = {}
        self.sent = 0
        self.done: int | None = None
        self.picker: PiecePicker[Host] = PiecePicker(
            swarm.blocks * BLOCK,
            swarm.pieces * swarm.blocks * BLOCK,
            rng=random.Random(swarm.rng.random()),
        )

    def meet(self, other: "Host") -> None:
        self.queues[other] = deque()
        self.rotation.append(other)
        self.asked[other] = set()
        self.pipelines[other] = RequestPipeline(0.0)
        self.rates[other] = Rate(0.0)
        self.picker.peer_joined(other, str(other.number))


class Swarm:
    """One seed and `leechers` leechers with equal uplinks, all unchoked, a full mesh."""

    def __init__(
        self,
        leechers: int,
        pieces: int,
        blocks: int,
        *,
        first_copy: bool,
        silent: int = 0,
        slots: int = 99,
    ) -> None:
        self.rng = random.Random(7)
        self.serial = 0
        self.pieces, self.blocks = pieces, blocks
        self.tick = 0
        self.events: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self.hosts = [Host(self, number) for number in range(leechers + 1)]
        self.seed, *self.leechers = self.hosts
        self.silent = set(self.leechers[:silent])
        """Leechers that choke everybody."""
        self.served = set(self.leechers[:slots])
        """Leechers that the seed unchokes."""
        self.first_copy = FirstCopy[Host](pieces, blocks * BLOCK, self.rng) if first_copy else None
        for host in self.hosts:
            for other in self.hosts:
                if other is not host:
                    host.meet(other)
        for leecher in self.leechers:
            if self.first_copy is None:
                leecher.picker.peer_has(self.seed, (1 << pieces) - 1)
            else:
                self.first_copy.peer_joined(leecher)
                self.reveal(leecher)

    def later(self, action: Callable[..., None], *arguments: object) -> None:
        self.serial += 1
        heapq.heappush(self.events, (self.tick + LATENCY, self.serial, action, arguments))

    def reveal(self, leecher: Host) -> None:
        assert self.first_copy is not None
        now = self.tick * TICK
        rate = self.seed.rates[leecher].rate(now)
        unchoked = leecher in self.served
        for index in self.first_copy.reveal(leecher, rate, now, unchoked=unchoked):
            self.later(self.on_have, leecher, self.seed, index)

    def refill(self, host: Host, other: Host) -> None:
        if other in self.silent or (other is self.seed and host not in self.served):
            return
        now = self.tick * TICK
        room = host.pipelines[other].depth - len(host.asked[other])
        requests = host.picker.next_requests(other, room, now, rate=host.rates[other].rate(now))
        if requests:
            if not host.asked[other]:
                host.pipelines[other].restart(now)
            host.asked[other].update(requests)
            self.later(other.queues[host].extend, requests)

    def on_have(self, host: Host, other: Host, index: int) -> None:
        if host is not self.seed:
            host.picker.peer_has(other, 1 << index)
            self.refill(host, other)
        elif self.first_copy is not None:
            self.first_copy.peer_has(other, 1 << index)
            for leecher in self.leechers if self.first_copy.is_done else (other,):
                self.reveal(leecher)

    def on_cancel(self, host: Host, other: Host, request: Request) -> None:
        if request in host.queues[other]:
            host.queues[other].remove(request)

    def on_block(self, host: Host, other: Host, request: Request) -> None:
        now = self.tick * TICK
        host.asked[other].discard(request)
        host.pipelines[other].received(BLOCK, now)
        host.rates[other].add(BLOCK, now)
        other.rates[host].add(BLOCK, now)
        data = memoryview(bytes(BLOCK))
        outcome = host.picker.block_received(other, request[0], request[1], data, now)
        for third in outcome.cancel if outcome else ():
            host.asked[third].discard(request)
            self.later(self.on_cancel, third, host, request)
        if outcome is not None and outcome.complete is not None:
            host.picker.piece_verified(request[0])
            for third in host.queues:
                self.later(self.on_have, third, host, request[0])
            if host.picker.is_finished:
                host.done = self.tick
        self.refill(host, other)

    def send(self, host: Host) -> None:
        for _ in range(len(host.rotation)):
            other = host.rotation[0]
            host.rotation.rotate(-1)
            if host.queues[other]:
                host.sent += 1
                self.later(self.on_block, other, host, host.queues[other].popleft())
                return

    def run(self) -> float:
        """Ticks until the last leecher is done, over the bound."""
        while any(leecher.done is None for leecher in self.leechers):
            while self.events and self.events[0][0] <= self.tick:
                _, _, action, arguments = heapq.heappop(self.events)
                action(*arguments)
            for host in self.hosts:
                self.send(host)
            if self.tick % 64 == 0:
                for leecher in self.leechers:
                    for other in leecher.queues:
                        self.refill(leecher, other)
                    if self.first_copy is not None:
                        self.reveal(leecher)
            self.tick += 1
            assert self.tick < 20 * self.pieces * self.blocks, "the swarm does not finish"
        size = self.pieces * self.blocks
        bound = size * (1 + (len(self.leechers).bit_length() - 1) / self.pieces)
        return self.tick / bound


@pytest.mark.parametrize(
    ("leechers", "pieces", "blocks", "ratio"),
    [(8, 256, 16, 1.1), (8, 64, 16, 1.2), (16, 128, 16, 1.2), (4, 128, 16, 1.1), (8, 512, 4, 1.1)],
)
def test_b5_every_piece_once_before_any_twice_nears_the_bound(
    leechers: int, pieces: int, blocks: int, ratio: float
) -> None:
    swarm = Swarm(leechers, pieces, blocks, first_copy=True)
    assert swarm.run() < ratio
    assert swarm.seed.sent < 1.15 * pieces * blocks
    wasted = sum(leecher.picker.wasted for leecher in swarm.leechers)
    assert wasted < 0.01 * leechers * pieces * blocks * BLOCK


def test_b5_it_is_the_first_copy_that_does_it() -> None:
    plain = Swarm(8, 128, 16, first_copy=False).run()
    better = Swarm(8, 128, 16, first_copy=True).run()
    assert better < 0.9 * plain


def test_b5_leechers_that_pass_nothing_on_do_not_spoil_it() -> None:
    # Six uplinks and the seed's carry eight copies: 8/7 of F/u is the bound here.
    assert Swarm(8, 256, 16, first_copy=True, silent=2).run() < 1.35


def test_b5_choked_leechers_do_not_hold_up_the_others() -> None:
    assert Swarm(16, 256, 16, first_copy=True, slots=8).run() < 1.25


def policy(pieces: int = 40, piece_length: int = 4 * 1024 * 1024) -> FirstCopy[str]:
    return FirstCopy(pieces, piece_length, random.Random(1))


def test_each_piece_is_revealed_to_one_peer() -> None:
    first_copy = policy()
    revealed: list[int] = []
    for peer in "abcdefghij":
        first_copy.peer_joined(peer)
        revealed += first_copy.reveal(peer, 0.0, 0.0)
        assert first_copy.revealed(peer).bit_count() == 4
    assert sorted(revealed) == list(range(40))
    first_copy.peer_joined("k")
    assert first_copy.reveal("k", 1e9, 29.0) == []


def test_a_piece_received_makes_room_for_another() -> None:
    first_copy = policy()
    first_copy.peer_joined("a")
    first, *_ = first_copy.reveal("a", 0.0, 0.0)
    assert first_copy.reveal("a", 0.0, 0.0) == []
    first_copy.peer_has("a", 1 << first)
    assert len(first_copy.reveal("a", 0.0, 0.0)) == 1


def test_a_fast_peer_sees_two_seconds_ahead() -> None:
    first_copy = policy()
    first_copy.peer_joined("a")
    assert len(first_copy.reveal("a", 20 * 1024 * 1024, 0.0)) == 10
    small = FirstCopy[str](1_000, 16_384, random.Random(1))
    small.peer_joined("a")
    assert len(small.reveal("a", 0.0, 0.0)) == 128  # two MiB


def test_a_fast_peer_that_is_alone_leaves_room_for_those_to_come() -> None:
    first_copy = policy()
    first_copy.peer_joined("a")
    assert len(first_copy.reveal("a", 1e9, 0.0)) == 40 // LARGEST_SHARE
    tiny = policy(pieces=6)
    tiny.peer_joined("a")
    assert len(tiny.reveal("a", 1e9, 0.0)) == WINDOW_PIECES


def test_among_others_a_peer_is_trusted_with_as_much_more_as_it_has_taken() -> None:
    first_copy = policy(pieces=1_000, piece_length=16_384)
    first_copy.peer_joined("a")
    first_copy.peer_joined("b", 0b1111)  # what it brought along earns no trust
    assert len(first_copy.reveal("b", 1e9, 0.0)) == WINDOW_PIECES
    taken, opened = 0, [len(new := first_copy.reveal("a", 1e9, 0.0))]
    while opened[-1] < 200:
        assert first_copy.reveal("a", 1e9, 0.0) == []
        for index in new:  # as fast as it can, and it passes them on
            first_copy.peer_has("a", 1 << index)
            first_copy.peer_has("b", 1 << index)
        taken += len(new)
        new = first_copy.reveal("a", 1e9, 0.0)
        assert len(new) == min(WINDOW_PIECES + taken, 1_000 // LARGEST_SHARE)
        opened.append(len(new))
    assert opened == [4, 8, 16, 32, 64, 128, 250]


def test_trust_counts_what_was_taken_from_us_and_ends_when_the_others_leave() -> None:
    first_copy = policy(pieces=1_000, piece_length=16_384)
    first_copy.peer_joined("a")
    first_copy.peer_joined("b")
    shown = first_copy.reveal("a", 1e9, 0.0)
    elsewhere = bitfield.all_pieces(100) & ~first_copy.revealed("a")
    first_copy.peer_has("a", elsewhere)  # from somebody else, or not at all
    assert first_copy.reveal("a", 1e9, 0.0) == []
    first_copy.peer_has("a", 1 << shown[0])
    assert len(first_copy.reveal("a", 1e9, 0.0)) == 2
    first_copy.peer_left("b")
    first_copy.reveal("a", 1e9, 0.0)
    assert first_copy.revealed("a").bit_count() == 1 + 1_000 // LARGEST_SHARE


def test_what_peers_have_already_is_not_revealed() -> None:
    first_copy = policy()
    first_copy.peer_joined("a", (1 << 38) - 1)
    first_copy.peer_joined("b", 0)
    assert sorted(first_copy.reveal("b", 0.0, 0.0)) == [38, 39]


def test_once_the_copy_is_out_everything_is_revealed() -> None:
    first_copy = policy(pieces=6)
    first_copy.peer_joined("a", 0b000011)
    first_copy.peer_joined("b", 0b000110)
    told = set(first_copy.reveal("a", 0.0, 0.0))
    assert told == {3, 4, 5}
    assert not first_copy.is_done
    first_copy.peer_has("a", 0b111000)
    assert first_copy.is_done
    assert first_copy.reveal("a", 0.0, 0.0) == [2]
    assert first_copy.reveal("a", 0.0, 0.0) == []
    assert first_copy.reveal("b", 0.0, 0.0) == [0, 3, 4, 5]


def test_what_leaves_with_a_peer_is_handed_out_again() -> None:
    first_copy = policy(pieces=8)
    first_copy.peer_joined("a")
    first_copy.peer_joined("b")
    mine = first_copy.reveal("a", 0.0, 0.0)
    first_copy.reveal("b", 0.0, 0.0)
    first_copy.peer_has("a", 1 << mine[0])
    first_copy.peer_left("a")
    first_copy.peer_joined("c")
    assert sorted(first_copy.reveal("c", 0.0, 0.0)) == sorted(mine)


def test_a_piece_that_stalls_is_revealed_to_another() -> None:
    first_copy = policy(pieces=4)
    first_copy.peer_joined("a")
    first_copy.peer_joined("b")
    stalled = first_copy.reveal("a", 0.0, 0.0)
    assert first_copy.reveal("b", 0.0, 29.9) == []
    assert sorted(first_copy.reveal("b", 0.0, 30.0)) == sorted(stalled)


def test_a_choked_peer_is_shown_one_piece_which_is_promised_to_nobody() -> None:
    first_copy = policy(pieces=WINDOW_PIECES)
    first_copy.peer_joined("a")
    first_copy.peer_joined("b")
    assert len(first_copy.reveal("a", 0.0, 0.0, unchoked=False)) == 1
    assert first_copy.reveal("a", 0.0, 0.0, unchoked=False) == []
    assert len(first_copy.reveal("b", 1e9, 0.0)) == WINDOW_PIECES


def test_what_a_peer_was_promised_is_free_again_once_it_is_choked() -> None:
    first_copy = policy(pieces=WINDOW_PIECES)
    first_copy.peer_joined("a")
    first_copy.peer_joined("b")
    assert len(first_copy.reveal("a", 1e9, 0.0)) == WINDOW_PIECES
    assert first_copy.reveal("b", 1e9, 0.0) == []
    assert first_copy.reveal("a", 1e9, 0.0, unchoked=False) == []
    assert len(first_copy.reveal("b", 1e9, 0.0)) == WINDOW_PIECES


def take_all(first_copy: FirstCopy[str], peer: str) -> list[int]:
    """A peer takes what is revealed to it until nothing more is."""
    taken: list[int] = []
    while revealed := first_copy.reveal(peer, 0.0, 0.0):
        taken += revealed
        for index in revealed:
            first_copy.peer_has(peer, 1 << index)
    return taken


def test_a_peer_whose_pieces_turn_up_nowhere_gets_no_more_until_they_do() -> None:
    first_copy = policy()
    first_copy.peer_joined("a")
    first_copy.peer_joined("b")
    taken = take_all(first_copy, "a")
    assert len(taken) == 4
    first_copy.peer_has("b", 1 << taken[0])
    assert len(first_copy.reveal("a", 0.0, 0.0)) == 4


def test_what_a_silent_peer_took_is_revealed_to_another() -> None:
    first_copy = policy(pieces=5)
    first_copy.peer_joined("a")
    first_copy.peer_joined("b")
    taken = take_all(first_copy, "a")
    first_copy.peer_has("a", 0b11111)
    assert not first_copy.is_done
    assert set(first_copy.reveal("b", 0.0, 0.0)) < {0, 1, 2, 3, 4}
    assert len(taken) == 4


def test_where_nobody_passes_anything_on_everybody_is_served() -> None:
    first_copy = policy()
    first_copy.peer_joined("a")
    first_copy.peer_joined("b")
    assert len(take_all(first_copy, "a")) == 4
    assert len(take_all(first_copy, "b")) == 40
    assert first_copy.is_done
    assert len(take_all(first_copy, "a")) == 36


def test_a_peer_alone_has_nobody_to_pass_pieces_on_to() -> None:
    first_copy = policy()
    first_copy.peer_joined("a")
    assert len(take_all(first_copy, "a")) == 40
    assert first_copy.is_done
