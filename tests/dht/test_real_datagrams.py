"""Datagrams that other programs sent to our node: each is understood, nothing in it is lost.

Recorded beside our node, on the loopback or on a network of namespaces. The names tell the query,
`reply to` it, and what was special about either.
"""

import json
from pathlib import Path
from typing import Any

import libtorrent
import pytest

from dht import krpc
from dht.counters import method_of
from dht.krpc_messages import VERSION

FIXTURES = [
    json.loads(path.read_text()) for path in sorted(Path(__file__).parent.glob("*_datagrams.json"))
]
DATAGRAMS = {
    (fixture["program"], name): bytes.fromhex(digits)
    for fixture in FIXTURES
    for name, digits in fixture["datagrams"].items()
}
each_datagram = pytest.mark.parametrize(
    ("name", "datagram"),
    [pytest.param(name, DATAGRAMS[program, name], id=f"{program}: {name}")
     for program, name in DATAGRAMS],
)  # fmt: skip


def test_every_program_asks_and_answers_what_bep_5_demands() -> None:
    demanded = {"get_peers", "announce_peer"}
    demanded |= {f"reply to {method}" for method in ("ping", "find_node", *demanded)}
    assert len(FIXTURES) == 5
    for fixture in FIXTURES:
        assert demanded <= fixture["datagrams"].keys(), fixture["program"]


@each_datagram
def test_a_datagram_is_what_it_was_sent_as(name: str, datagram: bytes) -> None:
    assert krpc.cheap_check(datagram)
    message = krpc.parse(datagram)
    if not name.startswith("reply to "):
        assert isinstance(message, krpc.Query)
        assert method_of(message.body) == name.partition(" ")[0]
    elif isinstance(message, krpc.Response):
        _check_response(name.removeprefix("reply to "), message)
    else:
        assert isinstance(message, krpc.ErrorReply)
        assert 203 <= message.code <= 302
        assert message.message


def _check_response(name: str, response: krpc.Response) -> None:
    method = name.partition(" ")[0]
    assert (response.token is not None) == (method in ("get_peers", "get"))
    assert bool(response.peers) == ("with values" in name)
    assert (response.samples is not None) == (method == "sample_infohashes")
    if method == "find_node":
        assert response.contacts
    for endpoint in (*response.peers, *(contact.endpoint for contact in response.contacts)):
        assert endpoint.host.startswith(("127.0.0.1", "10.42.0."))
        assert endpoint.port > 1024


@each_datagram
def test_a_datagram_written_again_says_the_same(name: str, datagram: bytes) -> None:
    message = krpc.parse(datagram)
    ours, theirs = libtorrent.bdecode(krpc.encode(message)), libtorrent.bdecode(datagram)
    if isinstance(message, krpc.ErrorReply):
        theirs = {key: theirs[key] for key in (b"e", b"t", b"y")}
    elif message.version is None:
        assert ours.pop(b"v") == VERSION
    assert ours == _without_extras(theirs)


def _without_extras(message: dict[bytes, Any]) -> dict[bytes, Any]:
    """libtorrent says that it bootstraps, tells a port and writes a seed of 0: no BEP asks for it."""
    arguments, results = message.get(b"a", {}), message.get(b"r", {})
    arguments.pop(b"bs", None)
    results.pop(b"p", None)
    if arguments.get(b"seed") == 0:
        del arguments[b"seed"]
    return message
