from formats.endpoint import Endpoint
from pex.message import PeerFlags
from pex.recent import MOST_RECENT, RecentContacts


def contact(number: int, *, ipv6: bool = False) -> Endpoint:
    return Endpoint(f"2001:db8::{number + 1:x}" if ipv6 else f"9.9.{number}.1", 6881)


def test_the_latest_come_first() -> None:
    recent = RecentContacts()
    for number in range(3):
        recent.add(contact(number), PeerFlags(number))
    assert list(recent.since(0, ipv6=False)) == [
        (contact(2), PeerFlags(2)),
        (contact(1), PeerFlags(1)),
        (contact(0), PeerFlags(0)),
    ]


def test_x7_at_most_25_of_each_family() -> None:
    recent = RecentContacts()
    for number in range(40):
        recent.add(contact(number), PeerFlags(0))
        recent.add(contact(number, ipv6=True), PeerFlags(0))
    for ipv6 in (False, True):
        found = [each for each, _ in recent.since(0, ipv6=ipv6)]
        assert found == [contact(n, ipv6=ipv6) for n in range(39, 39 - MOST_RECENT, -1)]


def test_who_remembers_the_latest_hears_of_each_once() -> None:
    recent = RecentContacts()
    recent.add(contact(0), PeerFlags(0))
    heard = recent.latest
    assert not list(recent.since(heard, ipv6=False))
    recent.add(contact(1, ipv6=True), PeerFlags(0))
    recent.add(contact(2), PeerFlags(0))
    assert [each for each, _ in recent.since(heard, ipv6=False)] == [contact(2)]
    assert [each for each, _ in recent.since(heard, ipv6=True)] == [contact(1, ipv6=True)]
