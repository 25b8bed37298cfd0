import io
import logging
import sys
from collections.abc import Iterator

import pytest

from node.cli.log import open_log
from node.cli.options import LogLevel


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_g7_what_strangers_say_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    open_log(LogLevel.WARNING)
    logging.getLogger("node.peer").warning("peer says %s", "\x1b[2J歌")
    assert capsys.readouterr().err.endswith(r" WARNING node.peer: peer says \x1b[2J歌" + "\n")


def test_less_grave_records_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    open_log(LogLevel.WARNING)
    logging.getLogger("node").info("chatter")
    open_log(LogLevel.DEBUG)
    logging.getLogger("node").debug("detail")
    assert "chatter" not in (told := capsys.readouterr().err)
    assert told.endswith(" DEBUG node: detail\n")
    assert len(told.splitlines()) == 1


def test_it_writes_where_standard_error_goes_at_that_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_log(LogLevel.WARNING)
    monkeypatch.setattr(sys, "stderr", display := io.StringIO())
    logging.getLogger("node").warning("now")
    assert display.getvalue().endswith(" WARNING node: now\n")
