"""Row P11: liars are found, honest peers are not blamed."""

import random

import pytest

from node.torrent.piece_picker import PiecePicker
from node.torrent.smart_ban import MAXIMUM_DIGESTS, SmartBan

BLOCK = 16_384


def buffer(*blocks: int) -> memoryview:
    return memoryview(b"".join(bytes((block,)) * 4 for block in blocks))


def test_p11_the_only_source_of_a_bad_piece_is_banned_now() -> None:
    smart_ban = SmartBan(4)
    assert smart_ban.piece_failed(0, buffer(1, 2), ["6.6.6.6"] * 2) == ["6.6.6.6"]


def test_p11_a_shared_bad_piece_bans_nobody_and_puts_all_on_parole() -> None:
    smart_ban = SmartBan(4)
    assert smart_ban.piece_failed(0, buffer(1, 2), ["a", "b"]) == []
    assert smart_ban.on_parole("a")
    assert smart_ban.on_parole("b")
    assert not smart_ban.on_parole("c")
    assert smart_ban.is_suspicious(0)
    assert smart_ban.trust("a") == -2


def test_p11_exactly_the_liar_is_banned_when_the_piece_passes_and_the_others_are_cleared() -> None:
    smart_ban = SmartBan(4)
    smart_ban.piece_failed(0, buffer(1, 9, 3), ["a", "liar", "b"])
    assert smart_ban.piece_passed(0, buffer(1, 2, 3), ["c"] * 3) == ["liar"]
    assert not smart_ban.on_parole("a")
    assert not smart_ban.is_suspicious(0)
    assert (smart_ban.trust("a"), smart_ban.trust("b"), smart_ban.trust("c")) == (0, 0, 1)


def test_p11_a_liar_that_later_sends_the_truth_lied_all_the_same() -> None:
    smart_ban = SmartBan(4)
    smart_ban.piece_failed(0, buffer(9, 2), ["liar", "a"])
    assert smart_ban.piece_passed(0, buffer(1, 2), ["liar", "a"]) == ["liar"]


def test_p11_a_suspect_of_two_pieces_stays_one_until_both_are_settled() -> None:
    smart_ban = SmartBan(4)
    smart_ban.piece_failed(0, buffer(1, 9), ["a", "liar"])
    smart_ban.piece_failed(1, buffer(1, 9), ["a", "liar"])
    smart_ban.piece_failed(1, buffer(1, 9), ["a", "liar"])
    assert smart_ban.trust("a") == -2  # the second was under way already
    assert smart_ban.piece_passed(0, buffer(1, 2), ["c"] * 2) == ["liar"]
    assert smart_ban.on_parole("a")
    smart_ban.piece_passed(1, buffer(1, 2), ["c"] * 2)
    assert not smart_ban.on_parole("a")
    assert smart_ban.trust("a") == 0


def test_p11_trust_that_is_used_up_bans() -> None:
    smart_ban = SmartBan(4)
    banned: list[str] = []
    for index in range(0, 99, 2):
        # The evidence of each failure is pushed out by that of a huge piece of strangers.
        banned = smart_ban.piece_failed(index, buffer(1, 2), ["a", f"x{index}"])
        if banned:
            break
        many = [f"{index}-{block % 2}" for block in range(MAXIMUM_DIGESTS)]
        smart_ban.piece_failed(index + 1, memoryview(bytes(4 * MAXIMUM_DIGESTS)), many)
        assert not smart_ban.on_parole("a")
    assert (banned, index) == (["a"], 6)


def test_p11_memory_for_evidence_is_bounded() -> None:
    smart_ban = SmartBan(4)
    for index in range(300):
        smart_ban.piece_failed(index, memoryview(bytes(400)), [f"{index}-{b}" for b in range(100)])
    assert smart_ban.is_suspicious(299)
    assert not smart_ban.is_suspicious(0)
    assert not smart_ban.on_parole("0-0")
    assert smart_ban.on_parole("299-0")
    assert smart_ban._digests <= MAXIMUM_DIGESTS
    assert len(smart_ban._trust) <= 4_096


class Poisoned:
    """A swarm where some peers send bad blocks; the piece hash is modelled by comparing."""

    PIECES, BLOCKS, PEERS = 40, 8, 20

    def __init__(self, seed: int, share: float, probability: float) -> None:
        self.rng = random.Random(seed)
        self.probability = probability
        self.picker = PiecePicker[str](
            self.BLOCKS * BLOCK, self.PIECES * self.BLOCKS * BLOCK, rng=self.rng
        )
        names = [f"p{i}" for i in range(self.PEERS)]
        self.liars = set(names[: round(share * self.PEERS)])
        self.queues: dict[str, list[tuple[int, int, int]]] = {name: [] for name in names}
        for name in names:
            self.picker.peer_joined(name, name, (1 << self.PIECES) - 1)
        self.bad: set[int] = set()
        self.sent: set[str] = set()
        """Liars that did lie."""
        self.banned: set[str] = set()

    def run(self) -> None:
        now = 0.0
        good, bad = memoryview(bytes(BLOCK)), memoryview(b"\1" * BLOCK)
        while not self.picker.is_finished:
            now += 0.05
            assert now < 3_000, "the download does not end"
            for name in sorted(self.queues):
                queue = self.queues.get(name)
                if queue is None:
                    continue
                # Half of them are fast enough for pieces of their own, half join forces.
                rate = 1e9 if int(name[1:]) % 2 else 1.0
                queue += self.picker.next_requests(name, 12 - len(queue), now, rate=rate)
                for _ in range(self.rng.randrange(4)):
                    if queue and name in self.queues:
                        self.deliver(name, queue.pop(0), good, bad, now)

    def deliver(
        self,
        name: str,
        request: tuple[int, int, int],
        good: memoryview,
        bad: memoryview,
        now: float,
    ) -> None:
        lies = name in self.liars and self.rng.random() < self.probability
        if lies:
            self.sent.add(name)
        outcome = self.picker.block_received(*(name, *request[:2]), bad if lies else good, now)
        if outcome is None:
            return
        for other in outcome.cancel:
            self.queues[other].remove(request)
        if outcome.complete is not None:
            whole = not any(outcome.complete)
            settle = self.picker.piece_verified if whole else self.picker.piece_failed
            for liar in settle(request[0]):
                self.banned.add(liar)
                if self.queues.pop(liar, None) is not None:
                    self.picker.peer_left(liar)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("probability", [1 / 64, 0.2, 1.0])
def test_p11_liars_are_banned_nobody_honest_is_and_the_download_ends(
    share: float, probability: float
) -> None:
    for seed in range(3):
        swarm = Poisoned(seed, share, probability)
        swarm.run()
        assert swarm.banned <= swarm.liars, "an honest peer was banned"
        assert swarm.banned == swarm.sent, "a liar was not found"
        assert swarm.picker.buffers_in_use == 0
