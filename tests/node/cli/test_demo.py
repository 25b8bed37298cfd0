"""What `everswarm demo` takes."""

from pathlib import Path

import pytest

from node.cli import demonstration
from node.cli.application import run
from node.cli.exit_status import ExitStatus


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    given: dict[str, object] = {}

    class Recorder:
        def __init__(self, **options: object) -> None:
            given.update(options)

        async def run(self) -> int:
            return 0

    monkeypatch.setattr(demonstration, "Demonstration", Recorder)
    return given


def test_defaults(asked: dict[str, object]) -> None:
    assert run(["demo"]) == ExitStatus.DONE
    assert asked == {"size": 200 << 20, "downloaders": 3, "up": 40 << 20, "keep": None}


def test_options(asked: dict[str, object], tmp_path: Path) -> None:
    arguments = ["demo", "--size", "5", "--downloaders", "2", "--up", "9", "--keep", str(tmp_path)]
    assert run(arguments) == ExitStatus.DONE
    assert asked == {"size": 5 << 20, "downloaders": 2, "up": 9 << 20, "keep": tmp_path}


def test_nonsense_is_refused(asked: dict[str, object]) -> None:
    assert run(["demo", "--size", "0"]) == ExitStatus.BAD_USAGE
    assert asked == {}
