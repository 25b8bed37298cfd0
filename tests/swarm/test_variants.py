"""Unwanted files, pieces in order, private torrents, IPv6."""

import asyncio

import pytest

from node.peer.messages import BLOCK_SIZE
from node.torrent.options import Priority, TorrentOptions
from node.torrent.request_pipeline import QUEUE_SECONDS
from simulation import Network
from tests.swarm.content import KIB, MIB, content
from tests.swarm.world import World, run

FILES = (300_000, 500_000, 1, 700_000)


def test_unwanted_files_stay_off_the_disk_and_the_wanted_are_shared():
    async def main(network: Network) -> None:
        async with World(network, content(files=FILES)) as world:
            await world.tracker()
            await world.seed()
            choice = (Priority.SKIP, Priority.NORMAL, Priority.SKIP, Priority.SKIP)
            choosy = [
                await world.join(f"choosy{n}", torrent=TorrentOptions(priorities=choice))
                for n in range(3)
            ]
            others = await world.leechers(3)
            await world.complete([*choosy, *others])
            wanted = world.content.metainfo.files[1]
            for member in choosy:
                files = member.disk.files
                assert files[wanted.path] == world.content.of_file(wanted)
                assert (
                    not {file.path for file in world.content.metainfo.files if file is not wanted}
                    & files.keys()
                )
                assert member.torrent.down.total < 1.5 * 500_000

    run(main)


def test_partial_seeds_hold_the_torrent_between_them():
    """Nobody has everything, and the last leecher gets everything from two halves."""

    async def main(network: Network) -> None:
        async with World(network, content(files=FILES)) as world:
            await world.tracker()
            origin = await world.seed()
            skip, want = Priority.SKIP, Priority.NORMAL
            left = await world.join(
                "left", torrent=TorrentOptions(priorities=(want, want, skip, skip))
            )
            right = await world.join(
                "right", torrent=TorrentOptions(priorities=(skip, skip, want, want))
            )
            await world.complete([left, right])
            await origin.stop()
            last = await world.join("last")
            await world.complete([last])

    run(main)


def test_sequential_pieces_come_in_order():
    """Out of order is only what was asked for at once: of each peer, its share of the downlink."""
    down = 512 * KIB

    async def main(network: Network) -> None:
        async with World(network, content(6 * MIB, piece=16 * KIB)) as world:
            await world.tracker()
            await world.seed()
            await world.complete(await world.leechers(1))
            order = await world.join("in order", torrent=TorrentOptions(sequential=True), down=down)
            while not order.torrent.is_complete:
                have = order.torrent.picker.have
                in_order = (have ^ have + 1).bit_length() - 1
                assert have.bit_count() - in_order <= down * QUEUE_SECONDS / BLOCK_SIZE
                await asyncio.sleep(0.2)

    run(main)


def test_i11_a_private_torrent_completes():
    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB, private=True)) as world:
            await world.tracker()
            await world.seed()
            await world.complete(await world.leechers(5))

    run(main)


def test_ipv6_only():
    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB)) as world:
            await world.tracker(address="2600:ffff::1")
            await world.seed(address="2600:aaaa::1")
            leechers = [await world.join(f"six{n}", address=f"2600:bbb{n}::1") for n in range(5)]
            await world.complete(leechers)

    run(main)


@pytest.mark.parametrize("seed", range(1, 4))
def test_both_families_mixed(seed):
    """The seed has IPv6 only, half of the leechers IPv4 only: those in between carry it over."""

    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB, tiers=())) as world:
            origin = await world.seed(address="2600:aaaa::1")
            named = {"peers": [origin.endpoint], "ipv6": True}
            both = [await world.join(f"both{n}", **named) for n in range(2)]
            four = await world.leechers(3, peers=[member.endpoint for member in both])
            await world.complete([*both, *four], within=60)

    run(main, seed=seed)
