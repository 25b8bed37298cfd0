import json
import re
import signal
from pathlib import Path

import libtorrent
import pytest

from node.cli.exit_status import ExitStatus

sockets = pytest.mark.sockets
LISTEN = ("--listen", "127.0.0.1:0")


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@sockets
def test_the_first_line_is_the_magnet_and_the_files_stay_as_they_are(
    start, folder: Path, tmp_path: Path
) -> None:
    before = snapshot(folder)
    process = start("publish", folder, "--out", "a.torrent", "--no-trackers", *LISTEN)
    magnet = process.stdout.readline().strip()
    info_hash = libtorrent.torrent_info(str(tmp_path / "a.torrent")).info_hashes().v1
    assert libtorrent.parse_magnet_uri(magnet).info_hashes.v1 == info_hash
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=10)
    assert out == ""
    assert process.returncode == ExitStatus.INTERRUPTED
    assert errors.splitlines()[-2:] == [
        "everswarm: interrupted, and nothing is lost. To go on, the same command:",
        f"  everswarm publish {folder} --out a.torrent --no-trackers --listen 127.0.0.1:0",
    ]
    assert snapshot(folder) == before
    assert not (tmp_path / "state").exists()


@sockets
def test_the_same_command_goes_on(start, folder: Path, tmp_path: Path) -> None:
    lines = []
    for _ in range(2):
        process = start("publish", folder, "--out", "a.torrent", "--json", *LISTEN)
        lines.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == ExitStatus.INTERRUPTED
    assert [line["event"] for line in lines] == ["metadata", "metadata"]
    assert lines[0]["magnet"] == lines[1]["magnet"]


def test_a_torrent_of_other_files_is_kept(everswarm, folder: Path, torrent: Path) -> None:
    before = torrent.read_bytes()
    result = everswarm("publish", folder, "--name", "other", "--out", torrent)
    assert result.stderr == f"everswarm: {torrent} is of other files; --force replaces it\n"
    assert result.returncode == ExitStatus.FAILED
    assert torrent.read_bytes() == before


@sockets
def test_a_port_in_use(start, everswarm, folder: Path) -> None:
    endpoint = start("tracker", "--listen", "127.0.0.1:0").stdout.readline().split("/")[2]
    result = everswarm("publish", folder, "--listen", endpoint)
    assert result.stdout == ""
    assert result.stderr == (
        f"everswarm: cannot listen on {endpoint}: the port is in use; choose another with --listen\n"
    )
    assert result.returncode == ExitStatus.BAD_USAGE


@pytest.mark.parametrize(
    ("arguments", "sentence", "status"),
    [
        (["nowhere"], "nowhere does not exist", ExitStatus.BAD_USAGE),
        (["hollow"], "nothing to publish: hollow holds no data", ExitStatus.BAD_USAGE),
        (
            ["album", "--name", "other", "--out", "x.torrent"],
            r"album/\S+ cannot be seeded where it lies, as other/.*;"
            " publish one file or folder under its own name",
            ExitStatus.FAILED,
        ),
        (
            ["album", "hollow", "--name", "both"],
            r"album/\S+ cannot be seeded where it lies, as both/album/.*;"
            " publish one file or folder under its own name",
            ExitStatus.FAILED,
        ),
        (
            ["link"],
            r"/\S+/link is a link, and what is seeded in place must not be one;"
            " publish what it points to",
            ExitStatus.FAILED,
        ),
        (
            ["album", "--peer", "nowhere.invalid:1"],
            r"the name nowhere\.invalid cannot be resolved: .*",
            ExitStatus.BAD_USAGE,
        ),
    ],
)
def test_what_cannot_be_published_is_one_sentence(
    everswarm,
    folder: Path,
    tmp_path: Path,
    arguments: list[str],
    sentence: str,
    status: ExitStatus,
) -> None:
    (tmp_path / "hollow").mkdir()
    (tmp_path / "link").symlink_to("album")
    before = sorted(tmp_path.rglob("*"))
    result = everswarm("publish", *arguments)
    assert re.fullmatch(f"everswarm: {sentence}\n", result.stderr), result.stderr
    assert result.stdout == ""
    assert result.returncode == status
    assert sorted(tmp_path.rglob("*")) == before


def test_an_error_is_an_event_too(everswarm) -> None:
    result = everswarm("publish", "nowhere", "--json")
    event = json.loads(result.stdout)
    assert (event["event"], event["message"]) == ("error", "nowhere does not exist")
    assert result.stderr == "everswarm: nowhere does not exist\n"


@sockets
def test_a_folder_named_by_a_dot(start, folder: Path, tmp_path: Path) -> None:
    process = start("publish", f"{folder}/disc 1/..", "--json", *LISTEN)
    assert json.loads(process.stdout.readline())["name"] == "album"
