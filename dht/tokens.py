"""Write tokens: who announces or puts has asked from the same address a short while ago (BEP 5).

A stranger who could make a token, or use that of another address, would sign up victims for
swarms (D4). A token is a keyed hash (BLAKE2b, a MAC by itself) of the asker's address and ID and
of what it asked for; a secret is made every five minutes and the one before still counts.
"""

import random
from hashlib import blake2b
from hmac import compare_digest

ROTATION_SECONDS = 300.0
"""Age at which a secret is replaced; a token lives for five to ten minutes (BEP 5)."""
TOKEN_SIZE = 8
"""Bytes; guessing one takes 2^63 datagrams within ten minutes."""
_SECRET_SIZE = 32


class Tokens:
    """Issues tokens and recognises them. Times are seconds of one monotonic clock."""

    __slots__ = ("_previous", "_rng", "_rotates_at", "_secret")

    def __init__(self, rng: random.Random, now: float) -> None:
        self._rng = rng
        self._secret = rng.randbytes(_SECRET_SIZE)
        self._previous = rng.randbytes(_SECRET_SIZE)
        self._rotates_at = now + ROTATION_SECONDS

    def issue(self, host: bytes, sender: bytes, target: bytes, now: float) -> bytes:
        """The token for a node that asks about `target`; `host` is its address, 4 or 16 bytes."""
        if now >= self._rotates_at:
            self._rotate(now)
        return _token(self._secret, host, sender, target)

    def accepts(
        self, token: bytes, host: bytes, sender: bytes, target: bytes, *, now: float
    ) -> bool:
        """Whether `token` was issued to this node for this target at most ten minutes ago."""
        if now >= self._rotates_at:
            self._rotate(now)
        is_new = compare_digest(token, _token(self._secret, host, sender, target))
        is_old = compare_digest(token, _token(self._previous, host, sender, target))
        return is_new or is_old

    def _rotate(self, now: float) -> None:
        """Keep to a fixed beat, so that no token is accepted for more than two beats."""
        if now < self._rotates_at + ROTATION_SECONDS:
            self._previous = self._secret
            self._rotates_at += ROTATION_SECONDS
        else:
            self._previous = self._rng.randbytes(_SECRET_SIZE)
            self._rotates_at = now + ROTATION_SECONDS
        self._secret = self._rng.randbytes(_SECRET_SIZE)


def _token(secret: bytes, host: bytes, sender: bytes, target: bytes) -> bytes:
    # sender and target have 20 bytes each, so that no two triples are the same bytes
    return blake2b(sender + target + host, digest_size=TOKEN_SIZE, key=secret).digest()
