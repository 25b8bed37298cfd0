"""A connection before its handshake, with a stand-in for the connection itself."""

from typing import Any, cast

import pytest

from formats.identifiers import InfoHash, PeerId
from node.peer.connection import PeerConnection
from node.peer.events import HandshakeReceived
from node.peer.messages import Choke
from node.torrent.greeting import Greeting

INTRODUCTION = HandshakeReceived(InfoHash(b"h" * 20), PeerId(b"p" * 20))
CONNECTION = cast(PeerConnection, object())


@pytest.fixture
def told() -> list[Any]:
    return []


@pytest.fixture
def greeting(told: list[Any]) -> Greeting:
    return Greeting(
        lambda *introduced: told.append(introduced), lambda *failed: told.append(failed)
    )


def test_an_introduction_is_handed_on(greeting: Greeting, told: list[Any]) -> None:
    greeting.on_events(CONNECTION, [INTRODUCTION])
    greeting.on_writable(CONNECTION)
    assert told == [(CONNECTION, INTRODUCTION)]


def test_a_failure_is_handed_on_with_its_reason(greeting: Greeting, told: list[Any]) -> None:
    greeting.on_closed(CONNECTION, "it broke")
    assert told == [(CONNECTION, "it broke")]


def test_nothing_else_can_come_before_the_handshake(greeting: Greeting) -> None:
    with pytest.raises(AssertionError):
        greeting.on_events(CONNECTION, [Choke()])
    with pytest.raises(ValueError, match="too many values"):
        greeting.on_events(CONNECTION, [INTRODUCTION, Choke()])
