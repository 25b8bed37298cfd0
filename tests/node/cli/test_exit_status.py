import errno

from formats.errors import ConfigError, ProtocolError, StorageError
from node.cli.exit_status import ExitStatus, Failed, Interrupted, exit_status, sentence


def test_exit_codes() -> None:
    assert exit_status(ConfigError("x")) == 2
    assert exit_status(ProtocolError("x")) == 1
    assert exit_status(StorageError("x")) == 1
    assert exit_status(Failed("x")) == 1
    assert exit_status(OSError()) == 1
    assert exit_status(Interrupted()) == 130
    assert list(ExitStatus) == [0, 1, 2, 130]


def test_sentences_are_one_line_and_safe() -> None:
    assert sentence(Failed("two\nlines \x1b[31m")) == r"two lines \x1b[31m"
    assert sentence(Failed()) == "Failed"


def test_errors_of_the_system_name_the_path() -> None:
    error = OSError(errno.EROFS, "whatever", "/mnt/cd/x")
    assert sentence(error) == "/mnt/cd/x: Read-only file system"
    assert sentence(OSError("plain words")) == "plain words"
