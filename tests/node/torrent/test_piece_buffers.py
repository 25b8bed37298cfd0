from node.torrent.piece_buffers import PieceBuffers


def test_buffers_are_recycled_and_a_view_is_as_long_as_asked() -> None:
    buffers = PieceBuffers(1_000)
    view = buffers.take(600)
    assert (len(view), buffers.in_use) == (600, 1)
    memory = view.obj
    buffers.give_back(view)
    again = buffers.take(1_000)
    assert again.obj is memory
    assert (len(again), buffers.in_use) == (1_000, 1)


def test_f16_the_pool_is_bounded() -> None:
    buffers = PieceBuffers(8 * 1024 * 1024)
    views = [buffers.take(5) for _ in range(5)]
    memories = {id(view.obj): view.obj for view in views}
    for view in views:
        buffers.give_back(view)
    assert buffers.in_use == 0
    kept = [buffers.take(5) for _ in range(3)]
    assert sum(id(view.obj) in memories for view in kept) == 2
