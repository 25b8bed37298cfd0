"""Text of strangers, made safe for a terminal.

Threats: a torrent's name, comment or client that carries ANSI escapes, carriage returns or
bidirectional overrides to repaint the screen, forge a line or hide an extension (T10).
"""

_HARMLESS = frozenset("\u00a0\u3000\u200c\u200d")
"""Spaces and joiners that names of several scripts need and `str.isprintable` refuses."""


def printable(text: str) -> str:
    """`text` with everything a terminal could obey written out as an escape, on one line."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _HARMLESS else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
