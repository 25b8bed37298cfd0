"""The swarm that `everswarm demo` runs: real processes, a live table, and a check at the end."""

import asyncio
import hashlib
import json
import os
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from formats.errors import EverswarmError

READY_SECONDS = 30.0
"""For a process to say that it runs."""
STOP_SECONDS = 10.0
"""For a process to end politely."""
FRAMES_PER_SECOND = 8
LINE_LIMIT = 1 << 20
"""Bytes of one line of a process's output."""
CHUNK = 1 << 20
LOOPBACK = "127.0.0.1:0"
COLUMNS = (
    ("", 13), ("state", 11), ("", 16), ("", 4), ("down", 10), ("up", 10), ("peers", 5)
)  # fmt: skip
"""Headings and widths of the table: within 80 characters."""


class DemoFailed(EverswarmError):
    """The swarm did not do what it should."""


@dataclass(slots=True)
class Member:
    """One process of the swarm and the last it said of itself."""

    name: str
    process: Process
    said: dict[str, Any] = field(default_factory=dict)
    complete: dict[str, Any] | None = None
    spoke: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def share(self) -> float:
        """How much of the torrent it has, 0 to 1."""
        if self.complete is not None:
            return 1.0
        total = self.said.get("total") or 1
        return float(self.said.get("downloaded", 0)) / float(total)

    async def listen(self) -> None:
        """Follow its JSON lines until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "progress":
                self.said = event
            elif event["event"] == "complete":
                self.complete = event
            elif event["event"] == "error":
                raise DemoFailed(f"{self.name} failed: {event['message']}")
            self.spoke.set()
        if self.process.returncode is None:
            await self.process.wait()
        raise DemoFailed(f"{self.name} ended early, with code {self.process.returncode}")

    async def says(self, what: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until it says something like this. Raises TimeoutError."""
        async with asyncio.timeout(READY_SECONDS):
            while not what(self.said):
                self.spoke.clear()
                await self.spoke.wait()


class Demonstration:
    """One run of the demo. `size` is bytes, `up` the publisher's limit in bytes per second."""

    def __init__(self, *, size: int, downloaders: int, up: int, keep: Path | None) -> None:
        self._size = size
        self._downloaders = downloaders
        self._up = up
        self._keep = keep
        self._members: list[Member] = []
        self._console = Console()

    async def run(self) -> int:
        """Run the swarm; 0 when every copy is complete and right."""
        async with AsyncExitStack() as stack:
            if self._keep is not None:
                folder = self._keep
                folder.mkdir(parents=True, exist_ok=True)
            else:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory("-everswarm")))
            return await self._run_in(folder, stack)

    async def _run_in(self, folder: Path, stack: AsyncExitStack) -> int:
        loop = asyncio.get_running_loop()
        payload = folder / "everswarm-demo.bin"
        digest = await loop.run_in_executor(None, make_payload, payload, self._size)
        say = self._console.print
        url = await self._start_tracker(stack)
        say(f"tracker     {url}")
        torrent = folder / "everswarm-demo.torrent"
        publisher = await self._start_publisher(stack, payload, torrent, url)
        say(f"publisher   {self._size >> 20} MiB, uploads at most {self._up >> 20} MiB/s")
        started = loop.time()
        targets = [folder / f"downloader-{n + 1}" for n in range(self._downloaders)]
        for target in targets:
            await self._start_downloader(stack, target, torrent)
        with Live(
            self._table(), console=self._console, refresh_per_second=FRAMES_PER_SECOND
        ) as live:
            while not all(member.complete for member in self._members[1:]):
                await asyncio.sleep(1 / FRAMES_PER_SECOND)
                live.update(self._table())
            live.update(self._table())
        seconds = loop.time() - started
        for target in targets:
            copy = target / payload.name
            if await loop.run_in_executor(None, sha256_of, copy) != digest:
                raise DemoFailed(f"{copy} is not what was published")
        before = publisher.said.get("time")
        await publisher.says(lambda said: said.get("time") != before)
        say(self._verdict(publisher, seconds))
        return 0

    def _verdict(self, publisher: Member, seconds: float) -> str:
        copies = publisher.said.get("uploaded", 0) / self._size
        alone = self._downloaders * self._size / self._up
        return (
            f"{self._downloaders} copies complete and right (SHA-256) after {seconds:.1f} s."
            f" The publisher sent {copies:.1f} copies; alone it would have needed {alone:.1f} s."
        )

    async def _start_tracker(self, stack: AsyncExitStack) -> str:
        process = await self._spawn(stack, "tracker", "--listen", LOOPBACK)
        assert process.stdout is not None
        async with asyncio.timeout(READY_SECONDS):
            line = await process.stdout.readline()
        if not line:
            raise DemoFailed("the tracker did not start")
        return line.decode().strip()

    async def _start_publisher(
        self, stack: AsyncExitStack, payload: Path, torrent: Path, url: str
    ) -> Member:
        arguments = ["publish", str(payload), "--tracker", url, "--out", str(torrent), "--force"]
        limits = ["--up", str(self._up), "--listen", LOOPBACK, "--json"]
        member = await self._join(stack, "publisher", *arguments, *limits)
        await member.says(lambda said: said.get("state") == "seeding")
        return member

    async def _start_downloader(self, stack: AsyncExitStack, target: Path, torrent: Path) -> None:
        arguments = ["get", str(torrent), "-d", str(target), "--listen", LOOPBACK]
        await self._join(stack, target.name, *arguments, "--seed", "--json")

    async def _join(self, stack: AsyncExitStack, name: str, *arguments: str) -> Member:
        member = Member(name, await self._spawn(stack, *arguments))
        self._members.append(member)
        await self._follow(stack, member.listen())
        return member

    async def _follow(self, stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        task = tasks.create_task(work)
        stack.callback(task.cancel)

    async def _spawn(self, stack: AsyncExitStack, *arguments: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "node",
            *arguments,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=LINE_LIMIT,
        )
        stack.push_async_callback(stop, process)
        return process

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 1, 0, 0))
        for heading, width in COLUMNS:
            right = heading in ("down", "up", "peers")
            table.add_column(
                heading, justify="right" if right else "left", no_wrap=True, min_width=width
            )
        for member in self._members:
            said = member.said
            state = "complete" if member.complete else said.get("state", "starting")
            table.add_row(
                member.name,
                state,
                ProgressBar(total=1.0, completed=member.share, width=16),
                f"{member.share:4.0%}",
                _rate(said.get("down_rate", 0)),
                _rate(said.get("up_rate", 0)),
                str(said.get("peers", 0)),
            )
        return table


async def stop(process: Process) -> None:
    """End a process, politely at first."""
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def make_payload(path: Path, size: int) -> bytes:
    """Write `size` random bytes; returns their SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, size, CHUNK):
            data = os.urandom(min(CHUNK, size - start))  # noqa: TID251 - a file's bytes, no decision
            digest.update(data)
            file.write(data)
    return digest.digest()


def sha256_of(path: Path) -> bytes:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _rate(value: float) -> str:
    return f"{value / 1e6:.1f} MB/s"
