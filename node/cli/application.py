"""The `everswarm` application: its commands, and what becomes of their errors.

Commands import what they need when they run, so that `--help` answers at once.
"""

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Annotated, cast

import typer

from formats.errors import EverswarmError
from node.cli import create, demo, dht, get, publish, show, tracker, verify
from node.cli.exit_status import ExitStatus, Interrupted, exit_status, sentence
from node.cli.printable import printable

if TYPE_CHECKING:
    from io import TextIOWrapper

UsageError = cast(type[Exception], typer.BadParameter.__base__)
"""What typer raises for arguments it does not understand; it exports only this child of it."""

app = typer.Typer(
    name="everswarm",
    help="A decentralized BitTorrent node: what was published stays findable and complete.",
    epilog="Every command explains itself: everswarm COMMAND --help",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("create")(create.create)
app.command("show")(show.show)
app.command("verify")(verify.verify)
app.command("publish")(publish.publish)
app.command("get")(get.get)
app.command("tracker")(tracker.tracker)
app.command("demo")(demo.demo)
app.add_typer(dht.app, name="dht")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"everswarm {version('everswarm')}")
        raise typer.Exit


@app.callback()
def _application(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` ask for; the exit code. Errors are told on stderr."""
    for stream in (sys.stdout, sys.stderr):
        cast("TextIOWrapper", stream).reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(args=list(arguments) or ["--help"], prog_name="everswarm", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else ExitStatus.DONE
    except UsageError as error:
        return _bad_usage(error, arguments)
    except (Interrupted, KeyboardInterrupt, typer.Abort) as error:
        return _interrupted(error, arguments)
    except BrokenPipeError:
        return _reader_left()
    except (EverswarmError, OSError) as error:
        _tell(sentence(error))
        return exit_status(error)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _tell(text: str) -> None:
    print(f"everswarm: {text}", file=sys.stderr, flush=True)


def _bad_usage(error: Exception, arguments: Sequence[str]) -> int:
    message = getattr(error, "format_message", error.__str__)()
    _tell(printable(" ".join(message.split())))
    print("Try:", shlex.join(["everswarm", *_command(arguments), "--help"]), file=sys.stderr)
    return ExitStatus.BAD_USAGE


def _command(arguments: Sequence[str]) -> list[str]:
    """The command that `arguments` begin with, as far as it is known: `dht get-peers`."""
    names: list[str] = []
    group = app
    for argument in arguments:
        if argument in {command.name for command in group.registered_commands}:
            return [*names, argument]
        groups = {each.name: each.typer_instance for each in group.registered_groups}
        inner = groups.get(argument)
        if inner is None:
            break
        names.append(argument)
        group = inner
    return names


def _interrupted(error: BaseException, arguments: Sequence[str]) -> int:
    if isinstance(error, Interrupted) and error.resumable:
        again = printable(shlex.join(["everswarm", *arguments]))
        _tell(f"interrupted, and nothing is lost. To go on, the same command:\n  {again}")
    else:
        _tell("interrupted")
    return ExitStatus.INTERRUPTED


def _reader_left() -> int:
    """Whoever read our output has seen enough (`| head`): end quietly, as others do."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitStatus.FAILED
