"""Bad input as a user meets it: one sentence, an exit code, no traceback, nothing half-written.

What needs no process of its own is in tests/node/cli.
"""

import contextlib
import ctypes
import http.server
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sockets.conftest import LISTEN, Command, Start

pytestmark = pytest.mark.sockets

Publish = Callable[..., tuple[Command, Path]]
PR_CAPBSET_DROP = 24  # prctl(2)
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2  # capabilities(7)
SIZE = 3_000_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(random.Random(3).randbytes(SIZE))
    return path


@pytest.fixture
def torrent(start: Start, data: Path, tmp_path: Path) -> Path:
    """`data.torrent`, without trackers."""
    path = tmp_path / "data.torrent"
    assert start("create", data, "-o", path, "-q").wait() == 0
    return path


def sentence(command: Command, code: int) -> str:
    """The one line a command that fails with `code` leaves on stderr, without its name."""
    assert command.wait() == code, command.stdout + command.stderr
    told = [line for line in command.stderr.splitlines() if line.startswith("everswarm: ")]
    assert command.stderr.splitlines()[-1:] == told, command.stderr
    return told[0].removeprefix("everswarm: ")


def _give_up_privileges() -> None:
    """Runs in the child: what root may do in spite of permissions, it may do no longer."""
    libc = ctypes.CDLL(None)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        assert libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0


@pytest.fixture
def nobody() -> Callable[[], None] | None:
    """For `start(..., prepare=nobody)`: permissions count, also when the tests run as root."""
    if os.geteuid() != 0:
        return None
    if not sys.platform.startswith("linux"):
        pytest.skip("permissions do not stop root here")
    return _give_up_privileges


# What is published


@pytest.mark.parametrize("command", ["create", "publish"])
def test_a_file_that_may_not_be_read(
    start: Start, nobody: Callable[[], None] | None, tmp_path: Path, command: str
) -> None:
    secret = tmp_path / "folder" / "secret"
    secret.parent.mkdir()
    secret.write_bytes(b"x" * 1000)
    secret.chmod(0)
    out = tmp_path / "out.torrent"
    option = "--out" if command == "publish" else "-o"
    told = sentence(start(command, "folder", option, out, prepare=nobody), 1)
    assert told == "cannot read folder/secret: Permission denied"
    assert not out.exists()


def test_a_file_that_changes_while_it_is_hashed(start: Start, tmp_path: Path) -> None:
    growing = tmp_path / "growing.bin"
    stop = threading.Event()

    def grow() -> None:
        with growing.open("ab") as file:
            while not stop.wait(0.001):
                file.write(b"more")
                file.flush()

    with growing.open("wb") as file:
        file.truncate(200_000_000)
    thread = threading.Thread(target=grow)
    thread.start()
    try:
        told = sentence(start("create", growing, "-o", "out.torrent", "-q"), 1)
    finally:
        stop.set()
        thread.join()
    assert told == f"{growing} changed while it was being hashed"
    assert not (tmp_path / "out.torrent").exists()


