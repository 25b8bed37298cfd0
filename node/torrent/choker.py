"""Whom to upload to: tit for tat while we download, fair turns once we seed.

A peer that asks while a slot is free is unchoked at once; otherwise slots change hands in rounds
of ten seconds (BEP 3).

Threats: free riders (tit for tat), peers that snub us (they compete for optimistic slots only),
and seeds robbed by a few peers that always look new or fast (P17: a seed gives turns by history
kept per source, not per connection, looks at no claimed rate, and caps the share of newcomers).
"""

import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Generic, NamedTuple, TypeVar

ROUND_SECONDS = 10.0
"""Seconds between two rounds (BEP 3): longer than TCP needs to reach its speed."""

OPTIMISTIC_SECONDS = 30.0
"""Seconds a peer keeps its slot before it must have given something: enough for it to unchoke us
in return, and no fibrillation (BEP 3)."""

NEW_SECONDS = 60.0
"""A peer connected for less is three times as likely to be chosen (BEP 3)."""

NEW_WEIGHT = 3

INCUMBENT_BONUS = 1.1
"""A challenger must be this much faster than the peer whose slot it takes."""

MINIMUM_SLOTS = 4
"""Upload slots, one of them optimistic (BEP 3)."""

INITIAL_SLOTS = 8
"""Slots while our upload rate is not known."""

MAXIMUM_SLOTS = 64
"""More slots would only make every one slow."""

OPTIMISTIC_SHARE = 5
"""One slot in this many is optimistic, at least one."""

SEED_TURN_SECONDS = 60.0
"""A seed's slot changes hands after this if somebody waits."""

SEED_TURN_BYTES = 64 * 1024 * 1024
"""Or after this many bytes, but not before SEED_TURN_MINIMUM."""

SEED_TURN_MINIMUM = 20.0
"""Seconds: two rounds."""

NEWCOMER_SHARE = 4
"""Sources never served before get one slot in this many while others wait (P17)."""

HISTORY = 4_096
"""Sources whose last turn a seed remembers."""

P = TypeVar("P", bound=Hashable)


class PeerState(NamedTuple, Generic[P]):
    """One connected peer, as the choker needs to see it."""

    peer: P
    source: str
    """What the history of turns goes by; normally the IP address."""
    interested: bool
    """It wants something of ours."""
    download_rate: float
    """Bytes per second from it to us, over 20 seconds."""
    uploaded: int
    """Bytes we sent it since it connected."""
    snubbed: bool
    """It left our requests unanswered."""
    joined: float
    """When it connected."""


class Decision(NamedTuple, Generic[P]):
    """Peers whose state is to change now."""

    unchoke: tuple[P, ...]
    choke: tuple[P, ...]


@dataclass(slots=True)
class _Slot:
    source: str
    since: float
    uploaded: int
    newcomer: bool
    interested: bool = True


