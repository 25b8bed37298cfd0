from node.cli.clock import wall_clock


def test_it_counts_unix_seconds() -> None:
    earlier = wall_clock()
    assert 1_700_000_000 < earlier <= wall_clock()
