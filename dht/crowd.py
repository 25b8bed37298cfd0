"""Crowds: nodes that gathered at a target to be the closest to it (D6).

Node IDs are random, so of N nodes about N·d lie within the share d of the ID space around any
target. Many more than that came on purpose. They are not avoided, for some may be honest; but the
lookup goes on to nodes that they could not choose.
"""

from collections.abc import Iterable
from math import log, log2

from dht.node_id import NODE_ID_BITS, NODE_ID_SIZE

SURPRISE = -4.6
"""log of the probability, 1 %, below which a crowd near the target is no coincidence."""

DETOURS = 2
"""Estimates of the network's size that are a factor of two apart still share one detour."""

_DETOUR_BITS = 4
"""log2 of the most nodes expected around the nearest detour: at least k lie there, so a crowd
close to the target is not among the k closest."""


def crowd_reach(distances: Iterable[int], network_size: float) -> int:
    """How far from the target a suspicious crowd reaches; -1 if there is none.

    `distances` are those of the nodes near the target, in ascending order. Walking outwards, nodes
    are suspicious if the chance of as many or more on the way from the last suspicious one
    (Poisson, by Chernoff's bound) is below `SURPRISE`. At the edge of a thin crowd a few escape.
    """
    reach, count = -1, 0
    density = network_size / (1 << NODE_ID_BITS)
    for distance in distances:
        count += 1
        expected = max((distance - max(reach, 0)) * density, 1e-9)
        if expected < count and count - expected - count * log(count / expected) < SURPRISE:
            reach, count = distance, 0
    return reach


def detours_around(target: bytes, network_size: float) -> tuple[bytes, ...]:
    """Points beside the target that only it and the size decide, with 8 to 32 nodes around each.

    Whoever announces and whoever asks meet at the nodes closest to these points.
    """
    wanted = int(NODE_ID_BITS - log2(max(1.0, network_size)) + _DETOUR_BITS)
    lowest = max(0, min(NODE_ID_BITS - DETOURS, wanted))
    centre = int.from_bytes(target, "big")
    points = [centre ^ 1 << bit for bit in range(lowest, lowest + DETOURS)]
    return tuple(point.to_bytes(NODE_ID_SIZE, "big") for point in points)
