"""Votes for our address (D13)."""

from dht.external_address import MAX_VOTERS, ExternalAddress

OURS, LIE = "81.2.3.4", "5.5.5.5"


def test_d13_five_networks_must_agree():
    external = ExternalAddress()
    for number in range(4):
        assert not external.vote(f"50.0.{number}.1", OURS)
        assert not external.vote(f"50.0.{number}.2", OURS), "one vote for each /24"
    assert external.address is None
    assert external.vote("50.0.9.1", OURS)
    assert external.address == OURS
    assert not external.vote("50.0.10.1", OURS), "nothing has changed"


def test_d13_liars_need_the_majority():
    external = ExternalAddress()
    for number in range(12):
        external.vote(f"50.0.{number}.1", OURS)
    for number in range(12):
        assert not external.vote(f"60.0.{number}.1", LIE)
    assert external.vote("60.0.12.1", LIE), "thirteen of twenty-five"


def test_d13_votes_of_one_network_replace_each_other_and_are_bounded():
    external = ExternalAddress()
    for number in range(5):
        external.vote(f"50.0.{number}.1", OURS)
    for number in range(1_000):
        external.vote("60.0.0.1", f"7.7.{number >> 8}.{number & 255}")
    assert external.address == OURS
    for number in range(1_000):
        external.vote(f"61.{number >> 8}.{number & 255}.1", f"7.7.{number >> 8}.{number & 255}")
    assert len(external._votes) == MAX_VOTERS
    assert external.address == OURS


def test_d13_local_addresses_are_nobodys_external_one():
    external = ExternalAddress()
    for claimed in ("10.0.0.1", "127.0.0.1", "::ffff:192.168.0.1", "0.0.0.0", "224.0.0.1"):
        for number in range(9):
            assert not external.vote(f"50.0.{number}.1", claimed)
    assert external.address is None


def test_after_a_change_of_network_five_votes_are_enough_again():
    external = ExternalAddress()
    for number in range(MAX_VOTERS):
        external.vote(f"50.0.{number}.1", OURS)
    external.forget()
    assert external.address == OURS, "until it is outvoted"
    assert [external.vote(f"2600:{n}::1", LIE) for n in range(5)] == [False] * 4 + [True]
