"""The program's log on standard error, one escaped line a record (G7)."""

import logging
import sys

from node.cli.options import LogLevel
from node.cli.printable import printable


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(printable, super().format(record).split("\n")))


class _Handler(logging.Handler):
    """Writes where standard error goes at that moment: a live display may have taken it over."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def open_log(level: LogLevel) -> None:
    """Log records of `level` and graver ones."""
    handler = _Handler()
    handler.setFormatter(_Line("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
