"""The work of `everswarm verify`."""

import json as json_format
from pathlib import Path

from formats.metainfo import Metainfo
from node.cli.exit_status import Failed
from node.cli.hashing_progress import hashing_progress
from node.cli.printable import printable
from node.cli.progress import headline
from node.cli.quantities import format_count, format_size
from node.cli.source import read_torrent
from node.storage.report import FileReport, FileState
from node.storage.storage import Storage


async def run_verification(torrent: Path, data: Path, *, json: bool, quiet: bool) -> None:
    """Hash the data and print what is damaged. Raises Failed when something is."""
    metainfo = read_torrent(torrent)
    directory = download_directory(metainfo, data)
    with hashing_progress("verifying", quiet=quiet or json) as on_bytes:

        def on_pieces(done: int, _pieces: int) -> None:
            if on_bytes is not None:
                size = min(done * metainfo.piece_length, metainfo.total_size)
                on_bytes(size, metainfo.total_size)

        reports = await Storage(metainfo, directory, executor=None).verify(on_pieces)
    if json:
        print(json_format.dumps(_object(metainfo, reports), indent=2), flush=True)
    elif not quiet:
        print("\n".join(_lines(metainfo, reports)), flush=True)
    if any(report.state is not FileState.WHOLE for report in reports):
        raise Failed(_damage(metainfo, reports))


def download_directory(metainfo: Metainfo, data: Path) -> Path:
    """The folder that the torrent's file or folder lies in, given that folder or the data itself.

    Raises Failed when there is nothing at `data`.
    """
    if not data.exists():
        raise Failed(f"{printable(str(data))}: there is no such folder")
    absolute = data.absolute()
    is_the_data = absolute.name == metainfo.name and data.is_file() == metainfo.is_single_file
    if is_the_data and not (data / metainfo.name).exists():
        return absolute.parent
    if not data.is_dir():
        raise Failed(f"{printable(str(data))} is not a folder")
    return data


def _lines(metainfo: Metainfo, reports: list[FileReport]) -> list[str]:
    lines = [
        f"{report.state.value:<12}{printable(report.path)}:"
        f" {format_size(report.length - report.bytes_ok)} of {format_size(report.length)} lost"
        for report in reports
        if report.state is not FileState.WHOLE
    ]
    return lines or [f"whole: {headline(metainfo)}"]


def _damage(metainfo: Metainfo, reports: list[FileReport]) -> str:
    damaged = sum(report.state is not FileState.WHOLE for report in reports)
    size, good = _sizes(reports)
    share = f"{format_size(size - good)} of {format_size(size)} ({(size - good) / size:.1%})"
    files = format_count(len(reports), "file")
    return f"{printable(metainfo.name)} is damaged: {damaged} of {files}, {share}"


def _sizes(reports: list[FileReport]) -> tuple[int, int]:
    """Bytes in all, and bytes that are whole."""
    return sum(report.length for report in reports), sum(report.bytes_ok for report in reports)


def _object(metainfo: Metainfo, reports: list[FileReport]) -> dict[str, object]:
    size, good = _sizes(reports)
    return {
        "name": metainfo.name,
        "info_hash": metainfo.info_hash.hex(),
        "whole": all(report.state is FileState.WHOLE for report in reports),
        "total_size": size,
        "bytes_ok": good,
        "files": [
            {
                "path": report.path,
                "length": report.length,
                "bytes_ok": report.bytes_ok,
                "state": report.state.value,
            }
            for report in reports
        ],
    }
