import asyncio
from typing import Any, cast

import pytest

from formats.metainfo import Metainfo
from node.cli import metadata_watch
from node.cli.exit_status import Failed
from node.cli.metadata_watch import wait_for_metadata
from node.cli.progress import Progress
from node.torrent.metadata_search import MetadataSearch
from node.torrent.status import MetadataStatus
from tests.node.cli.test_why_metadata import NOTHING

METAINFO = cast(Metainfo, object())


class FakeSearch:
    """Knows as many peers as it was looked at, up to two; `done` ends it."""

    def __init__(self) -> None:
        self.looks = 0
        self.done = asyncio.Event()

    def status(self) -> MetadataStatus:
        self.looks += 1
        members: dict[str, Any] = {name: getattr(NOTHING, name) for name in NOTHING.__slots__}
        return MetadataStatus(**(members | {"known_peers": min(self.looks, 2)}))

    async def wait(self) -> Metainfo:
        await self.done.wait()
        return METAINFO


class Reasons:
    """A Progress that keeps the reasons."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def why(self, reason: str) -> None:
        self.told.append(reason)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_watch, "LOOK_INTERVAL", 0.001)


async def wait(search: FakeSearch, progress: Reasons, patience: float | None) -> Metainfo:
    return await wait_for_metadata(
        cast(MetadataSearch, search), cast(Progress, progress), patience=patience
    )


async def test_each_reason_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_watch, "WHY_AFTER", 0.0)
    search, progress = FakeSearch(), Reasons()
    asyncio.get_running_loop().call_later(0.05, search.done.set)
    assert await wait(search, progress, None) is METAINFO
    assert search.looks > 3
    assert progress.told == [
        "1 peer known, none connected yet",
        "2 peers known, none connected yet",
    ]


async def test_the_reason_waits_a_moment() -> None:
    search, progress = FakeSearch(), Reasons()
    asyncio.get_running_loop().call_later(0.02, search.done.set)
    await wait(search, progress, 10.0)
    assert progress.told == []


@pytest.mark.parametrize(("patience", "text"), [(0.0, "0"), (0.02, "0.02")])
async def test_patience_ends_with_the_reason(patience: float, text: str) -> None:
    with pytest.raises(Failed) as failure:
        await wait(FakeSearch(), Reasons(), patience)
    assert str(failure.value).startswith(f"no metadata after {text} seconds: ")
    assert str(failure.value).endswith(" known, none connected yet")
