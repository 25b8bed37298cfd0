"""Connection IDs of the UDP tracker: proof that a client receives what is sent to its address.

Who could make one would have replies sent, and peers entered, at the address of a victim (K9). An
ID is a keyed hash (BLAKE2b, a MAC by itself) of the address and of the time in steps of two
minutes, so that the tracker remembers nothing of those who only connect (BEP 15).
"""

import random
from hashlib import blake2b

STEP_SECONDS = 120.0
"""IDs of this step and of the one before count: each for two minutes at least (BEP 15)."""
_SECRET_SIZE = 32
_ID_SIZE = 8


class ConnectionIds:
    """Issues and recognises them. `now` is monotonic seconds."""

    __slots__ = ("_secret",)

    def __init__(self, rng: random.Random) -> None:
        self._secret = rng.randbytes(_SECRET_SIZE)

    def issue(self, ip: bytes, now: float) -> int:
        """The ID for a client at `ip` (4 or 16 bytes)."""
        return self._make(ip, int(now // STEP_SECONDS))

    def accepts(self, connection: int, ip: bytes, now: float) -> bool:
        """Whether `connection` was issued to `ip` lately: not longer ago than four minutes."""
        step = int(now // STEP_SECONDS)
        return connection == self._make(ip, step) or connection == self._make(ip, step - 1)

    def _make(self, ip: bytes, step: int) -> int:
        moment = step.to_bytes(8, "big", signed=True)
        digest = blake2b(moment + ip, digest_size=_ID_SIZE, key=self._secret).digest()
        return int.from_bytes(digest, "big")
