"""A publication and its downloads, each a process, through a tracker of our own."""

import http.server
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.sockets.conftest import LISTEN, Command, Start

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

Publish = Callable[..., tuple[Command, Path]]
Look = dict[str, tuple[bytes, int, int, int]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`album`: five MB in three folders, among them an empty file and a name in Greek."""
    folder = tmp_path / "album"
    rng = random.Random(1)
    sizes = {"a.bin": 3_000_000, "sub/b.bin": 2_000_001, "sub/μ.txt": 17, "empty/none": 0}
    for name, size in sizes.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(size))
    (folder / "a.bin").chmod(0o444)
    return folder


def look(folder: Path) -> Look:
    """Everything in a folder: bytes, times and permissions, of folders too."""
    found = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.stat()
        data = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (data, status.st_mtime_ns, status.st_mode, status.st_ino)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_three_download_what_one_publishes_and_it_stays_as_it_was(
    start: Start, publish: Publish, folder: Path, tmp_path: Path
) -> None:
    before = look(folder)
    publisher, torrent = publish(folder)
    gets = [start("get", torrent, "-d", f"get{i}", "--json", *LISTEN) for i in range(3)]
    for number, get in enumerate(gets):
        assert get.wait() == 0, get.stderr
        assert get.events()[-1]["event"] == "complete"
        assert contents(tmp_path / f"get{number}" / "album") == contents(folder)
        assert get.stderr == ""
    publisher.signal(signal.SIGINT)
    assert publisher.wait() == 130
    assert look(folder) == before
    assert {path.name for path in tmp_path.iterdir()} == {
        "album", "album.torrent", "get0", "get1", "get2", "outputs", "state",
    }  # fmt: skip


def test_a_publisher_leaves_when_enough_others_have_it(
    start: Start, publish: Publish, folder: Path
) -> None:
    publisher, torrent = publish(folder, "--exit-when-seeds", "2")
    seeds = [start("get", torrent, "-d", f"get{i}", "--seed", "--json", *LISTEN) for i in range(2)]
    assert publisher.wait() == 0
    for seed in seeds:
        assert seed.events("complete")
    # It is gone, and a newcomer still gets everything.
    late = start("get", torrent, "-d", "late", "--json", *LISTEN)
    assert late.wait() == 0, late.stdout


class Hanging(http.server.BaseHTTPRequestHandler):
    """A tracker that welcomes whoever starts, and never answers anything else."""

    asked: ClassVar[list[str]] = []
    let_go = threading.Event()

    def do_GET(self) -> None:
        self.asked.extend(re.findall("event=([a-z]+)", self.path))
        if self.asked[-1] != "started":
            self.let_go.wait()
            return
        body = b"d8:intervali1800e5:peers0:e"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def hanging() -> Iterator[str]:
    """Its announce URL."""
    Hanging.asked.clear()
    Hanging.let_go.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hanging) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/announce"
        Hanging.let_go.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_f13_a_signal_ends_it_within_five_seconds_and_the_same_command_goes_on(
    start: Start, hanging: str, tmp_path: Path, number: signal.Signals
) -> None:
    """Though the tracker that is told goodbye does not answer."""
    size = 4_000_000
    data = tmp_path / "data.bin"
    data.write_bytes(random.Random(2).randbytes(size))
    options = ("--tracker", hanging, "--piece-length", "64K", "--up", "2M", "--no-trackers")
    publisher = start("publish", data, "--out", "data.torrent", "--json", *options, *LISTEN)
    publisher.until(lambda: publisher.events("metadata"), "it is published")
    peer = publisher.events("metadata")[0]["listen"]
    command = ("get", "data.torrent", "-d", "here", "--peer", peer, "--json", *LISTEN)
    get = start(*command)
    get.until(lambda: downloaded(get) > size // 4 and Hanging.asked, "a quarter is here")
    had = downloaded(get)
    asked = time.monotonic()
    get.signal(number)
    assert get.wait() == 130
    assert 3 < time.monotonic() - asked < 5.5
    assert Hanging.asked == ["started", "stopped"]
    assert get.stderr.startswith("everswarm: interrupted")
    assert "Traceback" not in get.stderr
    again = start(*command, "--no-trackers")
    assert again.wait() == 0, again.stdout
    assert again.events("complete")[0]["received"] <= size - had
    assert (tmp_path / "here" / "data.bin").read_bytes() == data.read_bytes()


def downloaded(command: Command) -> int:
    return max((event["downloaded"] for event in command.events("progress")), default=0)
