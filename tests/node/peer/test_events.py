from typing import get_args

from node.peer import events, messages
from node.peer.events import Event


def test_events_with_equal_fields_are_told_apart_by_their_kind() -> None:
    assert messages.Choke() != messages.Unchoke()
    assert messages.Request(1, 2, 3) != messages.Cancel(1, 2, 3)
    assert messages.Have(1) != events.DontHave(1)
    assert messages.Have(1) == messages.Have(1)


def test_events_can_be_matched_by_position() -> None:
    match messages.Block(1, 2, memoryview(b"data")):
        case messages.Block(index, begin, data):
            assert (index, begin, bytes(data)) == (1, 2, b"data")


def test_an_event_is_small() -> None:
    kinds = get_args(Event)
    assert len(kinds) == 21
    assert all("__dict__" not in dir(kind) for kind in kinds)
