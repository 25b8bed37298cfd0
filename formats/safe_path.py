"""File names out of strangers' torrents, made safe to create below a directory of our choice.

Torrents are written by anyone. What they try, and the answer:

* `..`, absolute paths, separators inside an element, NUL: no element that `safe_element` returns
  can leave its directory (T1);
* names that elsewhere mean another file than they say: drives and streams (`C:`, `a:b`), devices
  (`CON`, `com1.txt`), trailing dots and spaces (T1);
* control and bidirectional characters, which forge what a terminal or a file list shows (T1);
* elements or paths longer than file systems take, nesting without end (T3);
* invalid UTF-8, names that differ only by case or normalisation, a file that has the name of a
  directory: `PathRegistry` gives each file a path of its own (T4).

The same torrent gets the same paths on every machine, so that its data can be moved between them.
Characters that some system merely refuses (`< > " | ? *`) mean nothing else anywhere and stay.
"""

import hashlib
import re
from collections.abc import Iterable
from unicodedata import normalize

from formats.errors import ProtocolError

MAX_ELEMENT_BYTES = 255
"""UTF-8 bytes of one element; NAME_MAX of every common file system."""
MAX_PATH_BYTES = 4096
"""UTF-8 bytes of a path, its separators included; PATH_MAX of Linux."""
MAX_DEPTH = 100
"""Directories above a file; the figure is libtorrent's."""
MAX_NAMESAKES = 500
"""Files whose paths collide, before the torrent is refused; the figure is libtorrent's."""

_MAX_EXTENSION_BYTES = 32
"""A longer ending is not taken for an extension when a name is shortened."""

_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f/\\:\u2028\u2029\ud800-\udfff]")
_TRAILING = re.compile(r"[. ]+\Z")
_DEVICE_NAME = r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|\Z)"
_DEVICE = re.compile(_DEVICE_NAME, re.I)
_PLAIN = re.compile(
    f"(?!(?i:{_DEVICE_NAME}))" + r"[A-Za-z0-9_\-+()\[\] .,&']{0,253}[A-Za-z0-9_\-+()\[\]]"
)
"""Almost all names: a quick way to say that nothing needs to change."""


class PathError(ProtocolError):
    """A path that no renaming makes fit to create."""


def safe_element(text: str) -> str:
    """The name under which one element of a path may be created; `text` itself if that is safe.

    Never empty, never `.` or `..`, at most MAX_ELEMENT_BYTES of UTF-8, without separators.
    Bidirectional controls are dropped; each other forbidden character becomes `_`.
    """
    if _PLAIN.fullmatch(text):
        return text
    text = _FORBIDDEN.sub("_", _BIDI.sub("", text)) or "_"
    text = _TRAILING.sub(lambda run: "_" * len(run[0]), text)
    if _DEVICE.match(text):
        text = "_" + text
    if len(text.encode()) > MAX_ELEMENT_BYTES:
        mark = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:8]
        text = _shortened(text, f"~{mark}")
    return text


def is_safe_element(text: str) -> bool:
    """Whether a file of exactly this name may be created."""
    return safe_element(text) == text


def _shortened(name: str, suffix: str) -> str:
    """`name` with `suffix` before its extension, cut between characters to MAX_ELEMENT_BYTES."""
    stem, dot, extension = name.rpartition(".")
    ending = dot + extension
    if not stem or len(ending.encode()) > _MAX_EXTENSION_BYTES:
        stem, ending = name, ""
    room = MAX_ELEMENT_BYTES - len((suffix + ending).encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix + ending


class PathRegistry:
    """The paths of one torrent's files: each its own, on any file system.

    All directories are known before the first file, so that a file never takes the name of a
    directory, whichever comes first in the torrent.
    """

    def __init__(self, directories: Iterable[tuple[str, ...]]) -> None:
        """Reserve `directories` and their parents, given as safe elements. Raises PathError."""
        self._directories: set[str] = set()
        self._files: set[str] = set()
        self._namesakes: dict[str, int] = {}
        for directory in directories:
            _check_extent(directory)
            key = _key(directory)
            while key not in self._directories:
                self._directories.add(key)
                key = key.rpartition("/")[0]

    def claim(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """The path for one more file: `path`, or `path` with a number before its extension.

        `path` consists of safe elements, its directory was reserved. Raises PathError.
        """
        key = _key(path)
        if not self._taken(key):
            self._files.add(key)
            return path
        for number in range(self._namesakes.get(key, 0) + 1, MAX_NAMESAKES):
            self._namesakes[key] = number
            numbered = (*path[:-1], _shortened(path[-1], f".{number}"))
            other = _key(numbered)
            if not self._taken(other):
                self._files.add(other)
                return numbered
        raise PathError(f"more than {MAX_NAMESAKES} files want to be named {path[-1]!r}")

    def _taken(self, key: str) -> bool:
        return key in self._files or key in self._directories


def _key(path: tuple[str, ...]) -> str:
    """Equal for paths that some file system takes for one: case and normalisation folded."""
    text = "/".join(path)
    return text.lower() if text.isascii() else normalize("NFC", normalize("NFC", text).casefold())


def _check_extent(path: tuple[str, ...]) -> None:
    """Raises PathError if a directory is deeper or longer than file systems take."""
    if len(path) > MAX_DEPTH:
        raise PathError(f"a file lies {len(path)} directories deep, {MAX_DEPTH} allowed")
    joined = "/".join(path)
    if len(joined.encode()) > MAX_PATH_BYTES - MAX_ELEMENT_BYTES:
        raise PathError(f"a path is longer than {MAX_PATH_BYTES} bytes: {joined[:50]!r}…")
