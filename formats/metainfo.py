"""Torrent files and info dictionaries (BEP 3, 5, 12, 19, 27, 47): strangers' bytes, typed values.

What strangers try, and the answer:

* an info dictionary that two parsers read differently: the info hash covers the original bytes,
  keys that repeat are refused (B5, B6);
* paths that leave the download directory or collide: every path is renamed to a safe one of its
  own, the original kept beside it (T1, T3, T4);
* symbolic links: they have no length and are never created (T2);
* absurd piece lengths, sizes and counts: refused before anything is allocated (T5, T6, T11);
* torrents that need a version we do not speak: refused in a sentence that says so (T7);
* a million trackers, nodes or web seeds, odd schemes: the first few good ones are kept (T8);
* markup and escapes in texts: kept as data, cut to a length; whoever shows them escapes (T10).

A wrong type in a field that can be missed counts as absent (B9).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from formats import bencode, url
from formats.bencode import Value, get_bytes, get_dict, get_int, get_list, get_text
from formats.errors import ProtocolError
from formats.file_list import File, FileListError, read_files
from formats.identifiers import InfoHash
from formats.piece_hashes import PieceHashes
from formats.safe_path import PathError, safe_element

__all__ = [
    "File",
    "Metainfo",
    "MetainfoError",
    "PieceHashes",
    "encode_metainfo",
    "parse_info",
    "parse_metainfo",
]

MAX_PIECES = 2_097_152
"""The figure is libtorrent's."""
MAX_PIECE_LENGTH = 512 << 20
"""Bytes; libtorrent refuses longer pieces too."""
MAX_NODES = 100
"""DHT nodes kept of one torrent (BEP 5)."""
MAX_TEXT = 4096
"""Characters kept of a comment and the like."""
MAX_HOST = 255
"""Characters of a host name (RFC 1035)."""

_LENIENT = replace(bencode.METAINFO, strict=False)


class MetainfoError(ProtocolError):
    """Bytes that are not a torrent, or one that we cannot download."""


@dataclass(frozen=True, slots=True)
class Metainfo:
    """One torrent: what its info dictionary fixes, and what the file around it suggests."""

    info_hash: InfoHash
    info_hash_v2: bytes | None
    """SHA-256 of the info dictionary of a hybrid torrent (BEP 52), which is read as version 1."""
    info_bytes: bytes
    """The info dictionary exactly as it came."""
    name: str
    """A safe file name: the single file, or the directory of the files."""
    piece_length: int
    """Bytes of every piece but the last."""
    hashes: PieceHashes
    files: tuple[File, ...]
    """In the order of the torrent's byte space; paths start with `name`."""
    total_size: int
    """Bytes of all files, padding included."""
    is_private: bool
    """Peers come from the trackers alone (BEP 27)."""
    is_single_file: bool
    source: str | None
    comment: str | None = None
    created_by: str | None = None
    creation_date: int | None = None
    """Unix seconds."""
    tiers: tuple[tuple[str, ...], ...] = ()
    """Tracker URLs, most preferred tier first (BEP 12)."""
    nodes: tuple[tuple[str, int], ...] = ()
    """DHT nodes as (host name or address, port) (BEP 5)."""
    web_seeds: tuple[str, ...] = ()
    """URLs that serve the same data (BEP 19)."""

    @property
    def piece_count(self) -> int:
        """Pieces of the torrent, at least one."""
        return len(self.hashes)

    @property
    def trackers(self) -> tuple[str, ...]:
        """The tracker URLs of all tiers."""
        return tuple(tracker for tier in self.tiers for tracker in tier)

    def piece_size(self, index: int) -> int:
        """Bytes of piece `index`; the last one may be shorter."""
        return min(self.piece_length, self.total_size - index * self.piece_length)


