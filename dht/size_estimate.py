"""How many nodes the network has, from how close the closest nodes to a target are.

With N nodes at random IDs the k-th closest to any target lies about k/N of the ID space away.

Threats: nodes that gather around one target to make the network look large, or hide there to make
it look small (D6): the median over many targets stands as long as most of them are left alone.
"""

from collections.abc import Sequence
from statistics import median

from dht.node_id import NODE_ID_BITS, distance

SAMPLES = 32
"""Targets remembered: the median's error is then about 8 %."""

MINIMUM_SAMPLES = 3
"""Fewer say too little: one may be an attack, or a table not yet filled."""

_SPACE = 1 << NODE_ID_BITS


class SizeEstimate:
    """Learns from lookups that ended well."""

    def __init__(self) -> None:
        self._samples: dict[bytes, float] = {}

    def observed(self, target: bytes, closest: Sequence[bytes]) -> None:
        """A lookup found these IDs closest to `target`, all that are there, the nearest first.

        A target counts once, with its latest result.
        """
        if len(closest) < 2:
            return
        share = distance(target, closest[-1]) / _SPACE
        self._samples.pop(target, None)
        if share:
            self._samples[target] = (len(closest) - 1 / 3) / share
        while len(self._samples) > SAMPLES:
            del self._samples[next(iter(self._samples))]

    @property
    def nodes(self) -> float | None:
        """The number of nodes, or None while too little is known.

        The distance of the k-th node is Gamma distributed, its median at (k - 1/3)/N.
        """
        if len(self._samples) < MINIMUM_SAMPLES:
            return None
        return max(1.0, median(self._samples.values()))

    def expected_distance(self, rank: int) -> int | None:
        """How far the `rank`-th closest node of any target is to be expected (1 is the closest)."""
        nodes = self.nodes
        return None if nodes is None else min(_SPACE - 1, int(_SPACE * (rank / nodes)))
