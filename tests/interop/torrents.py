"""Making torrents, with our command and with others."""

import subprocess
import sys
from pathlib import Path

import libtorrent

from tests.interop.availability import require
from tests.interop.payload import PIECE_LENGTH


def make_with_everswarm(content: Path, target: Path, tracker: str) -> Path:
    """A torrent made by `everswarm create`."""
    _run(
        sys.executable, "-m", "node", "create", content, "-o", target, "--quiet",
        "--tracker", tracker, "--piece-length", str(PIECE_LENGTH),
    )  # fmt: skip
    return target


def make_with_mktorrent(content: Path, target: Path, tracker: str) -> Path:
    """A torrent made by mktorrent."""
    require("mktorrent")
    exponent = PIECE_LENGTH.bit_length() - 1
    _run("mktorrent", "-a", tracker, "-l", str(exponent), "-o", target, content)
    return target


def make_with_libtorrent(content: Path, target: Path, tracker: str) -> Path:
    """A v1 torrent made by libtorrent."""
    creator = libtorrent.create_torrent(
        libtorrent.list_files(str(content)), PIECE_LENGTH, libtorrent.create_torrent.v1_only
    )
    creator.add_tracker(tracker)
    libtorrent.set_piece_hashes(creator, str(content.parent))
    target.write_bytes(libtorrent.bencode(creator.generate()))
    return target


def info_hash(torrent: Path) -> bytes:
    """What the trackers know the torrent by, as libtorrent reads it."""
    digest: bytes = libtorrent.torrent_info(str(torrent)).info_hashes().v1.to_bytes()
    return digest


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)
