"""Blind mutation of valid inputs: the byte-level accidents and attacks that parsers meet."""

import random

INTERESTING = (
    *(0, 1, 2, 16, 32, 64, 100, 127, 128, 255, 256, 1023, 16384, 65535),
    *(2**31 - 1, 2**32 - 1),
)
TOKENS = (
    *(b"d", b"l", b"i", b"e", b"0:", b"1:", b"-", b"99999999999:", b"i-0e", b"i0e"),
    *(b"%", b"\r\n"),
)


def mutate(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Return `data` with one to four random edits; `other` is a second seed to splice from."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        _edit(out, other, rng)
    return bytes(out)


def _edit(out: bytearray, other: bytes, rng: random.Random) -> None:
    at = rng.randrange(len(out) + 1)
    kind = rng.randrange(9)
    if kind == 0 and out:
        out[at % len(out)] ^= 1 << rng.randrange(8)
    elif kind == 1 and out:
        out[at % len(out)] = rng.randrange(256)
    elif kind == 2:
        del out[at : at + rng.choice((1, 1, 2, 4, 8, 64))]
    elif kind == 3:
        out[at:at] = rng.randbytes(rng.choice((1, 1, 2, 4, 8)))
    elif kind == 4:
        out[at:at] = rng.choice(TOKENS)
    elif kind == 5:
        width = rng.choice((1, 2, 4, 8))
        value = rng.choice(INTERESTING) % (1 << (8 * width))
        out[at : at + width] = value.to_bytes(width, rng.choice(("big", "little")))
    elif kind == 6:
        chunk = bytes(out[at : at + rng.randrange(1, 33)])
        out[at:at] = chunk * rng.choice((1, 2, 8, 64))
    elif kind == 7 and other:
        start = rng.randrange(len(other))
        out[at:] = other[start:]
    else:
        del out[at:]
