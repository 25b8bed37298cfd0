"""How a command ends: its exit code and the one sentence that goes with it."""

import os
from enum import IntEnum

from formats.errors import ConfigError, EverswarmError
from node.cli.printable import printable


class ExitStatus(IntEnum):
    """The exit codes that scripts rely on."""

    DONE = 0
    FAILED = 1
    BAD_USAGE = 2
    INTERRUPTED = 130
    """128 + SIGINT, as shells write it; after SIGTERM too, as the state is saved just the same."""


class Failed(EverswarmError):
    """A command could not do what it was asked."""


class Interrupted(EverswarmError):
    """The user asked a command to stop, and it did so in good order."""

    def __init__(self, *, resumable: bool = False) -> None:
        """`resumable`: the same command goes on where this one stopped."""
        super().__init__("interrupted")
        self.resumable = resumable


def exit_status(error: Exception) -> ExitStatus:
    """The exit code that stands for `error`."""
    if isinstance(error, Interrupted):
        return ExitStatus.INTERRUPTED
    return ExitStatus.BAD_USAGE if isinstance(error, ConfigError) else ExitStatus.FAILED


def sentence(error: Exception) -> str:
    """What went wrong, on one line that is safe to print (T10)."""
    if isinstance(error, OSError):
        return printable(_os_sentence(error))
    return printable(" ".join(str(error).split())) or type(error).__name__


def _os_sentence(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno is not None:
        reason = os.strerror(error.errno) if error.errno > 0 else reason
    if error.filename is None:
        return reason
    return f"{os.fsdecode(error.filename)}: {reason}"
