"""One node's disk fails: that torrent says so, the others complete, and it recovers (F1, F3, F5)."""

import asyncio
import errno
import math

import pytest

from node.torrent.status import State
from node.torrent.torrent import DISK_RETRY_SECONDS
from simulation import Network
from tests.swarm.content import MIB, content
from tests.swarm.world import World, run


@pytest.mark.parametrize(
    ("operation", "number", "sentence"),
    [
        ("write", errno.ENOSPC, "the disk is full"),
        ("write", errno.EIO, "input/output error"),
        ("write", errno.EROFS, "read-only"),
        ("sync", errno.EIO, "did not keep what was written"),
    ],
)
def test_f1_f3_f5_a_disk_that_refuses_for_a_while(operation, number, sentence, tmp_path):
    async def main(network: Network) -> None:
        async with World(network, content(2 * MIB)) as world:
            await world.tracker()
            await world.seed()
            world.watcher.disk_faults_allowed.add("unlucky")
            unlucky = await world.join("unlucky", state=tmp_path)
            others = await world.leechers(4)
            await world.until(lambda: unlucky.progress > 0.2)
            unlucky.disk.errors[operation] = number
            await world.complete(others)
            await world.until(lambda: unlucky.torrent.state is State.ERROR, within=10)
            error = unlucky.torrent.status().error
            assert error is not None
            assert sentence in error
            del unlucky.disk.errors[operation]
            failed = world.now()
            await world.until(lambda: unlucky.torrent.state is not State.ERROR)
            await world.complete([unlucky])
            assert world.now() - failed <= DISK_RETRY_SECONDS + 20
            assert unlucky.torrent.status().error is None
            world.watcher.verified_data_is_right(unlucky)

    run(main)


def test_f1_a_full_disk_has_room_again():
    async def main(network: Network) -> None:
        async with World(network, content(2 * MIB)) as world:
            await world.tracker()
            await world.seed()
            full = await world.join("full")
            full.disk.capacity = 1 * MIB
            others = await world.leechers(4)
            await world.complete(others)
            await world.until(lambda: full.torrent.state is State.ERROR)
            assert "the disk is full" in (full.torrent.status().error or "")
            await asyncio.sleep(200)
            assert not full.torrent.is_complete
            full.disk.capacity = math.inf
            start = world.now()
            await world.complete([full])
            assert world.now() - start <= DISK_RETRY_SECONDS + 20

    run(main)


def test_f3_a_seed_that_cannot_read_fetches_the_piece_anew():
    async def main(network: Network) -> None:
        async with World(network, content(2 * MIB)) as world:
            await world.tracker()
            await world.seed()
            world.watcher.disk_faults_allowed.add("unlucky")
            unlucky = await world.join("unlucky")
            await world.complete([unlucky])
            unlucky.disk.errors["read"] = errno.EIO
            others = await world.leechers(4)
            await world.complete(others)
            assert unlucky.progress < 1
            del unlucky.disk.errors["read"]
            await world.until(lambda: unlucky.torrent.is_seed, within=120)

    run(main)
