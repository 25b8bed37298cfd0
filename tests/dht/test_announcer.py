"""Torrents that stay findable, under a budget."""

import asyncio
import random

import simulation
from dht.peer_store import PeerLimits
from dht.source_budget import BudgetLimits
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash
from simulation import Network
from tests.dht.world import World

HASH = InfoHash(b"a swarm, 20 bytes..."[:20])
SETTLE = 10.0


def test_what_is_added_is_findable_for_hours_and_what_is_removed_is_not():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(12)
            us, seeker = members[3], members[9]
            us.dht.add_torrent(HASH, 4000, seed=True)
            await asyncio.sleep(SETTLE)
            for _ in range(4):
                assert (await seeker.dht.get_peers(HASH)).peers == (
                    Endpoint(us.host.address, 4000),
                )
                await asyncio.sleep(1800)
            status = us.dht.status().announces
            assert (status.torrents, status.overdue, status.at_risk) == (1, 0, 0)
            assert status.oldest_announce_ago is not None
            assert status.oldest_announce_ago <= 16 * 60
            us.dht.remove_torrent(HASH)
            await asyncio.sleep(1800)
            assert (await seeker.dht.get_peers(HASH)).peers == ()
            assert us.dht.announced(HASH) is None
            assert us.dht.status().announces.torrents == 0

    simulation.run(main, seed=1)


def test_a_torrent_added_before_anybody_is_known_is_announced_at_once_when_somebody_is():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(6)
            us = await world.member().start()
            us.dht.add_torrent(HASH, 4000)
            await asyncio.sleep(120)
            report = us.dht.announced(HASH)
            assert report is not None
            assert (report.stored, report.failures) == (0, 0), "it was not even tried"
            us.dht.add_node(members[2].host.address, 6881)
            stored = lambda: us.dht.announced(HASH).stored >= 1  # noqa: E731
            assert await world.until(stored, within=10) < 5

    simulation.run(main, seed=2)


def test_changed_words_and_implied_ports_are_announced():
    async def main(network: Network) -> None:
        async with World(network) as world:
            members = await world.grow(6)
            us, seeker = members[1], members[4]
            us.dht.add_torrent(HASH, 4000)
            await asyncio.sleep(SETTLE)
            us.dht.add_torrent(HASH, 1, implied_port=True)
            await asyncio.sleep(920)
            assert (await seeker.dht.get_peers(HASH)).peers == (us.endpoint,)
            told: list[Endpoint] = []
            seeker.dht.add_torrent(HASH, 4001, on_peers=told.extend)
            await asyncio.sleep(SETTLE)
            assert us.endpoint in told, "announcing brings peers, too"

    simulation.run(main, seed=3)


def test_hundreds_are_announced_within_the_budget_and_all_are_findable():
    async def main(network: Network) -> None:
        rng = random.Random(4)
        hashes = [InfoHash(rng.randbytes(20)) for _ in range(100)]
        async with World(network) as world:
            roomy = PeerLimits(swarms_of_host=1_000)
            members = await world.grow(20, peer_limits=roomy)
            await asyncio.sleep(SETTLE)
            us = await world.member(
                bootstrap=((members[0].host.address, 6881),), packet_rate=100.0
            ).start()
            await asyncio.sleep(SETTLE)
            before = sum(us.dht.status().queries_out.values())
            for info_hash in hashes:
                us.dht.add_torrent(info_hash, 4000)
            all_stored = lambda: us.dht.status().announces.never_stored == 0  # noqa: E731
            seconds = await world.until(all_stored, within=120)
            sent = sum(us.dht.status().queries_out.values()) - before
            assert 50 < sent / seconds < 120
            for info_hash in hashes:
                assert (await members[7].dht.get_peers(info_hash)).peers
            assert us.dht.status().announces.at_risk == 0

    simulation.run(main, seed=4)


def test_the_default_limits_bear_an_honest_neighbour():
    async def main(network: Network) -> None:
        async with World(network) as world:
            limits = BudgetLimits(values_for_strangers=True)
            members = await world.grow(30, budget_limits=limits)
            for number, member in enumerate(members):
                member.dht.add_torrent(InfoHash(bytes([number]) * 20), 4000)
            await asyncio.sleep(1200)
            for member in members:
                assert member.dht.status().announces.overdue == 0
                assert member.dht.status().drops.get("source is muted", 0) == 0

    simulation.run(main, seed=5)
