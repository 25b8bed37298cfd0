from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from formats.endpoint import Endpoint
from pex.delta import INTERVAL, PexDelta
from pex.message import MOST_CONTACTS, PeerFlags, PexMessage
from pex.recent import MOST_RECENT, RecentContacts

NOBODY = RecentContacts()
SEED = PeerFlags.SEED


def contact(number: int) -> Endpoint:
    return Endpoint(f"9.{number // 250}.{number % 250}.1", 6881)


def contact6(number: int) -> Endpoint:
    return Endpoint(f"2001:db8::{number + 1:x}", 6881)


def live(*numbers: int) -> dict[Endpoint, PeerFlags]:
    return {contact(number): SEED for number in numbers}


def new(now: float = 0.0) -> PexDelta:
    return PexDelta(now, allow=lambda _: True)


def recent(numbers: Iterable[int]) -> RecentContacts:
    contacts = RecentContacts()
    for number in numbers:
        contacts.add(contact(number), SEED)
    return contacts


def test_the_first_message_comes_at_once() -> None:
    assert new(7.0).next_message(live(1, 2), NOBODY, 7.0) == PexMessage(live(1, 2))


def test_nothing_to_say_is_not_said_and_costs_no_turn() -> None:
    delta = new()
    assert delta.next_message({}, NOBODY, 0.0) is None
    assert delta.next_message(live(1), NOBODY, 1.0) == PexMessage(live(1))
    assert delta.next_message(live(1), NOBODY, 100.0) is None
    assert delta.next_message(live(1, 2), NOBODY, 101.0) == PexMessage(live(2))


def test_at_most_one_message_a_minute_and_it_says_what_changed() -> None:
    delta = new()
    delta.next_message(live(1, 2), NOBODY, 0.0)
    assert delta.next_message(live(2, 3), NOBODY, INTERVAL - 0.01) is None
    assert delta.next_message(live(2, 3), NOBODY, INTERVAL) == PexMessage(live(3), (contact(1),))


def test_who_came_and_left_between_two_messages_is_not_mentioned() -> None:
    delta = new()
    delta.next_message(live(1), NOBODY, 0.0)
    assert delta.next_message(live(1, 2), NOBODY, 30.0) is None
    assert delta.next_message(live(1), NOBODY, 60.0) is None


def test_x2_fifty_added_and_fifty_dropped_the_rest_next_time() -> None:
    delta = new()
    everybody = live(*range(120))
    told: list[Endpoint] = []
    for minute, size in enumerate((50, 50, 20)):
        message = delta.next_message(everybody, NOBODY, minute * INTERVAL)
        assert message is not None
        assert (len(message.added), message.dropped) == (size, ())
        told += message.added
    assert told == list(everybody)
    for minute, size in enumerate((50, 50, 20), 3):
        message = delta.next_message({}, NOBODY, minute * INTERVAL)
        assert message is not None
        assert (message.added, len(message.dropped)) == ({}, size)
    assert delta.next_message({}, NOBODY, 10 * INTERVAL) is None


def test_who_may_not_be_told_of_is_not_mentioned() -> None:
    delta = PexDelta(0.0, allow=lambda each: each != contact(2))
    message = delta.next_message(live(1, 2, 3), recent([2]), 0.0)
    assert message == PexMessage(live(1, 3))
    assert delta.next_message(live(1, 3), recent([2]), INTERVAL) is None


def test_x7_recent_contacts_fill_up_and_are_dropped_with_the_next_message() -> None:
    delta, gone = new(), recent([7, 8])
    first = delta.next_message(live(1), gone, 0.0)
    assert first == PexMessage(live(1, 8, 7))
    second = delta.next_message(live(1), gone, INTERVAL)
    assert second is not None
    assert (second.added, set(second.dropped)) == ({}, {contact(7), contact(8)})
    assert delta.next_message(live(1), gone, 2 * INTERVAL) is None


def test_x7_no_more_than_25_recent_contacts() -> None:
    message = new().next_message({}, recent(range(60)), 0.0)
    assert message is not None
    assert len(message.added) == MOST_RECENT


def test_25_live_contacts_of_a_family_need_no_recent_ones() -> None:
    gone = recent(range(100, 110))
    gone.add(contact6(1), SEED)
    message = new().next_message(live(*range(MOST_RECENT)), gone, 0.0)
    assert message is not None
    assert list(message.added) == [*live(*range(MOST_RECENT)), contact6(1)]


def test_recent_contacts_do_not_make_a_message_longer_than_fifty() -> None:
    six = {contact6(number): SEED for number in range(40)}
    message = new().next_message(live(*range(5)) | six, recent(range(100, 125)), 0.0)
    assert message is not None
    assert len(message.added) == MOST_CONTACTS


def test_a_contact_that_just_left_is_dropped_and_not_added_again() -> None:
    delta = new()
    delta.next_message(live(1), NOBODY, 0.0)
    message = delta.next_message({}, recent([1]), INTERVAL)
    assert message == PexMessage({}, (contact(1),))


@given(st.lists(st.tuples(st.sets(st.integers(0, 70)), st.sets(st.integers(0, 70))), max_size=12))
def test_a_neighbour_that_believes_us_knows_who_is_here(
    minutes: list[tuple[set[int], set[int]]],
) -> None:
    """BEP 11: no contact is added twice, dropped unknown, or both in one message; in the end the
    neighbour knows exactly who is connected."""
    delta, gone = new(), RecentContacts()
    known: set[Endpoint] = set()
    minutes.append((minutes[-1][0] if minutes else set(), set()))
    idle = [(minutes[-1][0], set[int]())] * 4
    for minute, (here, left) in enumerate([*minutes, *idle]):
        for number in sorted(left - here):
            gone.add(contact(number), SEED)
        message = delta.next_message(live(*sorted(here)), gone, minute * INTERVAL)
        if message is not None:
            added, dropped = set(message.added), set(message.dropped)
            assert added or dropped
            assert len(added) <= MOST_CONTACTS
            assert len(dropped) == len(message.dropped) <= MOST_CONTACTS
            assert not added & dropped
            assert not added & known
            assert dropped <= known
            known = known - dropped | added
    assert known == set(live(*minutes[-1][0]))