def parse_metainfo(data: bytes) -> Metainfo:
    """Read a torrent file. Raises MetainfoError.

    Keys out of order are accepted, because the info hash covers the original bytes.
    """
    try:
        outer, metainfo = _parse_file(data)
    except (bencode.BencodeError, FileListError, PathError) as error:
        raise MetainfoError(str(error)) from error
    return replace(
        metainfo,
        comment=_text(outer, b"comment"),
        created_by=_text(outer, b"created by"),
        creation_date=get_int(outer, b"creation date", minimum=0),
        tiers=_tiers(outer),
        nodes=tuple(islice(_nodes(outer), MAX_NODES)),
        web_seeds=_web_seeds(outer),
    )


def parse_info(info_bytes: bytes) -> Metainfo:
    """Read an info dictionary, as `ut_metadata` delivers it (BEP 9). Raises MetainfoError."""
    try:
        return _parse_info(info_bytes)
    except (bencode.BencodeError, FileListError, PathError) as error:
        raise MetainfoError(str(error)) from error


def encode_metainfo(metainfo: Metainfo) -> bytes:
    """The torrent file of `metainfo`, its info dictionary unchanged. Equal values, equal bytes."""
    trackers = metainfo.trackers
    fields: dict[bytes, Value] = {}
    if trackers:
        fields[b"announce"] = trackers[0].encode()
    if len(trackers) > 1:
        fields[b"announce-list"] = [[t.encode() for t in tier] for tier in metainfo.tiers]
    if metainfo.comment is not None:
        fields[b"comment"] = metainfo.comment.encode()
    if metainfo.created_by is not None:
        fields[b"created by"] = metainfo.created_by.encode()
    if metainfo.creation_date is not None:
        fields[b"creation date"] = metainfo.creation_date
    if metainfo.nodes:
        fields[b"nodes"] = [[host.encode(), port] for host, port in metainfo.nodes]
    if metainfo.web_seeds:
        fields[b"url-list"] = [web_seed.encode() for web_seed in metainfo.web_seeds]
    encoded = {key: bencode.encode(value) for key, value in fields.items()}
    encoded[b"info"] = metainfo.info_bytes
    pairs = (bencode.encode(key) + encoded[key] for key in sorted(encoded))
    return b"d" + b"".join(pairs) + b"e"


def _parse_file(data: bytes) -> tuple[dict[bytes, Value], Metainfo]:
    """The outer dictionary of a torrent file, and its info dictionary read."""
    try:
        outer = bencode.decode_dict(data, bencode.METAINFO)
    except bencode.BencodeError:
        outer = bencode.decode_dict(data, _LENIENT)
        return outer, _parse_info(bencode.raw_value(data, b"info", _LENIENT))
    info = get_dict(outer, b"info")
    if info is None:
        raise MetainfoError("the torrent has no info dictionary")
    return outer, _read_info(info, _info_slice(data, outer))


def _info_slice(data: bytes, outer: dict[bytes, Value]) -> bytes:
    """The original bytes of the info dictionary in strictly decoded `data`.

    What was decoded strictly has one encoding only, so the sizes of its neighbours locate it.
    """
    before = after = 1
    for key, value in outer.items():
        if key < b"info":
            before += len(bencode.encode(key)) + len(bencode.encode(value))
        elif key > b"info":
            after += len(bencode.encode(key)) + len(bencode.encode(value))
    return data[before + len(b"4:info") : len(data) - after]


def _parse_info(info_bytes: bytes) -> Metainfo:
    try:
        info = bencode.decode_dict(info_bytes, bencode.METAINFO)
    except bencode.BencodeError:
        info = bencode.decode_dict(info_bytes, _LENIENT)
        if len(bencode.encode(info)) != len(info_bytes):
            raise MetainfoError("the info dictionary has a key twice") from None
    return _read_info(info, info_bytes)


