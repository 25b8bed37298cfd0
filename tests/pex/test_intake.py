import pytest

from formats.bencode import encode
from formats.endpoint import Endpoint, pack
from pex.delta import INTERVAL
from pex.intake import FLOOD, SHORTEST_INTERVAL, STRIKES, PexAbuse, PexIntake
from pex.message import PeerFlags, PexMessage

ONE = Endpoint("1.2.3.4", 6881)
PAYLOAD = PexMessage({ONE: PeerFlags.SEED}).encode()
CROWD = encode({b"added": b"".join(pack(Endpoint(f"9.9.{n}.1", 1)) for n in range(101))})


def test_what_it_says_is_handed_over() -> None:
    assert PexIntake(5.0).receive(PAYLOAD, 5.0) == PexMessage({ONE: PeerFlags.SEED})


def test_x1_one_message_a_minute_counts_and_the_others_are_thrown_away() -> None:
    intake = PexIntake(0.0)
    heard = [intake.receive(PAYLOAD, float(now)) is not None for now in range(0, 240, 20)]
    assert heard == [True, False, False] * 4
    assert intake.ignored == 8


def test_x1_a_neighbour_whose_minute_was_shortened_by_the_network_is_heard() -> None:
    intake = PexIntake(0.0)
    for now in (0.0, INTERVAL - 4.0, 2 * INTERVAL - 8.0, 3 * INTERVAL - 12.0):
        assert intake.receive(PAYLOAD, now) is not None
    assert intake.receive(PAYLOAD, 3 * INTERVAL - 12.0 + SHORTEST_INTERVAL - 0.1) is None


def test_x1_the_seventh_message_within_a_minute_closes() -> None:
    intake = PexIntake(0.0)
    for number in range(FLOOD - 1):
        intake.receive(PAYLOAD, number * 9.0)
    with pytest.raises(PexAbuse, match="floods"):
        intake.receive(PAYLOAD, 59.9)


def test_x1_seven_messages_in_more_than_a_minute_do_not() -> None:
    intake = PexIntake(0.0)
    for number in range(30):
        intake.receive(PAYLOAD, number * 10.0)
    assert intake.ignored == 24


def test_x1_messages_thrown_away_are_not_even_read() -> None:
    intake = PexIntake(0.0)
    intake.receive(PAYLOAD, 0.0)
    assert intake.receive(b"nonsense", 1.0) is None
    assert intake.strikes == 0


@pytest.mark.parametrize("payload", [b"nonsense", b"d5:added5:12345e", CROWD])
def test_x2_three_strikes_close(payload: bytes) -> None:
    intake = PexIntake(0.0)
    intake.receive(PAYLOAD, 0.0)
    for number in range(1, STRIKES):
        intake.receive(payload, number * INTERVAL)
        assert intake.strikes == number
    with pytest.raises(PexAbuse, match="malformed"):
        intake.receive(payload, STRIKES * INTERVAL)


def test_x2_the_first_message_may_be_long() -> None:
    intake = PexIntake(0.0)
    message = intake.receive(CROWD, 0.0)
    assert message is not None
    assert len(message.added) == 50
    assert intake.strikes == 0
    intake.receive(CROWD, INTERVAL)
    assert intake.strikes == 1


def test_x2_what_can_be_read_of_a_faulty_message_counts() -> None:
    intake = PexIntake(0.0)
    payload = encode({b"added": pack(ONE), b"dropped": b"x"})
    assert intake.receive(payload, 0.0) == PexMessage({ONE: PeerFlags(0)})
    assert intake.strikes == 1
