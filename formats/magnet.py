"""Magnet links (BEP 9, BEP 53): the name of a torrent and a few hints, in one line of text.

Links are pasted from anywhere. What they try, and the answer:

* thousands of `tr`, `ws` or `x.pe`: the link is short and the first good ones are kept (T9);
* an `xt` of the wrong length or alphabet, or two that disagree: refused (T9);
* `so` ranges of billions of files: kept as ranges, never expanded (T9);
* `file://` and other schemes: dropped as in torrent files (T8);
* names with markup and escapes: kept as data; whoever shows them escapes (T10).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote

from formats import url
from formats.endpoint import EndpointError, split_host_port
from formats.errors import ProtocolError
from formats.identifiers import IdentifierError, InfoHash, parse_info_hash
from formats.metainfo import Metainfo

MAX_LINK = 1 << 16
"""Characters; a hundred trackers fit."""
MAX_NAME = 1024
"""Characters kept of the display name."""
MAX_PEERS = 100
"""Peers kept of one link."""
MAX_FILE_INDEX = 2**31 - 1
"""Files beyond it cannot be selected; no torrent has as many."""
MAX_RANGES = 1_000
"""Ranges kept of `so`."""

_SHA256_MULTIHASH = bytes([0x12, 32])
"""The tag of a SHA-256 of 32 bytes in the multihash format (BEP 9)."""

FileRange = tuple[int, int]
"""First and last index of consecutive files, both included."""


class MagnetError(ProtocolError):
    """Text that is not a magnet link of a torrent we can download."""


@dataclass(frozen=True, slots=True)
class Magnet:
    """What a magnet link says; only the info hash is certain."""

    info_hash: InfoHash
    name: str | None = None
    """For display until the metadata is there (`dn`)."""
    trackers: tuple[str, ...] = ()
    """Announce URLs (`tr`)."""
    peers: tuple[tuple[str, int], ...] = ()
    """Peers to ask at once, as (host name or address, port) (`x.pe`)."""
    web_seeds: tuple[str, ...] = ()
    """URLs of the data (`ws`)."""
    selected_files: tuple[FileRange, ...] | None = None
    """The files to download, in ascending ranges; None means all (`so`, BEP 53)."""
    info_hash_v2: bytes | None = None
    """SHA-256 of a hybrid torrent's info dictionary (`xt=urn:btmh`)."""
    exact_length: int | None = None
    """Bytes of the torrent (`xl`)."""

    def selects(self, index: int) -> bool:
        """Whether the file at `index` of the torrent is to be downloaded."""
        ranges = self.selected_files
        return ranges is None or any(first <= index <= last for first, last in ranges)

    def __str__(self) -> str:
        """The link; colons and brackets of `x.pe` stay as they are, for other clients want that."""
        fields = [f"xt=urn:btih:{self.info_hash.hex()}"]
        if self.info_hash_v2 is not None:
            fields.append(f"xt=urn:btmh:{(_SHA256_MULTIHASH + self.info_hash_v2).hex()}")
        if self.name is not None:
            fields.append(f"dn={quote(self.name, safe='')}")
        if self.exact_length is not None:
            fields.append(f"xl={self.exact_length}")
        fields += [f"tr={quote(tracker, safe='')}" for tracker in self.trackers]
        fields += [f"ws={quote(web_seed, safe='')}" for web_seed in self.web_seeds]
        for host, port in self.peers:
            peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            fields.append(f"x.pe={quote(peer, safe='[]:')}")
        if self.selected_files is not None:
            fields.append("so=" + ",".join(map(_range_text, self.selected_files)))
        return "magnet:?" + "&".join(fields)


def magnet_of(metainfo: Metainfo, *, peers: tuple[tuple[str, int], ...] = ()) -> Magnet:
    """The magnet link of a torrent, with all its trackers and web seeds."""
    return Magnet(
        info_hash=metainfo.info_hash,
        name=metainfo.name,
        trackers=metainfo.trackers,
        peers=peers,
        web_seeds=metainfo.web_seeds,
        info_hash_v2=metainfo.info_hash_v2,
        exact_length=metainfo.total_size,
    )


