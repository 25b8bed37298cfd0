"""Who sent the bad block? Finding liars when only whole pieces have a hash (P11).

A piece from one source that fails: that source lied. A piece from several: the digest of every
block is remembered with its source, the sources are suspects, and suspects fetch alone ("on
parole"). When the piece passes at last, the true blocks are known, and exactly those whose
remembered digest differs lied. Somebody who only shared a piece with a liar is cleared.

Threats: a liar that hides behind honest peers; one that gets honest peers banned by sharing their
pieces; memory for digests (bounded: the oldest piece is forgotten).
"""

import hashlib
from collections.abc import Sequence

TRUST_LOST = 2
"""Trust taken for a share in a bad piece; given back when the digests clear the suspect."""

TRUST_GAINED = 1
"""Trust for a share in a good piece."""

MAXIMUM_TRUST = 8
"""Trust cannot be hoarded without end (libtorrent's bound)."""

MINIMUM_TRUST = -7
"""At or below this a source is banned (libtorrent's bound)."""

MAXIMUM_DIGESTS = 20_000
"""Digests remembered: about 2 MiB."""

MAXIMUM_SOURCES = 4_096
"""Sources whose trust is remembered; the oldest are forgotten."""

_Evidence = dict[tuple[int, str, bytes], None]
"""Of one failed piece: block, source, SHA-1 of what the source sent; in order of arrival."""


class SmartBan:
    """Suspects and evidence of one torrent. A source is the name a ban goes by, normally an IP."""

    def __init__(self, block_size: int) -> None:
        self._block_size = block_size
        self._evidence: dict[int, _Evidence] = {}
        self._digests = 0
        self._trust: dict[str, int] = {}
        self._suspicions: dict[str, dict[int, bool]] = {}
        """For each suspect the failed pieces it is in, and whether that one cost it trust."""

    def on_parole(self, source: str) -> bool:
        """True while the source is a suspect: it may only fetch pieces alone."""
        return source in self._suspicions

    def is_suspicious(self, index: int) -> bool:
        """True if this piece failed before: fetch it from one source alone."""
        return index in self._evidence

    def trust(self, source: str) -> int:
        """Trust in the source, MINIMUM_TRUST to MAXIMUM_TRUST; 0 for a stranger."""
        return self._trust.get(source, 0)

    def piece_failed(self, index: int, buffer: memoryview, givers: Sequence[str]) -> list[str]:
        """The hash of a piece does not match; `givers` names the source of each block.

        Returns the sources to ban now.
        """
        sources = list(dict.fromkeys(givers))
        if len(sources) == 1:
            self.forget(sources[0])
            return sources
        evidence = self._evidence.setdefault(index, {})
        self._digests -= len(evidence)
        for block, source in enumerate(givers):
            evidence[block, source, self._digest(buffer, block)] = None
        self._digests += len(evidence)
        banned = [source for source in sources if self._suspect(source, index)]
        self._bound()
        return banned

    def piece_passed(self, index: int, buffer: memoryview, givers: Sequence[str]) -> list[str]:
        """The hash of a piece matches. Returns the sources now shown to have lied about it."""
        for source in dict.fromkeys(givers):
            self._add_trust(source, TRUST_GAINED)
        evidence = self._evidence.pop(index, None)
        if evidence is None:
            return []
        self._digests -= len(evidence)
        truth: dict[int, bytes] = {}
        liars: dict[str, None] = {}
        for block, source, digest in evidence:
            if block not in truth:
                truth[block] = self._digest(buffer, block)
            if digest != truth[block]:
                liars[source] = None
        for source in liars:
            self.forget(source)
        self._clear(index)
        return list(liars)

    def forget(self, source: str) -> None:
        """The source is banned: nothing about it needs to be remembered."""
        self._suspicions.pop(source, None)
        self._trust.pop(source, None)

    def _suspect(self, source: str, index: int) -> bool:
        """Put a source on parole; True if its trust is used up."""
        suspicions = self._suspicions.setdefault(source, {})
        if index in suspicions:
            return False
        # Only the first suspicion costs trust: the pieces that were under way at that moment are
        # not shared by choice, and an honest peer must not be banned for a liar's haste.
        costs = not suspicions
        suspicions[index] = costs
        if costs:
            self._add_trust(source, -TRUST_LOST)
        if self.trust(source) > MINIMUM_TRUST:
            return False
        self.forget(source)
        return True

    def _clear(self, index: int) -> None:
        """Piece `index` is settled: whoever is still a suspect for it was honest."""
        for source in [s for s, pieces in self._suspicions.items() if index in pieces]:
            suspicions = self._suspicions[source]
            if suspicions.pop(index):
                self._add_trust(source, TRUST_LOST)
            if not suspicions:
                del self._suspicions[source]

    def _add_trust(self, source: str, change: int) -> None:
        trust = self._trust.pop(source, 0) + change
        self._trust[source] = max(MINIMUM_TRUST, min(MAXIMUM_TRUST, trust))
        if len(self._trust) > MAXIMUM_SOURCES:
            del self._trust[next(iter(self._trust))]

    def _bound(self) -> None:
        while self._digests > MAXIMUM_DIGESTS:
            oldest = next(iter(self._evidence))
            self._digests -= len(self._evidence.pop(oldest))
            for source in list(self._suspicions):
                self._suspicions[source].pop(oldest, None)
                if not self._suspicions[source]:
                    del self._suspicions[source]

    def _digest(self, buffer: memoryview, block: int) -> bytes:
        begin = block * self._block_size
        view = buffer[begin : begin + self._block_size]
        return hashlib.sha1(view, usedforsecurity=False).digest()
