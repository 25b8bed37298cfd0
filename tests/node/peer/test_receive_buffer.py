import pytest

from node.peer.receive_buffer import ReceiveBuffer


def test_one_megabyte_to_write_into() -> None:
    view = ReceiveBuffer().view
    assert len(view) == 1_048_576
    assert not view.readonly


def test_it_has_room_beyond_what_a_connection_puts_in_front() -> None:
    assert len(ReceiveBuffer(65_536).view) == 65_536
    with pytest.raises(AssertionError):
        ReceiveBuffer(65_535)
