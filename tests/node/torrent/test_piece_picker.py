"""The picker as a whole: what arrives, what is given back, and a model of it all."""

import random
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from node.torrent.piece_picker import BlockOutcome, PiecePicker, Request

BLOCK = 16_384
PIECE = 3 * BLOCK


def picker_of(pieces: int, *, blocks: int = 3, **options: object) -> PiecePicker[str]:
    return PiecePicker(blocks * BLOCK, pieces * blocks * BLOCK, rng=random.Random(1), **options)


def content(index: int, begin: int, length: int) -> memoryview:
    return memoryview(bytes((index * 7 + begin // BLOCK + 1,)) * length)


def deliver(
    picker: PiecePicker[str], peer: str, request: Request, now: float = 0.0
) -> BlockOutcome[str] | None:
    return picker.block_received(peer, request[0], request[1], content(*request), now)


def test_a_piece_is_handed_over_whole_with_every_byte_in_place() -> None:
    picker = PiecePicker[str](PIECE, 2 * PIECE + BLOCK + 100, rng=random.Random(1))
    picker.peer_joined("a", "1.1.1.1", 0b100)
    assert picker.is_interesting("a")
    requests = picker.next_requests("a", 10, 0.0)
    assert requests == [(2, 0, BLOCK), (2, BLOCK, 100)]
    assert deliver(picker, "a", requests[1]) is None
    outcome = deliver(picker, "a", requests[0])
    assert outcome is not None
    assert outcome.cancel == ()
    assert outcome.complete == bytes(content(*requests[0])) + bytes(content(*requests[1]))
    assert picker.next_requests("a", 10, 0.0) == []  # not again while it is being written
    assert picker.is_interesting("a")
    assert picker.piece_verified(2) == []
    assert (picker.have, picker.needed, picker.bytes_left) == (0b100, 0b011, 2 * PIECE)
    assert not picker.is_interesting("a")
    assert picker.buffers_in_use == 0


def test_p8_blocks_that_fit_nowhere_are_waste_and_change_nothing() -> None:
    picker = picker_of(2)
    picker.peer_joined("a", "1.1.1.1", 0b11)
    [request] = picker.next_requests("a", 1, 0.0)
    index = request[0]
    for begin, size in ((1, BLOCK), (0, BLOCK - 1), (2 * BLOCK, BLOCK + 1), (PIECE, BLOCK)):
        assert picker.block_received("a", index, begin, memoryview(bytes(size)), 0.0) is None
    assert picker.block_received("a", 1 - index, 0, memoryview(bytes(BLOCK)), 0.0) is None
    assert picker.block_received("stranger", index, 0, memoryview(bytes(BLOCK)), 0.0) is None
    assert picker.wasted == BLOCK + BLOCK - 1 + BLOCK + 1 + 3 * BLOCK
    assert deliver(picker, "a", request) is None
    assert deliver(picker, "a", request) is None  # a duplicate
    assert picker.wasted == 7 * BLOCK
    assert picker.buffers_in_use == 1


def test_what_a_peer_is_asked_for_is_asked_of_others_when_it_chokes_or_leaves() -> None:
    picker = picker_of(1)
    for peer in "abc":
        picker.peer_joined(peer, peer, 1)
    asked = picker.next_requests("a", 3, 0.0)
    assert len(asked) == 3
    picker.peer_choked("a")
    assert picker.next_requests("b", 2, 0.0) == asked[:2]
    picker.peer_left("b")
    assert deliver(picker, "a", asked[1]) is None  # late, and welcome
    assert picker.next_requests("c", 3, 0.0) == [asked[0], asked[2]]
    assert picker.wasted == 0


def test_a_late_block_cancels_the_request_that_took_its_place() -> None:
    picker = picker_of(1)
    picker.peer_joined("a", "a", 1)
    picker.peer_joined("b", "b", 1)
    [first, *_] = picker.next_requests("a", 3, 0.0)
    picker.peer_choked("a")
    picker.next_requests("b", 3, 0.0)
    outcome = deliver(picker, "a", first)
    assert outcome is not None
    assert (outcome.cancel, outcome.complete) == (("b",), None)


def test_p10_a_refused_piece_is_not_asked_of_that_peer_until_it_unchokes_anew() -> None:
    picker = picker_of(2)
    picker.peer_joined("a", "a", 0b11)
    requests = picker.next_requests("a", 6, 0.0)
    picker.request_rejected("a", 0, 0)
    picker.request_rejected("a", 0, BLOCK)
    assert picker.next_requests("a", 6, 0.0) == []
    picker.peer_joined("b", "b", 0b11)
    assert [r[0] for r in picker.next_requests("b", 6, 0.0)] == [0, 0, 0]
    picker.peer_left("b")
    assert picker.next_requests("a", 6, 0.0) == []
    picker.peer_unchoked("a")
    assert picker.next_requests("a", 6, 0.0) == sorted(r for r in requests if r[0] == 0)


def test_a_reject_that_answers_a_cancel_changes_nothing() -> None:
    picker = picker_of(1)
    picker.peer_joined("a", "a", 1)
    first, second, _ = picker.next_requests("a", 3, 0.0)
    deliver(picker, "a", first)
    picker.request_rejected("a", 0, 0)
    picker.request_rejected("a", 7, 0)
    picker.peer_choked("a")
    picker.peer_unchoked("a")
    assert picker.next_requests("a", 1, 0.0) == [second]


def test_a_reject_of_one_block_is_about_a_block_that_is_still_asked() -> None:
    picker = picker_of(1)
    picker.peer_joined("a", "a", 1)
    first, second, third = picker.next_requests("a", 3, 0.0)
    deliver(picker, "a", first)
    picker.request_rejected("a", 0, first[1])
    picker.request_rejected("a", 0, second[1])
    picker.peer_joined("b", "b", 1)
    assert picker.next_requests("b", 3, 0.0) == [second, third]


def test_p11_what_a_liar_gave_to_unfinished_pieces_is_fetched_again() -> None:
    picker = picker_of(2, sequential=True)
    for peer in ("liar", "a"):
        picker.peer_joined(peer, peer, 0b11)
    for request in picker.next_requests("liar", 2, 0.0):
        picker.block_received("liar", *request[:2], memoryview(bytes(BLOCK)), 0.0)
    [last] = picker.next_requests("a", 1, 0.0)
    deliver(picker, "a", last)
    assert picker.piece_failed(0) == []
    picker.set_priorities(skip=0b01)
    [begun] = picker.next_requests("liar", 1, 0.0)
    deliver(picker, "liar", begun)
    picker.set_priorities()
    for request in picker.next_requests("a", 3, 0.0):
        deliver(picker, "a", request)
    before = picker.wasted
    assert picker.piece_verified(0) == ["liar"]
    assert picker.wasted == before + BLOCK
    picker.peer_left("liar")
    assert begun == (1, 0, BLOCK)
    assert begun in picker.next_requests("a", 3, 0.0)


def test_a_failed_piece_gives_idle_peers_something_to_do() -> None:
    picker = picker_of(1)
    picker.peer_joined("a", "a", 1)
    picker.peer_joined("b", "b", 1)
    for request in picker.next_requests("a", 3, 0.0):
        deliver(picker, "a", request)
    assert picker.next_requests("b", 3, 0.0) == []
    assert picker.piece_failed(0) == ["a"]
    assert len(picker.next_requests("b", 3, 0.0)) == 3


def test_a_piece_that_the_disk_refuses_is_fetched_again_and_nobody_is_blamed() -> None:
    picker = picker_of(1)
    picker.peer_joined("a", "a", 1)
    for request in picker.next_requests("a", 3, 0.0):
        deliver(picker, "a", request)
    picker.piece_not_written(0)
    assert len(picker.next_requests("a", 3, 0.0)) == 3
    assert not picker.on_parole("a")
    assert picker.wasted == 0


def test_a_piece_that_is_lost_is_wanted_again() -> None:
    picker = picker_of(2, have=0b11)
    picker.peer_joined("a", "a", 0b11)
    assert picker.is_finished
    assert picker.next_requests("a", 3, 0.0) == []
    picker.piece_lost(1)
    assert not picker.is_finished
    assert picker.is_interesting("a")
    assert {index for index, _, _ in picker.next_requests("a", 9, 0.0)} == {1}


def test_a_check_of_the_disk_replaces_what_we_have() -> None:
    picker = picker_of(3)
    picker.set_have(0b101)
    picker.peer_joined("a", "a", 0b111)
    assert {index for index, _, _ in picker.next_requests("a", 9, 0.0)} == {1}
    assert picker.size_of(picker.have) == 2 * PIECE


def test_skipped_pieces_are_dropped_with_their_requests_and_buffers() -> None:
    picker = picker_of(2)
    picker.peer_joined("a", "a", 0b11)
    requests = picker.next_requests("a", 6, 0.0)
    deliver(picker, "a", next(r for r in requests if r[0] == 0))
    cancel = picker.set_priorities(skip=0b01)
    assert cancel == [("a", (0, BLOCK, BLOCK)), ("a", (0, 2 * BLOCK, BLOCK))]
    assert picker.buffers_in_use == 0
    assert picker.wasted == BLOCK
    assert picker.needed == 0b10
    assert picker.next_requests("a", 6, 0.0) == []
    assert picker.set_priorities() == []
    assert picker.next_requests("a", 6, 0.0) == [(0, b * BLOCK, BLOCK) for b in range(3)]


def test_a_peer_that_loses_a_piece_is_not_asked_for_it() -> None:
    picker = picker_of(2)
    picker.peer_joined("a", "a", 0b11)
    assert picker.is_seed("a")
    picker.next_requests("a", 6, 0.0)
    picker.peer_lost("a", 1)
    picker.peer_lost("a", 1)
    assert not picker.is_seed("a")
    assert (picker.availability.count(0), picker.availability.count(1)) == (1, 0)
    picker.peer_choked("a")
    assert {index for index, _, _ in picker.next_requests("a", 6, 0.0)} == {0}
    assert picker.bits_of("a") == 0b01


def test_p12_claiming_a_piece_twice_counts_once() -> None:
    picker = picker_of(3)
    picker.peer_joined("a", "a")
    picker.peer_has("a", 0b001)
    picker.peer_has("a", 0b001)
    picker.peer_has("a", 0b011)
    assert [picker.availability.count(i) for i in range(3)] == [1, 1, 0]
    picker.peer_left("a")
    assert [picker.availability.count(i) for i in range(3)] == [0, 0, 0]


def test_f16_pieces_under_way_are_bounded_and_stranded_ones_make_room() -> None:
    picker = picker_of(10, memory=3 * PIECE)
    picker.peer_joined("a", "a", 0b0000001111)
    picker.peer_joined("b", "b", 0b1111110000)
    requests = picker.next_requests("a", 100, 0.0, rate=1e9)
    assert len({index for index, _, _ in requests}) == 3
    for request in requests[:4]:
        deliver(picker, "a", request)
    assert picker.next_requests("b", 100, 0.0, rate=1e9) == []  # a's pieces are alive
    picker.peer_left("a")
    more = picker.next_requests("b", 3, 1.0, rate=1e9)
    assert len({index for index, _, _ in more}) == 1  # one made room
    assert picker.wasted == 0  # and it was the one of which nothing had arrived
    assert picker.buffers_in_use <= 3


def test_f16_a_slow_disk_stops_the_requests() -> None:
    picker = picker_of(10, memory=1)  # the minimum: two pieces
    picker.peer_joined("a", "a", (1 << 10) - 1)
    requests = picker.next_requests("a", 100, 0.0)
    for request in requests:
        deliver(picker, "a", request)
    assert picker.buffers_in_use == 2
    assert picker.next_requests("a", 100, 0.0) == []
    picker.piece_verified(requests[0][0])
    assert len(picker.next_requests("a", 100, 0.0)) == 3


class Swarm(RuleBasedStateMachine):
    """Random peers that come, go, choke, reject, lie and deliver, beside a plain model."""

    PIECES = 6
    SIZE = PIECES * PIECE - BLOCK - 1_000

    def __init__(self) -> None:
        super().__init__()
        self.picker = PiecePicker[int](PIECE, self.SIZE, rng=random.Random(5))
        self.now = 0.0
        self.bits: dict[int, int] = {}
        self.asked: dict[int, list[Request]] = {}
        self.received: dict[Request, tuple[int, bool]] = {}
        self.writing: dict[int, bytes] = {}
        self.have: set[int] = set()
        self.skip: set[int] = set()
        self.liars: set[int] = set()
        self.banned: set[int] = set()
        self.next_peer = 0
        self.touched: dict[int, float] = {}

    # Helpers

    def blocks(self, index: int) -> list[Request]:
        size = min(PIECE, self.SIZE - index * PIECE)
        return [(index, b, min(BLOCK, size - b)) for b in range(0, size, BLOCK)]

    def peer(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.bits)))

    def unrequested(self) -> bool:
        asked = {request for requests in self.asked.values() for request in requests}
        return any(
            bits >> index & 1 and request not in asked and request not in self.received
            for bits in self.bits.values()
            for index in range(self.PIECES)
            if index not in self.have | self.skip | set(self.writing)
            for request in self.blocks(index)
        )

    def ban(self, sources: list[str]) -> None:
        for source in sources:
            peer = int(source)
            assert peer in self.liars, "an honest peer was banned"
            self.banned.add(peer)
            for request in [r for r, (giver, _) in self.received.items() if giver == peer]:
                if request[0] not in self.writing:
                    del self.received[request]
            if peer in self.bits:
                self.leave(peer)

    def leave(self, peer: int) -> None:
        self.picker.peer_left(peer)
        del self.bits[peer], self.asked[peer]

    # Rules

    @rule(bits=st.integers(0, 2**PIECES - 1) | st.just(2**PIECES - 1), liar=st.booleans())
    def join(self, bits: int, liar: bool) -> None:
        if len(self.bits) < 5:
            peer, self.next_peer = self.next_peer, self.next_peer + 1
            self.picker.peer_joined(peer, str(peer), bits)
            self.bits[peer], self.asked[peer] = bits, []
            if liar:
                self.liars.add(peer)

    @precondition(lambda self: self.bits)
    @rule(data=st.data(), index=st.integers(0, PIECES - 1), has=st.booleans())
    def have_or_lost(self, data: st.DataObject, index: int, has: bool) -> None:
        peer = self.peer(data)
        if has:
            self.picker.peer_has(peer, 1 << index)
            self.bits[peer] |= 1 << index
        else:
            self.picker.peer_lost(peer, index)
            self.bits[peer] &= ~(1 << index)
            self.asked[peer] = [r for r in self.asked[peer] if r[0] != index]

    @precondition(lambda self: self.bits)
    @rule(data=st.data(), count=st.integers(0, 12), fast=st.booleans(), some=st.booleans())
    def ask(self, data: st.DataObject, count: int, fast: bool, some: bool) -> None:
        peer = self.peer(data)
        allowed = data.draw(st.integers(0, 2**self.PIECES - 1)) if some else None
        requests = self.picker.next_requests(
            peer, count, self.now, rate=1e9 if fast else 0.0, allowed=allowed
        )
        assert len(requests) <= count
        asked = Counter(request for each in self.asked.values() for request in each)
        for request in requests:
            index = request[0]
            assert request in self.blocks(index)
            assert self.bits[peer] >> index & 1
            assert index not in self.have | self.skip | set(self.writing)
            assert request not in self.received
            assert request not in self.asked[peer]
            if asked[request]:
                stuck = self.now - self.touched.get(index, 0.0) >= 5.0
                assert allowed is None
                assert stuck or not self.unrequested()
                assert asked[request] < (3 if stuck else 2)
            else:
                self.touched.setdefault(index, self.now)
            self.asked[peer].append(request)
        if allowed is None and count and not self.asked[peer] and not self.alone_matters():
            mine = [
                request
                for index in range(self.PIECES)
                if self.bits[peer] >> index & 1
                and index not in self.have | self.skip | set(self.writing)
                for request in self.blocks(index)
                if request not in self.received and not asked[request]
            ]
            refused = self.picker._peers[peer].refused
            assert not [r for r in mine if not refused >> r[0] & 1], "it was left idle"

    def alone_matters(self) -> bool:
        """Exclusive pieces may rightly leave a peer idle for a while."""
        return bool(self.liars)

    @precondition(lambda self: any(self.asked.values()))
    @rule(data=st.data(), wait=st.floats(0, 2))
    def deliver(self, data: st.DataObject, wait: float) -> None:
        self.now += wait
        peer = data.draw(st.sampled_from([p for p, asked in self.asked.items() if asked]))
        request = data.draw(st.sampled_from(self.asked[peer]))
        index, begin, length = request
        bad = peer in self.liars and data.draw(st.booleans())
        block = memoryview(bytes(length)) if bad else content(*request)
        self.asked[peer].remove(request)
        outcome = self.picker.block_received(peer, index, begin, block, self.now)
        self.received[request] = (peer, bad)
        self.touched[index] = self.now
        others = [p for p, asked in self.asked.items() if request in asked]
        assert sorted(outcome.cancel if outcome else ()) == others
        for other in others:
            self.asked[other].remove(request)
        whole = all(each in self.received for each in self.blocks(index))
        assert (outcome is not None and outcome.complete is not None) == whole
        if outcome is not None and outcome.complete is not None:
            self.writing[index] = bytes(outcome.complete)

    @precondition(lambda self: self.writing)
    @rule(data=st.data(), disk_works=st.integers(0, 9))
    def settle(self, data: st.DataObject, disk_works: int) -> None:
        index = data.draw(st.sampled_from(sorted(self.writing)))
        buffer = self.writing[index]
        right = b"".join(bytes(content(*request)) for request in self.blocks(index))
        bad = any(self.received[request][1] for request in self.blocks(index))
        assert (buffer == right) is not bad
        if not disk_works:
            self.picker.piece_not_written(index)
            banned: list[str] = []
        elif buffer == right:
            banned = self.picker.piece_verified(index)
            self.have.add(index)
        else:
            givers = {self.received[request][0] for request in self.blocks(index)}
            banned = self.picker.piece_failed(index)
            if len(givers) == 1:
                assert banned == [str(*givers)]
        del self.writing[index]
        self.touched.pop(index, None)
        for request in self.blocks(index):
            del self.received[request]
        self.ban(banned)

    @precondition(lambda self: self.bits)
    @rule(data=st.data(), how=st.sampled_from(["leave", "choke", "choke", "unchoke", "reject"]))
    def trouble(self, data: st.DataObject, how: str) -> None:
        peer = self.peer(data)
        match how:
            case "leave":
                self.leave(peer)
            case "choke":
                self.picker.peer_choked(peer)
                self.asked[peer].clear()
            case "unchoke":
                self.picker.peer_unchoked(peer)
            case "reject" if self.asked[peer]:
                index, begin, _ = data.draw(st.sampled_from(self.asked[peer]))
                self.picker.request_rejected(peer, index, begin)
                self.asked[peer] = [r for r in self.asked[peer] if r[0] != index]

    @rule(index=st.integers(0, PIECES - 1))
    def lose(self, index: int) -> None:
        if index in self.have:
            self.picker.piece_lost(index)
            self.have.discard(index)

    @rule(skip=st.sets(st.integers(0, PIECES - 1), max_size=2), data=st.data())
    def prioritise(self, skip: set[int], data: st.DataObject) -> None:
        bits = st.integers(0, 2**self.PIECES - 1)
        cancel = self.picker.set_priorities(
            high=data.draw(bits), low=data.draw(bits), skip=sum(1 << i for i in skip)
        )
        expected = Counter((p, r) for p, asked in self.asked.items() for r in asked if r[0] in skip)
        assert Counter(cancel) == expected
        self.skip = skip
        for peer in self.asked:
            self.asked[peer] = [r for r in self.asked[peer] if r[0] not in skip]
        for request in [r for r in self.received if r[0] in skip - set(self.writing)]:
            del self.received[request]
        for index in skip - set(self.writing):
            self.touched.pop(index, None)

    @rule()
    def wait(self) -> None:
        self.now += 6.0

    # What always holds

    @invariant()
    def the_sets_agree(self) -> None:
        assert self.picker.have == sum(1 << index for index in self.have)
        needed = set(range(self.PIECES)) - self.have - self.skip
        assert self.picker.needed == sum(1 << index for index in needed)
        for peer, bits in self.bits.items():
            assert self.picker.is_interesting(peer) == bool(bits & self.picker.needed)
            assert self.picker.is_seed(peer) == (bits == 2**self.PIECES - 1)
        for index in range(self.PIECES):
            copies = sum(bits >> index & 1 for bits in self.bits.values())
            assert self.picker.availability.count(index) == copies

    @invariant()
    def buffers_hold_what_arrived(self) -> None:
        held = {request[0] for request in self.received}
        assert len(held) <= self.picker.buffers_in_use <= self.PIECES

    def teardown(self) -> None:
        """Whatever happened: with one honest seed the download ends, with the right bytes."""
        for index in sorted(self.writing):
            self.picker.piece_not_written(index)
        for peer in sorted(self.bits):
            self.picker.peer_left(peer)
        self.picker.set_priorities()
        self.picker.peer_joined(-1, "-1", 2**self.PIECES - 1)
        while not self.picker.is_finished:
            self.now += 1.0
            requests = self.picker.next_requests(-1, 4, self.now)
            assert requests
            for request in requests:
                index, begin, _ = request
                outcome = self.picker.block_received(-1, index, begin, content(*request), self.now)
                if outcome is not None and outcome.complete is not None:
                    right = b"".join(bytes(content(*each)) for each in self.blocks(index))
                    if outcome.complete == right:
                        self.picker.piece_verified(index)
                    else:
                        assert "-1" not in self.picker.piece_failed(index)
        assert self.picker.buffers_in_use == 0


TestSwarm = Swarm.TestCase
TestSwarm.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
