"""What the swarms share, and whether it arrived."""

import hashlib
import random
from pathlib import Path

PIECE_LENGTH = 64 * 1024
FOLDER = {
    "01 — Prélude.flac": 3_000_001,
    "deux/второй файл.bin": 1_500_000,
    "deux/三/絵文字 🎵.txt": 200_003,
    "deux/empty.txt": 0,
    "smaller than a piece": 7,
    "z/also empty": 0,
}
"""Sizes by path: empty files in the middle and at the end, names beyond ASCII and Latin-1, a file
that begins and ends within one piece."""


def make_folder(parent: Path) -> Path:
    """A folder of FOLDER's files, the same at every run."""
    rng = random.Random(7)
    folder = parent / "Bücher und 音楽"
    for name, size in FOLDER.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(size))
    return folder


def make_file(parent: Path) -> Path:
    """One file whose last piece is short."""
    path = parent / "naïve 単.bin"
    path.write_bytes(random.Random(11).randbytes(3_333_333))
    return path


def digests(root: Path, *, empty_files: bool = True) -> dict[str, str]:
    """The hash of every file at or below `root`, by path."""
    files = [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]
    return {
        path.relative_to(root.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(files)
        if empty_files or path.stat().st_size
    }


def assert_same(copy: Path, original: Path, *, empty_files: bool = True) -> None:
    """Fail the test unless all files are there, no others, and every byte is right."""
    expected = digests(original, empty_files=empty_files)
    assert expected
    assert digests(copy, empty_files=empty_files) == expected
