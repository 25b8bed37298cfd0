"""`everswarm dht …` as a user types it, against nodes on loopback."""

import json
import re
import signal
import stat
from collections.abc import Callable, Iterator
from hashlib import sha1
from pathlib import Path
from subprocess import Popen

import pytest

from formats.endpoint import Endpoint
from node.cli.exit_status import ExitStatus
from tests.node.cli.conftest import Command, Result
from tests.node.cli.dht_world import loopback_network

HASH = "ab" * 20
COMMANDS = [
    "node", "ping", "find-node", "get-peers", "announce", "get", "put", "sample", "scrape",
    "explain", "findable",
]  # fmt: skip

Ask = Callable[..., Result]


@pytest.fixture(scope="module")
def network() -> Iterator[list[Endpoint]]:
    with loopback_network(5) as endpoints:
        yield endpoints


@pytest.fixture
def ask(everswarm: Command, network: list[Endpoint]) -> Ask:
    """Runs `everswarm dht ARGUMENTS` against `network`."""
    way = ["--bootstrap", str(network[0]), "--only-bootstrap", "--dht-listen", "127.0.0.1:0"]
    return lambda *arguments: everswarm("dht", *arguments, *way)


def test_help_names_every_command_and_its_options(everswarm: Command) -> None:
    text = everswarm("dht", "--help").stdout
    assert [command for command in COMMANDS if f" {command} " not in text] == []
    for command in COMMANDS:
        result = everswarm("dht", command, "--help")
        assert result.returncode == ExitStatus.DONE
        for option in ("--bootstrap", "--only-bootstrap", "--dht-listen", "--json"):
            assert option in result.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence", "hint"),
    [
        ([], "Missing command.", "dht"),
        (["nope"], "No such command 'nope'.", "dht"),
        (["get-peers"], "Missing argument 'HASH'.", "dht get-peers"),
        (
            ["get-peers", "xyz"],
            "Invalid value for 'HASH': not an info hash (40 hexadecimal or 32 base32 digits),"
            " a magnet or a .torrent file: 'xyz'",
            "dht get-peers",
        ),
        (
            ["find-node", HASH[1:]],
            "Invalid value for 'HASH': not an ID of 20 bytes (40 hexadecimal or 32 base32 digits):"
            f" '{HASH[1:]}'",
            "dht find-node",
        ),
        (
            ["get", "00ff"],
            "Invalid value for 'KEY': not the target of an item (40 hexadecimal digits) or a"
            " public key (64): '00ff'",
            "dht get",
        ),
        (["announce", HASH], "Missing option '--port'.", "dht announce"),
        (
            ["ping", "nowhere"],
            "Invalid value for 'HOST:PORT': a port is missing: 'nowhere'; write HOST:PORT",
            "dht ping",
        ),
    ],
)
def test_bad_usage(everswarm: Command, arguments: list[str], sentence: str, hint: str) -> None:
    result = everswarm("dht", *arguments)
    said, tried = result.stderr.splitlines()
    assert said.startswith(f"everswarm: {sentence}")
    assert tried == f"Try: everswarm {hint} --help"
    assert (result.returncode, result.stdout) == (ExitStatus.BAD_USAGE, "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["put", "x" * 997],
            "the value takes 1,001 bytes when bencoded; the DHT stores at most 1,000",
        ),
        (["put", "x", "--salt", "ß" * 33], "a salt has at most 64 bytes, not 66"),
        (
            ["put", "x", "--seq", "3"],
            "--create-key, --salt, --seq and --cas are for mutable items: add --key FILE",
        ),
        (["put", "x", "--key", "mine"], "mine: there is no such key; --create-key makes one"),
        (
            ["get-peers", HASH, "--only-bootstrap"],
            "--only-bootstrap leaves nobody to ask; add --bootstrap HOST:PORT",
        ),
    ],
)
def test_what_cannot_be_is_said_before_anybody_is_asked(
    everswarm: Command, arguments: list[str], sentence: str
) -> None:
    result = everswarm("dht", *arguments)
    assert result.stderr == f"everswarm: {sentence}\n"
    assert (result.returncode, result.stdout) == (ExitStatus.BAD_USAGE, "")