def parse_magnet(text: str) -> Magnet:
    """Read a magnet link. Raises MagnetError.

    Numbered keys (`tr.1`) count as their plain form, unknown keys are skipped.
    """
    text = text.strip().encode(errors="replace").decode()
    if text[:8].lower() != "magnet:?":
        raise MagnetError(f"not a magnet link: {text[:50]!r}")
    if len(text) > MAX_LINK:
        raise MagnetError(f"a magnet link of {len(text)} characters, {MAX_LINK} allowed")
    values: dict[str, list[str]] = {}
    for key, value in _fields(text[8:]):
        values.setdefault(key, []).append(value)
    info_hash, info_hash_v2 = _topics(values.get("xt", []))
    names = [name[:MAX_NAME] for name in values.get("dn", []) if name]
    lengths = [number for text in values.get("xl", []) if (number := _number(text)) is not None]
    selections = [ranges for text in values.get("so", []) if (ranges := _ranges(text))]
    return Magnet(
        info_hash=info_hash,
        name=names[0] if names else None,
        trackers=url.distinct(values.get("tr", []), url.is_tracker_url, at_most=url.MAX_TRACKERS),
        peers=tuple(dict.fromkeys(_peers(values.get("x.pe", []))))[:MAX_PEERS],
        web_seeds=url.distinct(
            values.get("ws", []), url.is_web_seed_url, at_most=url.MAX_WEB_SEEDS
        ),
        selected_files=selections[0] if selections else None,
        info_hash_v2=info_hash_v2,
        exact_length=lengths[0] if lengths else None,
    )


def _fields(query: str) -> Iterator[tuple[str, str]]:
    """Keys in lower case without their number, values decoded; `+` is a space in `dn` alone."""
    for field in query.split("&"):
        key, _, value = field.partition("=")
        stem, dot, number = key.lower().rpartition(".")
        key = stem if dot and number.isdecimal() else key.lower()
        yield key, unquote(value.replace("+", " ") if key == "dn" else value, errors="replace")


def _topics(topics: list[str]) -> tuple[InfoHash, bytes | None]:
    """The info hashes of both versions in the values of `xt`. Raises MagnetError."""
    v1: set[InfoHash] = set()
    v2: set[bytes] = set()
    for topic in topics:
        match topic[:9].lower():
            case "urn:btih:":
                try:
                    v1.add(parse_info_hash(topic[9:]))
                except IdentifierError as error:
                    raise MagnetError(f"in the link: {error}") from None
            case "urn:btmh:":
                v2.add(_sha256(topic[9:]))
    if len(v1) > 1 or len(v2) > 1:
        raise MagnetError("the link names more than one torrent")
    if not v1 and v2:
        raise MagnetError(
            "the link is of BitTorrent version 2 only; we need one with a urn:btih of version 1"
        )
    if not v1:
        raise MagnetError("the link carries no info hash (xt=urn:btih:…)")
    return v1.pop(), v2.pop() if v2 else None


def _sha256(multihash: str) -> bytes:
    """The digest in a hexadecimal multihash. Raises MagnetError."""
    try:
        data = bytes.fromhex(multihash) if multihash.isalnum() else b""
    except ValueError:
        data = b""
    if data[:2] != _SHA256_MULTIHASH or len(data) != 2 + _SHA256_MULTIHASH[1]:
        raise MagnetError(f"not a multihash of SHA-256 (1220 and 64 digits): {multihash[:80]!r}")
    return data[2:]


def _peers(values: list[str]) -> Iterator[tuple[str, int]]:
    for value in values:
        try:
            host, port = split_host_port(value)
        except EndpointError:
            continue
        if port:
            yield host, port


def _number(digits: str) -> int | None:
    """A number below 2^63 in plain decimal digits; None for anything else."""
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 19):
        return None
    return number if (number := int(digits)) < 1 << 63 else None


def _ranges(text: str) -> tuple[FileRange, ...]:
    """The ranges of `so` (`0,2,6-8`), ascending and disjoint; what is not one is skipped."""
    ranges: list[FileRange] = []
    for item in text.split(",")[:MAX_RANGES]:
        low, dash, high = item.partition("-")
        first = _number(low)
        last = _number(high) if dash else first
        if first is not None and last is not None and first <= min(last, MAX_FILE_INDEX):
            ranges.append((first, min(last, MAX_FILE_INDEX)))
    merged: list[FileRange] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def _range_text(files: FileRange) -> str:
    first, last = files
    return str(first) if first == last else f"{first}-{last}"
