from node.torrent.request_pipeline import (
    BLOCK_SIZE,
    INITIAL_DEPTH,
    MAXIMUM_DEPTH,
    RequestPipeline,
)


def transfer(pipeline: RequestPipeline, *, rate: float, latency: float, seconds: float) -> float:
    """A link of `rate` bytes/s and `latency` seconds round trip; returns the share of it used."""
    now, sent = 0.0, 0
    pipeline.restart(now)
    while now < seconds:
        depth = pipeline.depth
        turn = max(latency, depth * BLOCK_SIZE / rate)
        for _ in range(depth):
            now += turn / depth
            pipeline.received(BLOCK_SIZE, now)
        sent += depth * BLOCK_SIZE
    return sent / (rate * now)


def test_a_loopback_peer_gets_the_whole_depth_within_eight_mebibytes() -> None:
    pipeline = RequestPipeline(0.0, peer_queue=2_000)
    blocks = 0
    while pipeline.depth < 500:
        blocks += 1
        pipeline.received(BLOCK_SIZE, blocks * BLOCK_SIZE / 1e9)
    assert pipeline.depth == 500
    assert blocks <= 512


def test_blocks_in_one_batch_at_one_instant_count_as_fast() -> None:
    pipeline = RequestPipeline(5.0, peer_queue=2_000)
    depths = [pipeline.depth]
    while pipeline.depth < MAXIMUM_DEPTH:
        pipeline.received((pipeline.depth - 1) * BLOCK_SIZE, 5.0)
        assert pipeline.depth == depths[-1]  # the queue has not turned over yet
        pipeline.received(BLOCK_SIZE, 5.0)
        depths.append(pipeline.depth)
    assert depths == [INITIAL_DEPTH, 16, 32, 64, 128, 256, 500]


def test_the_depth_is_a_second_of_the_rate() -> None:
    pipeline = RequestPipeline(0.0)
    transfer(pipeline, rate=1_000_000, latency=0.05, seconds=20)
    assert 61 <= pipeline.depth <= 63


def test_a_long_link_is_filled() -> None:
    pipeline = RequestPipeline(0.0, peer_queue=500)
    transfer(pipeline, rate=4_000_000, latency=0.4, seconds=6)
    assert transfer(pipeline, rate=4_000_000, latency=0.4, seconds=10) > 0.99
    assert pipeline.depth < 250


def test_a_slow_peer_is_asked_for_little() -> None:
    pipeline = RequestPipeline(0.0)
    transfer(pipeline, rate=5_000, latency=0.1, seconds=60)
    assert pipeline.depth == 4


def test_the_queue_of_the_peer_is_respected() -> None:
    pipeline = RequestPipeline(0.0)
    pipeline.set_peer_queue(50)
    for _ in range(9):
        pipeline.received(500 * BLOCK_SIZE, 0.0)
    assert pipeline.depth == 50
    pipeline.set_peer_queue(0)
    assert pipeline.depth == 1
    pipeline.set_peer_queue(10**9)
    assert pipeline.depth == 500


def test_p9_a_minute_without_progress_is_a_snub_told_once() -> None:
    pipeline = RequestPipeline(0.0)
    pipeline.restart(10.0)
    assert not pipeline.check_snub(16, 69.9)
    assert pipeline.check_snub(16, 70.0)
    assert not pipeline.check_snub(16, 80.0)
    assert pipeline.snubbed
    assert pipeline.depth == 1
    pipeline.received(BLOCK_SIZE, 81.0)
    assert not pipeline.snubbed
    assert pipeline.depth == 4
    assert pipeline.check_snub(1, 141.0)


def test_a_pause_is_not_slowness() -> None:
    pipeline = RequestPipeline(0.0)
    transfer(pipeline, rate=1_000_000, latency=0.05, seconds=10)
    depth = pipeline.depth
    for second in range(20, 50):
        assert not pipeline.check_snub(0, float(second))
    pipeline.received(depth * BLOCK_SIZE, 49.9)
    assert pipeline.depth >= depth


def test_p9_a_peer_that_owes_nothing_cannot_snub() -> None:
    pipeline = RequestPipeline(0.0)
    assert not pipeline.check_snub(0, 1_000.0)
    assert not pipeline.check_snub(5, 1_059.0)
    assert pipeline.check_snub(5, 1_060.0)


def test_one_slow_moment_halves_the_depth_at_most() -> None:
    pipeline = RequestPipeline(0.0)
    transfer(pipeline, rate=1_000_000, latency=0.05, seconds=10)
    depth = pipeline.depth
    pipeline.restart(20.0)
    pipeline.received(BLOCK_SIZE, 22.0)
    assert pipeline.depth == depth // 2
