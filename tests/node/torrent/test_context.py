from node.torrent.context import ConnectionCount


def test_dials_are_bounded_by_their_own_limit() -> None:
    count = ConnectionCount(200, 20)
    assert count.room_for_dials == 20
    count.half_open = 15
    assert count.room_for_dials == 5


def test_dials_are_bounded_by_the_connections_they_would_become() -> None:
    count = ConnectionCount(200, 20, open=190)
    assert count.room_for_dials == 10
    count.half_open = 10
    assert count.room_for_dials == 0
    count.open = 200
    assert count.room_for_dials < 0
