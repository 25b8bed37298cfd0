import io
import sys

import pytest

from node.cli import hashing_progress as module
from node.cli.hashing_progress import hashing_progress


async def test_lines_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "PLAIN_INTERVAL", 0.0)
    with hashing_progress("hashing", quiet=False) as on_progress:
        assert on_progress is not None
        on_progress(1 << 20, 4 << 20)
    assert capsys.readouterr() == ("", "hashing 25% of 4.0 MiB\n")


async def test_short_work_says_nothing_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with hashing_progress("hashing", quiet=False) as on_progress:
        assert on_progress is not None
        on_progress(4, 4)
    assert capsys.readouterr() == ("", "")


async def test_quiet() -> None:
    with hashing_progress("hashing", quiet=True) as on_progress:
        assert on_progress is None


async def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with hashing_progress("hashing", quiet=False) as on_progress:
        assert on_progress is not None
        on_progress(1 << 20, 4 << 20)
        on_progress(4 << 20, 4 << 20)
    assert "4.2/4.2 MB" in terminal.getvalue() or "4.0/4.0 MiB" in terminal.getvalue()