# Where it goes


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """A file system of its own at `place`; skips the test where that is not allowed."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs", str(place)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        made = False
    if not made:
        pytest.skip("this user may not mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
def test_f1_a_disk_that_is_full_ends_a_download_with_what_to_do(
    start: Start, publish: Publish, data: Path, tmp_path: Path
) -> None:
    _, torrent = publish(data, "--piece-length", "64K")
    with small_disk(tmp_path / "small", "1m"):
        get = start("get", torrent, "-d", "small", *LISTEN)
        told = sentence(get, 1)
        assert told == f"{tmp_path}/small/data.bin: the disk is full"
        kept = (tmp_path / "small" / "data.bin").stat().st_blocks * 512
        assert 0 < kept <= 1 << 20
        # With room the same command goes on from there.
        subprocess.run(["mount", "-o", "remount,size=8m", str(tmp_path / "small")], check=True)
        again = start("get", torrent, "-d", "small", "--json", *LISTEN)
        assert again.wait() == 0, again.stdout
        assert again.events("complete")[0]["received"] < SIZE
        assert (tmp_path / "small" / "data.bin").read_bytes() == data.read_bytes()


def test_t11_room_that_is_not_there_is_noticed_before_anything_is_reserved(
    start: Start, torrent: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "small", "1m"):
        get = start("get", torrent, "-d", "small", "--preallocate", "--no-trackers", *LISTEN)
        told = sentence(get, 1)
        assert "3,000,000 bytes are needed" in told
        assert list((tmp_path / "small").iterdir()) == []


def test_a_file_size_limit_ends_a_download(
    start: Start, publish: Publish, data: Path, tmp_path: Path
) -> None:
    _, torrent = publish(data)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, SIZE // 2))

    get = start("get", torrent, "-d", "here", *LISTEN, prepare=limit)
    told = sentence(get, 1)
    assert told == f"{tmp_path}/here/data.bin: the file system cannot hold a file this large"


def test_a_target_that_may_not_be_written(
    start: Start,
    nobody: Callable[[], None] | None,
    publish: Publish,
    tmp_path: Path,
    data: Path,
) -> None:
    _, torrent = publish(data)
    target = tmp_path / "target"
    target.mkdir(mode=0o555)
    get = start("get", torrent, "-d", "target", *LISTEN, prepare=nobody)
    told = sentence(get, 1)
    assert told == f"{tmp_path}/target/data.bin: permission denied"
    assert list(target.iterdir()) == []


def test_a_state_directory_that_may_not_be_written(
    start: Start, nobody: Callable[[], None] | None, torrent: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o555)
    options = ("--state", "kept", "--no-trackers", "--timeout", "0")
    get = start("get", torrent, "-d", "here", *options, *LISTEN, prepare=nobody)
    assert sentence(get, 2) == (
        "the state directory kept cannot be used: permission denied; choose another with --state"
    )
    assert not (tmp_path / "here").exists()


def test_a_state_that_is_in_use(start: Start, torrent: Path) -> None:
    """Two processes on one state would each believe what the other overwrites."""
    arguments = ("get", torrent, "-d", "here", "--no-trackers", *LISTEN)
    first = start(*arguments, "--json")
    first.until(lambda: first.events("progress"), "it runs")
    told = sentence(start(*arguments), 2)
    assert told.startswith("another everswarm uses the state directory ")
    assert told.endswith("; stop it or choose another with --state")
    first.signal(signal.SIGINT)
    assert first.wait() == 130


def test_a_state_that_is_no_database(start: Start, torrent: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    database = tmp_path / "kept" / "everswarm.db"
    damaged = b"not a database" * 1000
    database.write_bytes(damaged)
    options = ("--state", "kept", "--no-trackers", "--timeout", "0")
    get = start("get", torrent, "-d", "here", *options, *LISTEN)
    told = sentence(get, 2)
    assert told == "kept/everswarm.db is damaged; move it away to start with an empty state"
    assert database.read_bytes() == damaged
    assert not (tmp_path / "here").exists()


def test_a_port_in_use(start: Start, torrent: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ("get", torrent, "-d", "here", "--listen", endpoint, "--no-trackers")
        told = sentence(start(*arguments), 2)
    assert told == (
        f"cannot listen on {endpoint}: the port is in use; choose another with --listen"
    )
    assert not (tmp_path / "here").exists()


@pytest.mark.slow
def test_a_tracker_that_is_unreachable_is_told_while_it_is_tried(
    start: Start, data: Path, tmp_path: Path
) -> None:
    torrent = tmp_path / "data.torrent"
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/announce"
    assert start("create", data, "-o", torrent, "--tracker", url, "-q").wait() == 0
    get = start("get", torrent, "-d", "here", "--json", "--timeout", "3.5", *LISTEN)
    get.until(lambda: get.events("why"), "it says why")
    reason = get.events("why")[0]["reason"]
    assert reason.startswith(f"no tracker answers, still trying: {url.removesuffix('/announce')}: ")
    told = sentence(get, 1)
    assert told == f"not complete after 3.5 seconds: {reason}"
    assert get.events()[-1] | {"time": 0} == {"event": "error", "time": 0, "message": told}


# The web


class Web(http.server.BaseHTTPRequestHandler):
    """/page is HTML, /endless never ends, /stalls says nothing, all else is not there."""

    def do_GET(self) -> None:
        if self.path == "/page":
            self.answer(b"<html>please log in</html>")
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"d" * 65_536)
        else:
            self.send_error(404)

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def web() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/page", " is not a valid torrent: "),
        ("/endless", " is larger than 10,000,000 bytes: not a torrent"),
        ("/nowhere", ": the server answers 404 Not Found"),
    ],
)
def test_a_web_address_that_has_no_torrent(
    start: Start, web: str, tmp_path: Path, path: str, expected: str
) -> None:
    began = time.monotonic()
    told = sentence(start("get", f"{web}{path}", "-d", "here"), 1)
    assert told.startswith(f"{web}{path}{expected}")
    assert time.monotonic() - began < 15
    assert not (tmp_path / "here").exists()
