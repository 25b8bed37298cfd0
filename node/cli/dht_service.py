"""The work of `everswarm dht node`: a DHT node that runs until it is told to stop."""

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Never

from dht.dht import Dht
from dht.status import DhtStatus
from node.cli.dht_contacts import ContactsFile
from node.cli.dht_options import NetworkOptions
from node.cli.dht_session import dht_config
from node.cli.dht_status import status_line
from node.cli.exit_status import sentence
from node.cli.json_lines import JsonLines
from node.cli.log import open_log

TICK = 1.0
"""Seconds between two looks at the node."""
STATUS_INTERVAL = 60.0
"""Seconds between two status lines; for people, when something changed."""
SAVE_INTERVAL = 300.0
"""Seconds between two savings of the contacts (D15)."""
PATIENCE = 5.0
"""Seconds that a problem lasts before it is told: bootstrap hosts take a moment to answer."""


async def run_node(options: NetworkOptions, state: Path | None) -> Never:
    """Run until cancelled. The addresses it listens on go to standard output first.

    Raises ConfigError when it cannot listen there, OSError when `state` cannot be used.
    """
    open_log(options.log_level)
    loop = asyncio.get_running_loop()
    file = None if state is None else ContactsFile(state)
    saved = None if file is None else await loop.run_in_executor(None, file.load)
    async with Dht(await dht_config(options, saved=saved)) as dht:
        lines = JsonLines(sys.stdout) if options.json else None
        _tell_start(dht, lines)
        keeper = _Keeper(dht, file)
        try:
            await _watch(dht, _Reporter(lines), keeper)
        finally:
            await keeper.save()


def _tell_start(dht: Dht, lines: JsonLines | None) -> None:
    endpoints = [str(endpoint) for endpoint in dht.endpoints]
    if lines:
        ids = [node_id.hex() for node_id in dht.node_ids.values()]
        lines.emit("listening", endpoints=endpoints, node_ids=ids)
    else:
        print(*endpoints, sep="\n", flush=True)
    problem = dht.status().saved_problem
    if problem is not None:
        _tell(f"the saved contacts are of no use, starting without: {problem}")


async def _watch(dht: Dht, reporter: "_Reporter", keeper: "_Keeper") -> Never:
    loop = asyncio.get_running_loop()
    save_at = loop.time() + SAVE_INTERVAL
    while True:
        now = loop.time()
        reporter.look(dht.status(), now)
        if now >= save_at:
            save_at = now + SAVE_INTERVAL
            await keeper.save()
        await asyncio.sleep(TICK)


class _Keeper:
    """Saves the contacts of a node. A disk that refuses is told, and tried again."""

    def __init__(self, dht: Dht, file: ContactsFile | None) -> None:
        self._dht = dht
        self._file = file

    async def save(self) -> None:
        """Write the contacts; a node that never found any keeps those of the last run."""
        if self._file is None or not self._dht.contacts():
            return
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, self._file.save, self._dht.save())
        except OSError as error:
            _tell(f"the contacts cannot be saved: {sentence(error)}")


class _Reporter:
    """Tells how the node is: at its first contact, at trouble, and every STATUS_INTERVAL."""

    def __init__(self, lines: JsonLines | None) -> None:
        self._lines = lines
        self._line = ""
        self._next: float | None = None
        """When the next status is due; None before the first contact."""
        self._trouble_since: float | None = None
        self._problem: str | None = None
        """The one that was told."""

    def look(self, status: DhtStatus, now: float) -> None:
        """Tell what is new."""
        if self._next is None and any(family.contacts for family in status.families):
            self._next = now
        is_news = self._judge(status.problem, now)
        if not is_news and (self._next is None or now < self._next):
            return
        if self._next is not None:
            self._next = now + STATUS_INTERVAL
        if self._lines:
            self._lines.emit("status", **asdict(status))
            return
        if self._problem is not None:
            line = f"waiting: {self._problem}"
        else:
            line = status_line(status)
        if line != self._line:
            self._line = line
            _tell(line)

    def _judge(self, problem: str | None, now: float) -> bool:
        """Whether there is a trouble to tell, or the end of one."""
        if problem is None:
            self._trouble_since = None
        elif self._trouble_since is None:
            self._trouble_since = now
        lasts = self._trouble_since is not None and now - self._trouble_since >= PATIENCE
        told, self._problem = self._problem, problem if lasts else None
        return told != self._problem


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