@pytest.mark.sockets
@pytest.mark.parametrize("command", [["node"], ["get-peers", HASH, "--bootstrap", "127.0.0.1:1"]])
def test_a_taken_udp_port(
    start: Callable[..., Popen[str]], network: list[Endpoint], command: list[str]
) -> None:
    process = start("dht", *command, "--only-bootstrap", "--dht-listen", str(network[2]))
    out, errors = process.communicate(timeout=10)
    assert errors == (
        f"everswarm: cannot listen on UDP {network[2]}: the port is in use; choose another with"
        " --dht-listen\n"
    )
    assert (process.returncode, out) == (ExitStatus.BAD_USAGE, "")


@pytest.mark.sockets
def test_every_bootstrap_host_dead(everswarm: Command) -> None:
    way = ["--bootstrap", "127.0.0.1:1", "--only-bootstrap", "--timeout", "0.2"]
    result = everswarm("dht", "get-peers", HASH, *way)
    assert result.stderr == (
        "everswarm: none of 1 bootstrap hosts has answered: check that UDP gets out of this"
        " network, or name another node with --bootstrap (tried for 0.2 s: 127.0.0.1:1)\n"
    )
    assert (result.returncode, result.stdout) == (ExitStatus.FAILED, "")


@pytest.mark.sockets
def test_ping(everswarm: Command, ask: Ask, network: list[Endpoint]) -> None:
    result = ask("ping", str(network[1]))
    assert re.fullmatch(r"[0-9a-f]{40}\n", result.stdout)
    assert re.fullmatch(rf"{network[1]} answered in [\d.]+ ms\n", result.stderr)
    told = json.loads(ask("ping", f"localhost:{network[1].port}", "--json").stdout)
    assert told["id"] == result.stdout.strip()
    assert told["node"] == str(network[1])
    silent = everswarm("dht", "ping", "127.0.0.1:1", "--timeout", "0.1")
    assert silent.stderr == "everswarm: not done within 0.1 s; --timeout gives it more\n"
    assert silent.returncode == ExitStatus.FAILED


@pytest.mark.sockets
def test_what_is_announced_is_found_counted_and_explained(
    ask: Ask, network: list[Endpoint]
) -> None:
    nobody = ask("get-peers", HASH)
    assert nobody.stdout == ""
    assert re.fullmatch(
        r"everswarm: no peer found: \d of \d+ nodes asked answered, and nobody has announced this"
        r" torrent to them",
        nobody.stderr.splitlines()[-1],
    )
    assert nobody.returncode == ExitStatus.FAILED

    announced = ask("announce", HASH, "--port", "4000", "--seed")
    assert re.fullmatch(r"stored by [3-5] nodes\n", announced.stdout)

    result = ask("get-peers", f"magnet:?xt=urn:btih:{HASH}")
    assert result.stdout == "127.0.0.1:4000\n"
    assert result.returncode == ExitStatus.DONE
    told = json.loads(ask("get-peers", HASH, "--json").stdout)
    assert list(told) == ["peers", "nodes_asked", "seconds", "first_peer_seconds"]
    assert told["peers"] == ["127.0.0.1:4000"]
    assert 3 <= told["nodes_asked"] <= 20
    assert 0 <= told["first_peer_seconds"] <= told["seconds"] < 5

    assert ask("scrape", HASH).stdout == "about 1 seed, 0 downloaders\n"
    assert HASH in ask("sample").stdout.splitlines()

    headings, *steps = ask("explain", HASH).stdout.splitlines()
    assert headings.split() == ["asked", "node", "ID", "bits", "latency", "result", "named", "by"]
    answered = {step.split()[2] for step in steps if " answered " in step}
    assert answered <= {str(endpoint) for endpoint in network}
    assert len(answered) >= 3
    assert steps[0].endswith("our table")


@pytest.mark.sockets
def test_findable(ask: Ask) -> None:
    other = "cd" * 20
    assert ask("findable", other).returncode == ExitStatus.FAILED
    assert ask("announce", other, "--port", "4000").returncode == ExitStatus.DONE
    assert ask("findable", other, "--port", "4000").stdout == "findable: 1 peer\n"
    result = ask("findable", other, "--port", "4001")
    assert result.stderr.splitlines()[-1] == (
        "everswarm: not findable: the newcomer found 1 other peer, not a peer of ours at port 4001"
    )
    assert result.returncode == ExitStatus.FAILED


