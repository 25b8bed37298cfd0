"""A torrent or a magnet in words and as JSON, for `show`."""

from collections.abc import Iterator
from datetime import UTC, datetime

from formats.magnet import Magnet, magnet_of
from formats.metainfo import Metainfo
from node.cli.addresses import HostPort
from node.cli.printable import printable
from node.cli.quantities import format_count, format_size

MAX_FILES_SHOWN = 20
"""Files listed unless all are asked for: one screen."""
_LABEL_WIDTH = 12
_LAST_DATE = 253402300799
"""Unix seconds of the last second of the year 9999, where `datetime` ends."""


def metainfo_object(metainfo: Metainfo) -> dict[str, object]:
    """Everything `show --json` tells of a torrent. Sizes in bytes, dates in Unix seconds."""
    return {
        "name": metainfo.name,
        "info_hash": metainfo.info_hash.hex(),
        "info_hash_v2": metainfo.info_hash_v2 and metainfo.info_hash_v2.hex(),
        "piece_length": metainfo.piece_length,
        "pieces": metainfo.piece_count,
        "total_size": metainfo.total_size,
        "private": metainfo.is_private,
        "comment": metainfo.comment,
        "created_by": metainfo.created_by,
        "creation_date": metainfo.creation_date,
        "source": metainfo.source,
        "trackers": [list(tier) for tier in metainfo.tiers],
        "nodes": [str(HostPort(*node)) for node in metainfo.nodes],
        "web_seeds": list(metainfo.web_seeds),
        "files": [
            {"path": "/".join(file.path), "length": file.length}
            for file in metainfo.files
            if file.is_stored
        ],
        "magnet": str(magnet_of(metainfo)),
    }


def magnet_object(magnet: Magnet) -> dict[str, object]:
    """What `show --json` tells of a magnet: the same members, null where only the torrent knows."""
    return {
        "name": magnet.name,
        "info_hash": magnet.info_hash.hex(),
        "info_hash_v2": magnet.info_hash_v2 and magnet.info_hash_v2.hex(),
        "piece_length": None,
        "pieces": None,
        "total_size": magnet.exact_length,
        "private": None,
        "comment": None,
        "trackers": [[tracker] for tracker in magnet.trackers],
        "nodes": [],
        "web_seeds": list(magnet.web_seeds),
        "files": None,
        "peers": [str(HostPort(*peer)) for peer in magnet.peers],
        "magnet": str(magnet),
    }


def metainfo_lines(metainfo: Metainfo, *, every_file: bool) -> list[str]:
    """A torrent for people to read."""
    files = sum(file.is_stored for file in metainfo.files)
    size = f"{format_size(metainfo.total_size)} ({metainfo.total_size:,} bytes)"
    pieces = format_count(metainfo.piece_count, "piece")
    rows = [
        ("name", metainfo.name),
        ("info hash", metainfo.info_hash.hex()),
        ("v2 hash", metainfo.info_hash_v2.hex() if metainfo.info_hash_v2 else None),
        ("size", f"{size} in {format_count(files, 'file')}"),
        ("pieces", f"{pieces} of {format_size(metainfo.piece_length)}"),
        ("private", "yes: peers come from its trackers only" if metainfo.is_private else None),
        ("created", _created(metainfo)),
        ("comment", metainfo.comment),
        ("source", metainfo.source),
    ]
    for number, tier in enumerate(metainfo.tiers, start=1):
        rows += [(f"tier {number}", tracker) for tracker in tier]
    rows += [("web seed", web_seed) for web_seed in metainfo.web_seeds]
    rows += [("DHT node", str(HostPort(*node))) for node in metainfo.nodes]
    rows.append(("magnet", str(magnet_of(metainfo))))
    return [*_rows(rows), "", *_file_lines(metainfo, every_file=every_file)]


def magnet_lines(magnet: Magnet) -> list[str]:
    """A magnet for people to read."""
    size = magnet.exact_length
    rows = [
        ("name", magnet.name),
        ("info hash", magnet.info_hash.hex()),
        ("v2 hash", magnet.info_hash_v2.hex() if magnet.info_hash_v2 else None),
        ("size", f"{format_size(size)} ({size:,} bytes)" if size is not None else None),
    ]
    rows += [("tracker", tracker) for tracker in magnet.trackers]
    rows += [("peer", str(HostPort(*peer))) for peer in magnet.peers]
    rows += [("web seed", web_seed) for web_seed in magnet.web_seeds]
    return list(_rows(rows))


def _rows(rows: list[tuple[str, str | None]]) -> Iterator[str]:
    for label, text in rows:
        if text:
            yield f"{label:<{_LABEL_WIDTH}}{printable(text)}"


def _created(metainfo: Metainfo) -> str | None:
    date = metainfo.creation_date
    parts = []
    if date is not None and date <= _LAST_DATE:
        parts.append(f"{datetime.fromtimestamp(date, UTC):%Y-%m-%d %H:%M:%S} UTC")
    if metainfo.created_by:
        parts.append(f"by {metainfo.created_by}")
    return " ".join(parts) or None


def _file_lines(metainfo: Metainfo, *, every_file: bool) -> Iterator[str]:
    """The tree of files, each with the number that `get --files` takes."""
    files = [file for file in metainfo.files if file.is_stored]
    shown = files if every_file else files[:MAX_FILES_SHOWN]
    folder: tuple[str, ...] = ()
    for number, file in enumerate(shown, start=1):
        *parents, name = file.path
        common = _common_length(folder, parents)
        for depth in range(common, len(parents)):
            yield f"{'':20}{'  ' * depth}{printable(parents[depth])}/"
        folder = tuple(parents)
        indent = "  " * len(parents)
        yield f"{number:>6}  {format_size(file.length):>10}  {indent}{printable(name)}"
    if len(shown) < len(files):
        rest = sum(file.length for file in files[len(shown) :])
        more = format_count(len(files) - len(shown), "more file")
        yield f"{'':20}and {more} ({format_size(rest)}); -v lists them all"


def _common_length(one: tuple[str, ...], other: list[str]) -> int:
    for length, (left, right) in enumerate(zip(one, other)):
        if left != right:
            return length
    return min(len(one), len(other))
