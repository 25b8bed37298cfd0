import json
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from node.cli.exit_status import ExitStatus

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(start, number: signal.Signals) -> None:
    process = start("tracker", "--listen", "127.0.0.1:0", "--interval", "60")
    url = process.stdout.readline().strip()
    query = "?info_hash=" + "%aa" * 20 + "&peer_id=" + "%2d" * 20 + "&port=6881&left=1&compact=1"
    with urllib.request.urlopen(url + query) as answer:
        assert b"8:interval" in answer.read()
    process.send_signal(number)
    out, errors = process.communicate(timeout=10)
    assert out == ""
    assert errors.splitlines()[1:] == ["everswarm: interrupted"]
    assert process.returncode == ExitStatus.INTERRUPTED


def test_json(start) -> None:
    process = start("tracker", "--listen", "127.0.0.1:0", "--json")
    event = json.loads(process.stdout.readline())
    assert event["event"] == "listening"
    assert event["announce"] == f"http://{event['endpoint']}/announce"


def test_the_second_line_is_the_udp_url(start) -> None:
    process = start("tracker", "--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0")
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    url = process.stdout.readline().strip()
    host, port = url.removeprefix("udp://").removesuffix("/announce").split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(bytes.fromhex("00000417 27101980 00000000 deadbeef"), (host, int(port)))
        reply = client.recv(100)
    assert reply[:8] == bytes.fromhex("00000000 deadbeef")
    assert len(reply) == 16


def test_an_announce_url_that_works_here_when_it_listens_everywhere(start) -> None:
    assert start("tracker", "--listen", ":0").stdout.readline().startswith("http://127.0.0.1:")


def test_only_allowed_torrents_are_served(start) -> None:
    process = start("tracker", "--listen", "127.0.0.1:0", "--allow", "bb" * 20)
    url = process.stdout.readline().strip()
    query = "?info_hash=" + "%aa" * 20 + "&peer_id=" + "%2d" * 20 + "&port=6881&left=1&compact=1"
    with urllib.request.urlopen(url + query) as answer:
        assert b"14:failure reason" in answer.read()


def test_a_port_in_use(start, everswarm, tmp_path: Path) -> None:
    endpoint = start("tracker", "--listen", "127.0.0.1:0").stdout.readline().split("/")[2]
    result = everswarm("tracker", "--listen", endpoint)
    port = endpoint.rpartition(":")[2]
    assert result.stderr == (
        f"everswarm: cannot listen on 127.0.0.1 port {port}: the port is in use;"
        " choose another, or stop what uses it\n"
    )
    assert result.returncode == ExitStatus.BAD_USAGE


def test_an_address_of_another_machine(everswarm) -> None:
    result = everswarm("tracker", "--listen", "192.0.2.1:6969")
    assert result.stderr == (
        "everswarm: cannot listen on 192.0.2.1 port 6969: this machine has no such address;"
        " try 0.0.0.0\n"
    )
    assert result.returncode == ExitStatus.BAD_USAGE
