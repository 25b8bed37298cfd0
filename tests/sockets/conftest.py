"""The command as real processes on the loopback."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

LISTEN = ("--listen", "127.0.0.1:0")
PATIENCE = 20.0
"""Seconds; what is waited for takes a small part of it, unless the machine is busy."""


@dataclass
class Command:
    """A running `everswarm`; its output goes to files, so that it never waits for a reader."""

    process: subprocess.Popen[bytes]
    out: Path
    errors: Path

    def wait(self, patience: float = PATIENCE) -> int:
        """The exit code."""
        return self.process.wait(patience)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, at once; returns when it is gone."""
        self.process.kill()
        self.process.wait()

    @property
    def stdout(self) -> str:
        """What it wrote so far."""
        return self.out.read_text()

    @property
    def stderr(self) -> str:
        """What it told people so far."""
        return self.errors.read_text()

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The whole lines of `--json` so far, of one kind or all."""
        lines = self.stdout.split("\n")[:-1]
        found = [json.loads(line) for line in lines]
        return [event for event in found if kind in (None, event["event"])]

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for it; fails when the command ends first or time is up."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            ended = self.process.poll()
            if ended is not None and not condition():
                raise AssertionError(f"{what}: it ended with {ended}\n{self.stdout}{self.stderr}")
            assert time.monotonic() < deadline, f"{what}: not in time\n{self.stdout}{self.stderr}"
            time.sleep(0.01)


Start = Callable[..., Command]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """start("get", ...): the command in tmp_path, its state below it; killed if it is left over.

    `program` is what runs instead of `-m node`, `prepare` runs in the child before it.
    """
    environment = os.environ | {
        "HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    started: list[Command] = []
    outputs = tmp_path / "outputs"
    outputs.mkdir()

    def start(
        *arguments: str | Path,
        program: Sequence[str] = ("-m", "node"),
        prepare: Callable[[], None] | None = None,
    ) -> Command:
        out, errors = (outputs / f"{len(started)}.{kind}" for kind in ("out", "err"))
        with out.open("wb") as out_file, errors.open("wb") as errors_file:
            process = subprocess.Popen(
                [sys.executable, *program, *map(str, arguments)],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=errors_file,
                preexec_fn=prepare,
            )
        started.append(Command(process, out, errors))
        return started[-1]

    yield start
    for command in started:
        with command.process:
            command.process.kill()


@pytest.fixture
def tracker(start: Start) -> str:
    """The announce URL of a tracker of our own."""
    command = start("tracker", *LISTEN)
    command.until(lambda: "\n" in command.stdout, "the tracker listens")
    return command.stdout.strip()


@pytest.fixture
def publish(start: Start, tracker: str, tmp_path: Path) -> Callable[..., tuple[Command, Path]]:
    """publish(path, ...): a seed known to the tracker, and its .torrent."""

    def publish(path: Path, *options: str) -> tuple[Command, Path]:
        torrent = tmp_path / f"{path.name}.torrent"
        command = start(
            "publish", path, "--out", torrent, "--tracker", tracker, "--json", *LISTEN, *options
        )
        command.until(lambda: command.events("metadata"), "it is published")
        return command, torrent

    return publish
