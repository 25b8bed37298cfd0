import inspect
import json

import pytest

from node.cli.addresses import HostPort
from node.cli.dht_options import NetworkOptions, asks_the_network
from node.cli.options import LogLevel


def test_a_command_takes_the_shared_options_beside_its_own() -> None:
    heard: list[object] = []

    @asks_the_network
    def command(name: str, *, network: NetworkOptions, loud: bool = False) -> None:
        """What it does."""
        heard.extend((name, loud, network))

    names = ["name", "loud", "bootstrap", "only_bootstrap", "dht_listen", "timeout", "json"]
    assert list(inspect.signature(command).parameters) == [*names, "log_level"]
    assert command.__doc__ == "What it does."
    at = HostPort("127.0.0.1", 1)
    command(
        name="x",
        loud=True,
        bootstrap=[at],
        only_bootstrap=True,
        dht_listen=None,
        timeout=2.0,
        json=True,
        log_level=LogLevel.ERROR,
    )
    assert heard == [
        "x",
        True,
        NetworkOptions(
            bootstrap=(at,), only_bootstrap=True, timeout=2.0, json=True, log_level=LogLevel.ERROR
        ),
    ]


def test_an_answer_is_lines_and_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    NetworkOptions().answer({"count": 1}, ["one", "two"], note="two in all")
    assert capsys.readouterr() == ("one\ntwo\n", "two in all\n")


def test_an_answer_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    NetworkOptions(json=True).answer({"count": 1}, ["one"], note="one in all")
    out, errors = capsys.readouterr()
    assert (json.loads(out), errors) == ({"count": 1}, "")