class Choker(Generic[P]):
    """Remembers whom it unchoked; the caller sends the messages."""

    def __init__(self, rng: random.Random, slots: int | None = None) -> None:
        self._rng = rng
        self._configured = slots
        self._capacity = 0.0
        self._slots: dict[P, _Slot] = {}
        self._turns: dict[str, float] = {}
        """When each source last had a turn, the longest ago first."""

    @property
    def slots(self) -> int:
        """Peers that may download from us at a time: what BitTorrent calls uploads.

        Without a configured number it grows with the square root of the upload rate, as in the
        original client: sqrt(0.6 × kB/s).
        """
        if self._configured is not None:
            return max(1, self._configured)
        if not self._capacity:
            return INITIAL_SLOTS
        return max(MINIMUM_SLOTS, min(MAXIMUM_SLOTS, isqrt(int(self._capacity * 0.6 / 1000))))

    def is_unchoked(self, peer: P) -> bool:
        """True if the peer may download from us."""
        return peer in self._slots

    def peer_interested(self, state: PeerState[P], now: float) -> bool:
        """The peer became interested. True: unchoke it now, a slot is free."""
        slot = self._slots.get(state.peer)
        if slot is not None:
            slot.interested = True
            return False
        if sum(slot.interested for slot in self._slots.values()) >= self.slots:
            return False
        self._open(state, now)
        return True

    def peer_not_interested(self, peer: P) -> None:
        """The peer lost interest: it stays unchoked, but its slot is free for another."""
        slot = self._slots.get(peer)
        if slot is not None:
            slot.interested = False

    def peer_left(self, peer: P, now: float) -> None:
        """The peer is gone; its turn counts as taken, so coming back is no way to get another."""
        self._end_turn(peer, now)

    def rechoke(
        self, peers: Sequence[PeerState[P]], now: float, *, seeding: bool, capacity: float
    ) -> Decision[P]:
        """One round. `capacity` is the upload limit or, without one, the measured rate, bytes/s."""
        self._capacity = max(capacity, self._capacity * 0.9)
        interested = [state for state in peers if state.interested]
        for state in peers:
            if state.peer in self._slots:
                self._slots[state.peer].interested = state.interested
        if len(interested) <= self.slots:
            chosen = {state.peer: state for state in interested}
        elif seeding:
            chosen = self._turns_of_seed(interested, now)
        else:
            chosen = self._tit_for_tat(interested, now)
        self._keep_idle(chosen, peers)
        choke = tuple(peer for peer in self._slots if peer not in chosen)
        unchoke = tuple(peer for peer in chosen if peer not in self._slots)
        for peer in choke:
            self._end_turn(peer, now)
        for peer in unchoke:
            self._open(chosen[peer], now)
        return Decision(unchoke, choke)

    # While we download

    def _tit_for_tat(self, interested: Sequence[PeerState[P]], now: float) -> dict[P, PeerState[P]]:
        """The best givers; in the other slots whoever has not had its time, then some by lot."""
        slots = self.slots
        optimistic = max(1, slots // OPTIMISTIC_SHARE) if slots > 1 else 0
        givers = [state for state in interested if state.download_rate > 0 and not state.snubbed]
        givers.sort(key=self._worth, reverse=True)
        chosen = {state.peer: state for state in givers[: slots - optimistic]}
        rest = [state for state in interested if state.peer not in chosen]
        begun = [state for state in rest if self._has_time_left(state.peer, now)]
        begun.sort(key=lambda state: self._slots[state.peer].since, reverse=True)
        chosen |= {state.peer: state for state in begun[: slots - len(chosen)]}
        hopeful = [state for state in rest if state.peer not in self._slots]
        while hopeful and len(chosen) < slots:
            state = self._by_lot(hopeful, now)
            hopeful.remove(state)
            chosen[state.peer] = state
        return chosen

    def _worth(self, state: PeerState[P]) -> float:
        bonus = INCUMBENT_BONUS if state.peer in self._slots else 1.0
        return state.download_rate * bonus

    def _has_time_left(self, peer: P, now: float) -> bool:
        slot = self._slots.get(peer)
        return slot is not None and now - slot.since < OPTIMISTIC_SECONDS

    def _by_lot(self, states: Sequence[PeerState[P]], now: float) -> PeerState[P]:
        weights = [NEW_WEIGHT if now - state.joined < NEW_SECONDS else 1 for state in states]
        return self._rng.choices(states, weights)[0]

    # While we seed

    def _turns_of_seed(
        self, interested: Sequence[PeerState[P]], now: float
    ) -> dict[P, PeerState[P]]:
        """Whose turn is not over stays; then who has waited longest, few newcomers among them."""
        slots = self.slots
        current = [state for state in interested if state.peer in self._slots]
        current.sort(key=lambda state: self._slots[state.peer].since)
        stay = [state for state in current if not self._turn_is_over(state, now)][:slots]
        chosen = {state.peer: state for state in stay}
        waiting = [state for state in interested if state.peer not in self._slots]
        known = [state for state in waiting if state.source in self._turns]
        known.sort(key=lambda state: self._turns[state.source])
        newcomers = [state for state in waiting if state.source not in self._turns]
        newcomers.sort(key=lambda state: state.joined)
        held = sum(self._slots[state.peer].newcomer for state in stay)
        room = max(0, max(1, slots // NEWCOMER_SHARE) - held)
        over = [state for state in current if state.peer not in chosen]
        for state in (*newcomers[:room], *known, *newcomers[room:], *over):
            if len(chosen) < slots:
                chosen.setdefault(state.peer, state)
        return chosen

    def _turn_is_over(self, state: PeerState[P], now: float) -> bool:
        slot = self._slots[state.peer]
        held = now - slot.since
        if held < SEED_TURN_MINIMUM:
            return False
        return held >= SEED_TURN_SECONDS or state.uploaded - slot.uploaded >= SEED_TURN_BYTES

    # Slots

    def _keep_idle(self, chosen: dict[P, PeerState[P]], peers: Sequence[PeerState[P]]) -> None:
        """Peers that want nothing now stay unchoked in spare slots, to be served at once later."""
        for state in peers:
            if len(chosen) >= self.slots:
                return
            if state.peer in self._slots and not state.interested:
                chosen[state.peer] = state

    def _open(self, state: PeerState[P], now: float) -> None:
        newcomer = state.source not in self._turns
        self._slots[state.peer] = _Slot(state.source, now, state.uploaded, newcomer)

    def _end_turn(self, peer: P, now: float) -> None:
        slot = self._slots.pop(peer, None)
        if slot is not None:
            self._turns.pop(slot.source, None)
            self._turns[slot.source] = now
            if len(self._turns) > HISTORY:
                del self._turns[next(iter(self._turns))]
