"""What is shared: bytes, and the torrent made of them."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from formats import bencode
from formats.metainfo import File, Metainfo, parse_metainfo

TRACKER = "http://tracker:6969/announce"
MIB = 1 << 20
KIB = 1 << 10


@dataclass(frozen=True, slots=True)
class Content:
    """The whole torrent's bytes, files one after the other, and its metainfo."""

    data: bytes
    metainfo: Metainfo

    def of_file(self, file: File) -> bytes:
        return self.data[file.offset : file.offset + file.length]


def content(
    size: int = 2 * MIB,
    *,
    piece: int = 32 * KIB,
    tiers: Sequence[Sequence[str]] = ((TRACKER,),),
    private: bool = False,
    files: Sequence[int] = (),
) -> Content:
    """Random bytes, in one file or in several of the sizes `files` (then `size` does not count)."""
    data = random.Random(size).randbytes(sum(files) or size)
    starts = range(0, len(data), piece)
    info: dict[bytes, bencode.Value] = {
        b"name": b"payload",
        b"piece length": piece,
        b"pieces": b"".join(hashlib.sha1(data[i : i + piece]).digest() for i in starts),
    }
    if files:
        info[b"files"] = [
            {b"length": length, b"path": [b"file%d" % n]} for n, length in enumerate(files)
        ]
    else:
        info[b"length"] = size
    if private:
        info[b"private"] = 1
    outer: dict[bytes, bencode.Value] = {b"info": info}
    if tiers:
        outer[b"announce-list"] = [[url.encode() for url in tier] for tier in tiers]
    return Content(data, parse_metainfo(bencode.encode(outer)))
