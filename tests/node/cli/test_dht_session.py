import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dht.config import BUILT_IN_HOSTS
from dht.status import AnnounceStatus, DhtStatus, SourceStatus
from formats.errors import ConfigError
from node.cli.addresses import HostPort
from node.cli.dht_options import NetworkOptions
from node.cli.dht_session import ANY_FREE_PORT, dht_config, joined, nobody_answered, unjoined
from node.cli.exit_status import Failed
from tests.dht.world import Member, World
from tests.node.cli.dht_world import simulate


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    yield
    logging.getLogger().handlers.clear()


async def test_what_a_node_is_told() -> None:
    usual = await dht_config(NetworkOptions())
    assert (usual.listen, usual.bootstrap) == (ANY_FREE_PORT, ())
    assert (usual.built_in_hosts, usual.allow_local) == (BUILT_IN_HOSTS, False)
    public = HostPort("1.2.3.4", 5)
    more = await dht_config(NetworkOptions(bootstrap=(public,)), read_only=True, saved=b"x")
    assert (more.bootstrap, more.built_in_hosts) == ((("1.2.3.4", 5),), BUILT_IN_HOSTS)
    assert (more.allow_local, more.read_only, more.saved) == (False, True, b"x")
    only = await dht_config(NetworkOptions(bootstrap=(public,), only_bootstrap=True))
    assert (only.built_in_hosts, only.allow_local) == ((), False)


@pytest.mark.parametrize(
    "options",
    [
        NetworkOptions(bootstrap=(HostPort("1.2.3.4", 5), HostPort("127.0.0.1", 5))),
        NetworkOptions(bootstrap=(HostPort("192.168.3.4", 5),)),
        NetworkOptions(bootstrap=(HostPort("fd00::1", 5),)),
        NetworkOptions(bootstrap=(HostPort("localhost", 5),)),
        NetworkOptions(listen=(HostPort("127.0.0.1", 0),)),
        NetworkOptions(only_bootstrap=True),
    ],
)
async def test_x3_local_addresses_are_allowed_when_the_user_names_one_or_nobody(
    options: NetworkOptions,
) -> None:
    assert (await dht_config(options)).allow_local


async def test_nobody_to_ask() -> None:
    with pytest.raises(ConfigError, match=r"^--only-bootstrap leaves nobody to ask"):
        async with joined(NetworkOptions(only_bootstrap=True)):
            pass


def test_a_read_only_node_joins_and_asks() -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        async with joined(options) as dht:
            assert len(await dht.find_node(bytes(20))) == 8
            assert all(family.read_only for family in dht.status().families)
        async with joined(options, answers=True) as dht:
            assert not any(family.read_only for family in dht.status().families)

    simulate(ask)


def test_dead_hosts_are_asked_until_the_time_is_over() -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        with pytest.raises(Failed) as failure:
            async with joined(options):
                pass
        assert loop.time() - started == pytest.approx(20, abs=0.1)
        assert str(failure.value) == (
            "none of 2 bootstrap hosts has answered: check that UDP gets out of this network, or"
            " name another node with --bootstrap (tried for 20 s: 99.1.1.1:1,"
            " nowhere.example:2 (not resolved))"
        )

    dead = (HostPort("99.1.1.1", 1), HostPort("nowhere.example", 2))
    simulate(ask, members=0, bootstrap=dead, timeout=20.0)


def test_a_host_that_comes_back_in_time_is_enough() -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        member = world.member()
        world.tasks.create_task(_start_later(member))
        way = replace(options, bootstrap=(HostPort(member.host.address, 6881),))
        async with joined(way) as dht:
            assert dht.is_ready

    simulate(ask, members=0)


async def _start_later(member: Member) -> None:
    await asyncio.sleep(10)
    await member.start()


def test_the_time_is_for_the_whole_command() -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        for node in (joined, unjoined):
            with pytest.raises(Failed, match=r"^not done within 3 s; --timeout gives it more$"):
                async with node(options):
                    await asyncio.sleep(3)

    simulate(ask, members=3, timeout=3.0)


def test_a_node_that_has_not_joined_contacts_nobody() -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        async with unjoined(options) as dht:
            await asyncio.sleep(20)
            assert dht.status().queries_out == {}

    simulate(ask, members=1)


def _status(*sources: SourceStatus, **changes: object) -> DhtStatus:
    status = DhtStatus(
        families=(),
        bootstrap=sources,
        announces=AnnounceStatus(
            torrents=0, never_stored=0, at_risk=0, overdue=0, oldest_announce_ago=None
        ),
        queries_in={},
        queries_out={},
        responses=0,
        timeouts=0,
        late=0,
        refusals=0,
        replies=0,
        drops={},
        send_failures=0,
        bytes_in=0,
        bytes_out=0,
        items_stored=0,
        items_published=0,
        saved_problem=None,
        problem="nobody: do this; we go on",
    )
    return replace(status, **changes)  # type: ignore[arg-type]


def _source(host: str, asked: int = 1) -> SourceStatus:
    return SourceStatus(
        kind="configured", host=host, port=1, asked=asked, answered_ago=None, error=None
    )


def test_the_sentence_names_a_few_of_those_asked() -> None:
    many = [_source(f"host{n}") for n in range(7)]
    assert nobody_answered(_status(*many, _source("::1", asked=0)), 1.5) == (
        "nobody: do this (tried for 1.5 s: host0:1, host1:1, host2:1, host3:1, host4:1 and 2 more)"
    )
    assert nobody_answered(_status(_source("::1")), 30) == (
        "nobody: do this (tried for 30 s: [::1]:1)"
    )
    assert nobody_answered(_status(), 30).endswith("(tried for 30 s: nobody)")


def test_no_network() -> None:
    offline = _status(_source("1.2.3.4"), send_failures=3)
    assert nobody_answered(offline, 30) == (
        "no datagram could be sent: check that this machine is online (tried for 30 s: 1.2.3.4:1)"
    )
