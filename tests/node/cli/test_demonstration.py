"""The demo is a real swarm of processes; here a small one."""

import asyncio
import hashlib
import io
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from rich.console import Console

from node.cli.demonstration import (
    DemoFailed,
    Demonstration,
    Member,
    make_payload,
    sha256_of,
    stop,
)


async def member_that_says(*lines: str) -> Member:
    program = f"import sys; sys.stdout.write({chr(10).join(lines)!r} + chr(10))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=PIPE)
    return Member("downloader-1", process)


@pytest.mark.sockets
@pytest.mark.slow
async def test_two_downloaders_get_right_copies(tmp_path: Path) -> None:
    demonstration = Demonstration(size=4 << 20, downloaders=2, up=8 << 20, keep=tmp_path)
    said = io.StringIO()
    demonstration._console = Console(file=said, width=200)
    assert await demonstration.run() == 0
    assert "2 copies complete and right (SHA-256) after" in said.getvalue()
    copies = [tmp_path / f"downloader-{n}" / "everswarm-demo.bin" for n in (1, 2)]
    assert {sha256_of(copy) for copy in copies} == {sha256_of(tmp_path / "everswarm-demo.bin")}


async def test_a_member_that_fails_ends_the_demo_with_its_words() -> None:
    member = await member_that_says('{"event": "error", "message": "the disk is full"}')
    with pytest.raises(DemoFailed, match=r"^downloader-1 failed: the disk is full$"):
        await member.listen()
    await stop(member.process)


async def test_a_member_that_leaves_early_ends_the_demo() -> None:
    member = await member_that_says('{"event": "progress", "total": 4, "downloaded": 1}')
    with pytest.raises(DemoFailed, match=r"^downloader-1 ended early, with code 0$"):
        await member.listen()
    assert member.share == 0.25


async def test_complete_counts_as_everything() -> None:
    member = await member_that_says(
        '{"event": "progress", "total": 4, "downloaded": 1}', '{"event": "complete"}'
    )
    with pytest.raises(DemoFailed):
        await member.listen()
    assert member.share == 1.0


def test_the_payload_is_what_its_digest_says(tmp_path: Path) -> None:
    digest = make_payload(tmp_path / "a", (1 << 20) + 5)
    assert (tmp_path / "a").stat().st_size == (1 << 20) + 5
    assert digest == hashlib.sha256((tmp_path / "a").read_bytes()).digest()
