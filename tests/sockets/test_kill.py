"""kill -9 at random moments: the same command goes on where the last one was cut off (F2)."""

import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sockets.conftest import LISTEN, Command, Start

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

SIZE = 60_000_000
PIECE = 256 * 1024
KILLS = 20
RATE = 4_000_000
UNREPORTED = 4 * PIECE + RATE // 5
"""Bytes that may arrive between the last line a process wrote and its end: a burst of the limit,
and what comes in while a loop on a busy machine gets around to the next line."""

TALKATIVE = """
import sys
from node.__main__ import main
from node.cli import json_lines, watch
from node.storage import checker

json_lines.JSON_INTERVAL = watch.LOOK_INTERVAL = 0.02
run = checker.Checker.run

def noting_run(self, pieces, *arguments):
    print("hashes", pieces.bit_count(), "pieces", file=sys.stderr, flush=True)
    return run(self, pieces, *arguments)

checker.Checker.run = noting_run
main()
"""
"""`everswarm` that writes its progress fifty times a second, and how many pieces it checks."""


def progress(command: Command) -> list[dict[str, Any]]:
    return [event for event in command.events("progress") if event["state"] != "checking"]


def hashed(command: Command) -> int:
    return sum(map(int, re.findall(r"^hashes (\d+) pieces$", command.stderr, re.MULTILINE)))


def kill_at_random(get: Command, rng: random.Random) -> None:
    """Half of the time soon after the start, else while data flows."""
    if rng.random() < 0.4:
        time.sleep(rng.uniform(0.05, 0.8))
    else:
        get.until(lambda: any(event["received"] for event in progress(get)), "data flows")
        time.sleep(rng.uniform(0.0, 0.5))
    assert get.process.poll() is None, get.stdout + get.stderr
    get.kill()


def test_f2_killed_twenty_times_nothing_verified_is_lost_fetched_again_or_all_rehashed(
    start: Start, publish: Callable[..., tuple[Command, Path]], tmp_path: Path
) -> None:
    rng = random.Random(7)
    data = tmp_path / "data.bin"
    data.write_bytes(rng.randbytes(SIZE))
    _, torrent = publish(data, "--piece-length", str(PIECE))
    command = ("get", torrent, "-d", "here", "--state", "kept", "--json", *LISTEN)
    limited = (*command, "--down", str(RATE))
    verified = 0  # bytes, by the last word of the processes so far
    received = 0
    unsure = 0  # bytes that the process before may have written and not recorded as synced
    hashes = []
    for _ in range(KILLS):
        get = start(*limited, program=("-c", TALKATIVE))
        kill_at_random(get, rng)
        told = progress(get)
        hashes.append(hashed(get))
        assert hashes[-1] * PIECE <= unsure, "only what was in flight is hashed again"
        if told:
            assert told[0]["downloaded"] >= verified, "what was verified is still there"
            unsure = told[-1]["downloaded"] - told[0]["downloaded"] + UNREPORTED
            verified = told[-1]["downloaded"]
            received += told[-1]["received"]
    assert PIECE < verified < SIZE  # or the kills did not fall where they should
    last = start(*command, program=("-c", TALKATIVE))
    assert last.wait() == 0, last.stdout
    assert hashed(last) * PIECE <= unsure
    received += last.events("complete")[0]["received"]
    assert SIZE - KILLS * UNREPORTED <= received <= SIZE + KILLS * UNREPORTED
    assert sum(hashes) > 0
    assert (tmp_path / "here" / "data.bin").read_bytes() == data.read_bytes()
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["data.bin"]


def test_f2_without_a_state_directory_named_the_same_command_goes_on_too(
    start: Start, publish: Callable[..., tuple[Command, Path]], tmp_path: Path
) -> None:
    data = tmp_path / "data.bin"
    data.write_bytes(random.Random(8).randbytes(SIZE // 12))
    _, torrent = publish(data, "--piece-length", "64K", "--up", "3M")
    command = ("get", torrent, "-d", "here", "--json", *LISTEN)
    get = start(*command, program=("-c", TALKATIVE))
    get.until(lambda: progress(get) and progress(get)[-1]["pieces"] > 10, "some pieces are here")
    get.kill()
    had = progress(get)[-1]
    again = start(*command, program=("-c", TALKATIVE))
    assert again.wait() == 0, again.stdout
    assert progress(again)[0]["downloaded"] >= had["downloaded"]
    assert hashed(again) < had["piece_count"]
    assert again.events("complete")[0]["received"] <= data.stat().st_size - had["downloaded"]
    assert (tmp_path / "here" / "data.bin").read_bytes() == data.read_bytes()
