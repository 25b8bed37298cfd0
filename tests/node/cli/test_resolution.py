import pytest

from formats.endpoint import Endpoint
from node.cli.addresses import AddressError, HostPort
from node.cli.resolution import resolve_all


async def test_numeric_addresses_stay_and_appear_once() -> None:
    addresses = [HostPort("127.0.0.1", 1), HostPort("::1", 2), HostPort("127.0.0.1", 1)]
    assert await resolve_all(addresses) == (Endpoint("127.0.0.1", 1), Endpoint("::1", 2))


async def test_a_name_is_resolved() -> None:
    assert Endpoint("127.0.0.1", 7) in await resolve_all([HostPort("localhost", 7)])


async def test_a_name_that_leads_nowhere_is_told() -> None:
    with pytest.raises(AddressError, match=r"^the name nowhere\.invalid cannot be resolved: "):
        await resolve_all([HostPort("nowhere.invalid", 7)])


async def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(AddressError, match=r"^the name a\.\.b cannot be resolved: "):
        await resolve_all([HostPort("a..b", 7)])