def _read_info(info: dict[bytes, Value], info_bytes: bytes) -> Metainfo:
    is_hybrid = _is_hybrid(info)
    piece_length = get_int(info, b"piece length", minimum=1, maximum=MAX_PIECE_LENGTH)
    if piece_length is None:
        raise MetainfoError(f"the piece length is not a number from 1 to {MAX_PIECE_LENGTH}")
    raw_name = get_bytes(info, b"name.utf-8") or get_bytes(info, b"name")
    if raw_name is None:
        raise MetainfoError("the torrent has no name")
    info_hash = InfoHash(hashlib.sha1(info_bytes, usedforsecurity=False).digest())
    original_name = raw_name.decode(errors="replace") or info_hash.hex()
    name = safe_element(original_name)
    files = tuple(read_files(info, name, original_name))
    total_size = files[-1].offset + files[-1].length
    return Metainfo(
        info_hash=info_hash,
        info_hash_v2=hashlib.sha256(info_bytes).digest() if is_hybrid else None,
        info_bytes=info_bytes,
        name=name,
        piece_length=piece_length,
        hashes=_piece_hashes(info, total_size, piece_length),
        files=files,
        total_size=total_size,
        is_private=bool(get_int(info, b"private")),
        is_single_file=b"length" in info,
        source=_text(info, b"source"),
    )


def _is_hybrid(info: dict[bytes, Value]) -> bool:
    """Whether `info` serves both versions. Raises MetainfoError if it does not serve version 1."""
    version = info.get(b"meta version", 1)
    if type(version) is not int or version > 2:
        raise MetainfoError(f"the torrent's version is {version!r:.20}; we speak versions 1 and 2")
    if b"pieces" not in info and (version == 2 or b"file tree" in info):
        raise MetainfoError(
            "the torrent is of BitTorrent version 2 only; we need one of version 1 or a hybrid"
        )
    return version == 2


def _piece_hashes(info: dict[bytes, Value], total_size: int, piece_length: int) -> PieceHashes:
    """The hashes of all pieces, whose number follows from the sizes. Raises MetainfoError."""
    count = -(-total_size // piece_length)
    if count > MAX_PIECES:
        raise MetainfoError(f"the torrent has {count} pieces, {MAX_PIECES} allowed")
    digests = get_bytes(info, b"pieces", size=count * PieceHashes.digest_size)
    if digests is None:
        raise MetainfoError(
            f"the torrent does not carry {count} piece hashes for its {count} pieces"
        )
    return PieceHashes(digests)


def _text(source: dict[bytes, Value], key: bytes) -> str | None:
    return get_text(source, key + b".utf-8", at_most=MAX_TEXT) or get_text(
        source, key, at_most=MAX_TEXT
    )


def _tiers(outer: dict[bytes, Value]) -> tuple[tuple[str, ...], ...]:
    """The usable trackers, each once; `announce` counts if `announce-list` has none (BEP 12)."""
    tiers: list[tuple[str, ...]] = []
    seen: set[str] = set()
    for listed in (get_list(outer, b"announce-list") or [])[: url.MAX_CONSIDERED]:
        texts = [text for text in _strings(listed) if text not in seen]
        tier = url.distinct(texts, url.is_tracker_url, at_most=url.MAX_TRACKERS - len(seen))
        if tier and len(tiers) < url.MAX_TIERS:
            tiers.append(tier)
            seen.update(tier)
    if not tiers:
        tier = url.distinct(_strings([outer.get(b"announce")]), url.is_tracker_url, at_most=1)
        tiers = [tier] if tier else []
    return tuple(tiers)


def _web_seeds(outer: dict[bytes, Value]) -> tuple[str, ...]:
    """`url-list` is one URL or a list of them (BEP 19)."""
    listed = outer.get(b"url-list")
    texts = _strings(listed if type(listed) is list else [listed])
    return url.distinct(texts, url.is_web_seed_url, at_most=url.MAX_WEB_SEEDS)


def _strings(listed: object) -> list[str]:
    """The byte strings of a list as text, as many as are looked at; of anything else, nothing."""
    if type(listed) is not list:
        return []
    return [
        element.decode(errors="replace").strip()
        for element in listed[: url.MAX_CONSIDERED]
        if type(element) is bytes
    ]


def _nodes(outer: dict[bytes, Value]) -> Iterator[tuple[str, int]]:
    """`nodes` is a list of `[host, port]` (BEP 5)."""
    for node in get_list(outer, b"nodes") or []:
        match node:
            case [bytes(host), int(port)] if 0 < len(host) <= MAX_HOST and 0 < port < 1 << 16:
                if host.isascii() and (text := host.decode()).isprintable():
                    yield text, port