@pytest.mark.sockets
def test_find_node(ask: Ask, network: list[Endpoint]) -> None:
    lines = ask("find-node", HASH).stdout.splitlines()
    assert {line.split()[-1] for line in lines} <= {str(endpoint) for endpoint in network}
    assert len(lines) >= 3
    ids = [int(line.split()[0], 16) ^ int(HASH, 16) for line in lines]
    assert ids == sorted(ids)
    nodes = json.loads(ask("find-node", HASH, "--json").stdout)["nodes"]
    told = [(int(node["id"], 16) ^ int(HASH, 16), node["distance"]) for node in nodes]
    assert all(away.bit_length() == bits for away, bits in told)


@pytest.mark.sockets
def test_items(ask: Ask) -> None:
    target = "e5f96f6f38320f0f33959cb4d3d656452117aadb"  # BEP 44's first test vector
    assert ask("put", "Hello World!").stdout == f"{target}\n"
    assert ask("get", target).stdout == "Hello World!\n"
    long = "x" * 996
    target = sha1(b"996:" + long.encode()).hexdigest()
    assert ask("put", long).stdout == f"{target}\n"
    assert ask("get", target).stdout == f"{long}\n", "more than a stranger is sent"


@pytest.mark.sockets
def test_mutable_items(ask: Ask, tmp_path: Path) -> None:
    first = json.loads(ask("put", "one", "--key", "key", "--create-key", "--json").stdout)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    second = json.loads(ask("put", "two", "--key", "key", "--json").stdout)
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert first["target"] == second["target"]
    assert 1 <= first["nodes_stored"] <= 5
    for name in (first["target"], first["public_key"]):
        result = ask("get", name)
        assert result.stdout == "two\n"
        assert result.stderr.startswith(f"version 2 of {first['public_key']}, from ")

    lost = ask("put", "three", "--key", "key", "--cas", "1")
    assert lost.stderr == (
        "everswarm: no node stored it: another version is stored than --cas says\n"
    )
    old = ask("put", "three", "--key", "key", "--seq", "1")
    assert old.stderr == (
        "everswarm: no node stored it: a newer version is stored; leave --seq out, or raise it\n"
    )
    assert (lost.returncode, old.returncode) == (ExitStatus.FAILED, ExitStatus.FAILED)
    salted = ask("put", "other", "--key", "key", "--salt", "s").stdout.strip()
    assert salted != first["target"]
    assert ask("get", salted, "--salt", "s").stdout == "other\n"


@pytest.mark.sockets
def test_a_node_runs_until_a_signal_and_keeps_its_contacts(
    start: Callable[..., Popen[str]], ask: Ask, network: list[Endpoint], tmp_path: Path
) -> None:
    way = ["--bootstrap", str(network[0]), "--only-bootstrap", "--dht-listen", "127.0.0.1:0"]
    process = start("dht", "node", "--state", "kept", *way)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    node_id = ask("ping", address).stdout.strip()
    assert process.stderr is not None
    assert re.match(r"IPv4: \d contacts? \(\d good\)", process.stderr.readline())
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=10)
    assert (out, errors) == ("", "everswarm: interrupted\n")
    assert process.returncode == ExitStatus.INTERRUPTED
    assert [file.name for file in (tmp_path / "kept").iterdir()] == ["dht.contacts"]

    alone = ["--only-bootstrap", "--dht-listen", "127.0.0.1:0", "--json"]
    again = start("dht", "node", "--state", "kept", *alone)
    assert again.stdout is not None
    listening, status = (json.loads(again.stdout.readline()) for _ in range(2))
    assert listening["event"] == "listening"
    assert listening["node_ids"] == [node_id]
    assert (status["event"], status["problem"]) == ("status", None)
    assert {source["kind"] for source in status["bootstrap"]} == {"saved"}


@pytest.mark.sockets
def test_a_state_directory_that_is_a_file(everswarm: Command, tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    result = everswarm("dht", "node", "--state", "kept", "--only-bootstrap")
    assert result.stderr == "everswarm: kept: File exists\n"
    assert result.returncode == ExitStatus.FAILED
