import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from node.cli import application
from node.cli.exit_status import ExitStatus

COMMANDS = ["create", "show", "verify", "publish", "get", "tracker"]


def test_help_names_every_command(everswarm) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        result = everswarm(*arguments)
        assert result.returncode == ExitStatus.DONE
        assert [command for command in COMMANDS if command not in result.stdout] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(everswarm, command: str) -> None:
    result = everswarm(command, "--help")
    assert result.returncode == ExitStatus.DONE
    assert f"everswarm {command}" in result.stdout


def test_version(everswarm) -> None:
    assert everswarm("--version").stdout == f"everswarm {version('everswarm')}\n"


@pytest.mark.parametrize("command", ["publish", "get"])
def test_switches_of_discovery_are_accepted(everswarm, command: str) -> None:
    result = everswarm(command, "--no-dht", "--no-pex", "--no-lsd", "nowhere", "--log-level", "x")
    assert "Invalid value for '--log-level'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["get"], "Missing argument 'SOURCE'."),
        (["nope"], "No such command 'nope'."),
        (
            ["get", "x", "--down", "5X"],
            "Invalid value for '--down': '5X' is not a rate;"
            " write bytes a second, such as 500K, 2M or 10MiB",
        ),
        (
            ["get", "x", "--peer", "localhost"],
            "Invalid value for '--peer': a port is missing: 'localhost'; write HOST:PORT",
        ),
        (
            ["publish", "x", "--listen", "somewhere:1"],
            "Invalid value for '--listen': not an IP address: 'somewhere'; write ADDR:PORT"
            " with a numeric address, such as 0.0.0.0:6881 or [::]:6881",
        ),
        (
            ["create", "x", "--piece-length", "big"],
            "Invalid value for '--piece-length': 'big' is not a piece length;"
            " write bytes, such as 262144, 256K or 4M",
        ),
        (
            ["tracker", "--allow", "xyz"],
            "--allow: not an info hash (40 hexadecimal or 32 base32 digits): 'xyz'",
        ),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_code_2(
    everswarm, arguments: list[str], sentence: str
) -> None:
    result = everswarm(*arguments)
    assert result.stderr.splitlines()[0] == f"everswarm: {sentence}"
    assert result.stdout == ""
    assert result.returncode == ExitStatus.BAD_USAGE


def test_a_bug_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch, everswarm) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(application, "app", broken)
    with pytest.raises(ZeroDivisionError):
        everswarm("show", "x")


def test_an_error_of_the_system_is_one_sentence(monkeypatch: pytest.MonkeyPatch, everswarm) -> None:
    def broken(**_: object) -> None:
        raise PermissionError(13, "Permission denied", "/root/\x1b[2Jx")

    monkeypatch.setattr(application, "app", broken)
    result = everswarm("show", "x")
    assert result.stderr == "everswarm: /root/\\x1b[2Jx: Permission denied\n"
    assert result.returncode == ExitStatus.FAILED


def test_ctrl_c_in_a_command_without_an_event_loop(
    monkeypatch: pytest.MonkeyPatch, everswarm
) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(application, "app", interrupted)
    result = everswarm("show", "x")
    assert result.stderr == "everswarm: interrupted\n"
    assert result.returncode == ExitStatus.INTERRUPTED


def test_start_up_imports_nothing_heavy() -> None:
    program = (
        "import sys; import node.cli.application;"
        "print(*[m for m in ('asyncio', 'aiohttp', 'uvloop', 'libtorrent', 'rich', 'hashlib',"
        " 'sqlite3', 'node.node', 'simulation') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"


def test_a_name_that_the_terminal_cannot_show_is_escaped(torrent: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "node", "show", str(torrent)],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        check=True,
    )
    assert rb"\u6b4c.flac" in done.stdout
