"""Making torrents (BEP 3) from files on disk; the same files and options give the same bytes.

Only what BEP 3 defines goes into the info dictionary: no permissions, no padding files, no dates.
So the info hash is that of mktorrent and others wherever their order of files agrees.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from formats import bencode, url
from formats.bencode import Value
from formats.hashing import OnProgress, hash_pieces
from formats.metainfo import (
    MAX_HOST,
    MAX_NODES,
    MAX_PIECE_LENGTH,
    MAX_PIECES,
    Metainfo,
    MetainfoError,
    encode_metainfo,
    parse_info,
)
from formats.piece_hashes import PieceHashes
from formats.safe_path import safe_element
from formats.source_files import CreateError, SourceError, SourceFiles, base_name, collect

__all__ = ["CreateError", "Created", "SourceError", "TorrentSpec", "create", "piece_length_for"]

MIN_PIECE_LENGTH = 16 << 10
"""Bytes; one block, and the least that BEP 52 allows."""
MAX_AUTOMATIC_PIECE_LENGTH = 16 << 20
"""Bytes; a peer must have a whole piece before it can pass any of it on."""
_PIECES_WANTED = 2048
"""With 1,024 to 2,048 pieces, hashes stay small and peers soon have something to trade."""


@dataclass(frozen=True, slots=True)
class TorrentSpec:
    """What to publish, and how."""

    paths: tuple[Path, ...]
    """One file, one folder, or several of either that become a folder of the name `name`."""
    name: str | None = None
    """Default: the name of the only path."""
    tiers: tuple[tuple[str, ...], ...] = ()
    """Tracker URLs, most preferred tier first (BEP 12)."""
    nodes: tuple[tuple[str, int], ...] = ()
    """DHT nodes to start from, as (host, port) (BEP 5)."""
    web_seeds: tuple[str, ...] = ()
    """URLs that serve the same data (BEP 19)."""
    piece_length: int | None = None
    """Bytes, a power of two; default: chosen by `piece_length_for`."""
    private: bool = False
    """Peers come from the trackers alone (BEP 27)."""
    comment: str | None = None
    source: str | None = None
    """Goes into the info dictionary, so that each source has a swarm of its own."""
    created_by: str | None = None
    creation_date: int | None = None
    """Unix seconds; None leaves it out."""
    include_hidden: bool = False
    """Take dot files too."""
    allow_outside_links: bool = False
    """Follow links that lead out of the named folders."""


@dataclass(frozen=True, slots=True)
class Created:
    """A new torrent, and where its data lies."""

    torrent: bytes
    """The torrent file."""
    metainfo: Metainfo
    sources: tuple[Path, ...]
    """The file on disk of each of `metainfo.files`, in their order."""
    left_out: tuple[Path, ...]
    """Dot files, pipes, sockets and devices that were passed over."""


async def create(
    spec: TorrentSpec,
    *,
    executor: Executor | None = None,
    on_progress: OnProgress | None = None,
) -> Created:
    """Hash the files and make the torrent; the event loop never waits for a disk.

    `on_progress` gets the bytes hashed so far and in all. Raises CreateError for what the user must
    change and SourceError for files that cannot be read or that change meanwhile.
    """
    loop = asyncio.get_running_loop()
    found, length = await loop.run_in_executor(executor, _find, spec)
    hashes = await hash_pieces(found.files, length, executor=executor, on_progress=on_progress)
    return await loop.run_in_executor(executor, _assemble, spec, found, length, hashes)


def piece_length_for(total_size: int) -> int:
    """A power of two that gives about 1,000 to 2,000 pieces, from 16 KiB to 16 MiB."""
    wanted = -(-total_size // _PIECES_WANTED)
    fitting = 1 << max(wanted - 1, 0).bit_length()
    return min(max(fitting, MIN_PIECE_LENGTH), MAX_AUTOMATIC_PIECE_LENGTH)


def _find(spec: TorrentSpec) -> tuple[SourceFiles, int]:
    """The files, and the length of a piece."""
    _check(spec)
    found = collect(
        spec.paths,
        include_hidden=spec.include_hidden,
        allow_outside_links=spec.allow_outside_links,
    )
    length = spec.piece_length or piece_length_for(found.total_size)
    _check_count(found.total_size, length)
    return found, length


def _assemble(
    spec: TorrentSpec, found: SourceFiles, piece_length: int, hashes: PieceHashes
) -> Created:
    """The torrent, read back with the parser that will meet it everywhere else."""
    info: dict[bytes, Value] = {
        b"name": _name(spec).encode(),
        b"piece length": piece_length,
        b"pieces": hashes.digests,
    }
    if found.files[0].elements:
        info[b"files"] = [
            {b"length": file.size, b"path": [element.encode() for element in file.elements]}
            for file in found.files
        ]
    else:
        info[b"length"] = found.files[0].size
    if spec.private:
        info[b"private"] = 1
    if spec.source is not None:
        info[b"source"] = spec.source.encode()
    try:
        metainfo = parse_info(bencode.encode(info))
    except MetainfoError as error:
        raise CreateError(f"other clients would refuse this torrent: {error}") from error
    metainfo = replace(
        metainfo,
        comment=spec.comment,
        created_by=spec.created_by,
        creation_date=spec.creation_date,
        tiers=spec.tiers,
        nodes=spec.nodes,
        web_seeds=spec.web_seeds,
    )
    sources = tuple(file.path for file in found.files)
    return Created(encode_metainfo(metainfo), metainfo, sources, found.left_out)


def _name(spec: TorrentSpec) -> str:
    return base_name(spec.paths[0]) if spec.name is None else spec.name


def _check(spec: TorrentSpec) -> None:
    """Raises CreateError for options that do not make sense."""
    if not spec.paths:
        raise CreateError("nothing to publish: no file or folder is given")
    if spec.name is None and len(spec.paths) > 1:
        raise CreateError("a torrent of several paths needs a name")
    name = _name(spec)
    if safe_element(name) != name:
        raise CreateError(f"{name!r} is no good name for a torrent; try {safe_element(name)!r}")
    length = spec.piece_length
    if length is not None and (
        not MIN_PIECE_LENGTH <= length <= MAX_PIECE_LENGTH or length & (length - 1)
    ):
        raise CreateError(
            f"a piece length of {length} bytes is not a power of two"
            f" from {MIN_PIECE_LENGTH} to {MAX_PIECE_LENGTH}"
        )
    if len(spec.tiers) > url.MAX_TIERS or not all(spec.tiers):
        raise CreateError(f"trackers come in at most {url.MAX_TIERS} tiers, none of them empty")
    trackers = [tracker for tier in spec.tiers for tracker in tier]
    _check_urls("tracker", trackers, url.is_tracker_url, url.MAX_TRACKERS)
    _check_urls("web seed", list(spec.web_seeds), url.is_web_seed_url, url.MAX_WEB_SEEDS)
    _check_nodes(spec.nodes)
    _check_texts(spec)
    if spec.private and not spec.tiers:
        raise CreateError("a private torrent needs a tracker: its peers come from nowhere else")
    if spec.private and spec.nodes:
        raise CreateError("a private torrent cannot name DHT nodes")


def _check_urls(what: str, urls: list[str], accept: Callable[[str], bool], at_most: int) -> None:
    if len(urls) > at_most:
        raise CreateError(f"{len(urls)} {what}s; {at_most} is the most that clients keep")
    for address in urls:
        if not accept(address):
            raise CreateError(f"not the URL of a {what}: {address!r}")


def _check_nodes(nodes: tuple[tuple[str, int], ...]) -> None:
    if len(nodes) > MAX_NODES:
        raise CreateError(f"{len(nodes)} DHT nodes; {MAX_NODES} is the most that clients keep")
    for host, port in nodes:
        if not (0 < len(host) <= MAX_HOST and host.isascii() and host.isprintable()):
            raise CreateError(f"not the host of a DHT node: {host!r}")
        if not 0 < port < 1 << 16:
            raise CreateError(f"not the port of a DHT node: {port}")


def _check_texts(spec: TorrentSpec) -> None:
    for text in (spec.comment, spec.source, spec.created_by):
        try:
            (text or "").encode()
        except UnicodeEncodeError:
            raise CreateError(f"not text that can be written in UTF-8: {text!r}") from None


def _check_count(total_size: int, piece_length: int) -> None:
    """Raises CreateError, before anything is hashed, if the torrent file would be too large."""
    most = min(MAX_PIECES, bencode.METAINFO.size // PieceHashes.digest_size)
    count = -(-total_size // piece_length)
    if count > most:
        raise CreateError(
            f"pieces of {piece_length} bytes would be {count}; {most} is the most that clients"
            " take, so choose longer ones"
        )
