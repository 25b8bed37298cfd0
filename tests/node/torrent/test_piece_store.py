"""Pieces on their way to and from the disk, and what follows from how that went."""

import errno
from pathlib import Path

import pytest

from node.peer.messages import Unchoke
from node.torrent.piece_store import FLUSH_SECONDS
from node.torrent.status import State
from node.torrent.torrent import DISK_RETRY_SECONDS
from simulation.network import Network
from tests.node.torrent.swarm import (
    BLOCK,
    NAME,
    PIECE,
    Stranger,
    Us,
    dial,
    disk_of,
    gives,
    loop,
    made,
    play,
    seed_on,
    sharing,
    until,
)

METAINFO, DATA = made(8)
HALF = DATA[: 4 * PIECE]


async def reading(net: Network, us: Us, *, name: str = "leecher") -> Stranger:
    """A leecher that may ask us."""
    stranger = await dial(net, us, Stranger(METAINFO), name=name)
    stranger.wants()
    await until(lambda: stranger.heard(Unchoke))
    return stranger


def test_corrupt_data_is_not_written_and_its_sender_is_banned() -> None:
    async def main(net: Network) -> None:
        liar = await seed_on(net, METAINFO, DATA, name="liar", react=gives(DATA, spoil=True))
        async with sharing(net, METAINFO, peers=(liar.endpoint,)) as us:
            await until(lambda: liar.strangers and liar.strangers[0].closed)
            assert us.disk.files.get(NAME, b"").strip(b"\0") == b""
            assert us.torrent.status().pieces == 0
            assert us.torrent.status().wasted >= PIECE
            assert us.torrent.peer_list.is_banned(liar.host.address, loop().time())
            again = await dial(net, us, Stranger(METAINFO), name="liar")
            assert again.closed
            honest = await dial(net, us, Stranger(METAINFO, react=gives(DATA)), name="honest")
            honest.has()
            honest.unchoke()
            await us.torrent.wait_complete()
            assert us.disk.files[NAME] == DATA
        liar.close()

    play(main)


@pytest.mark.parametrize("loss", ["truncated", "gone", "broken"])
def test_f7_a_piece_that_cannot_be_read_any_more_is_wanted_again(loss: str) -> None:
    async def main(net: Network) -> None:
        disk = disk_of(net.host("us"), DATA)
        async with sharing(net, METAINFO, disk=disk) as us:
            leecher = await reading(net, us)
            assert us.torrent.state is State.SEEDING
            if loss == "broken":
                disk.errors["read"] = errno.EIO
            else:
                disk.remove(NAME)
            if loss == "truncated":
                disk.open(NAME, write=True).write(memoryview(HALF), 0)
            us.torrent.storage._payload.close()  # as if it had not been open
            leecher.ask((6, 0, BLOCK), (6, BLOCK, BLOCK))
            await until(lambda: len(leecher.rejected) == 2)
            assert leecher.blocks == []
            assert us.torrent.state is State.DOWNLOADING
            assert us.torrent.status().pieces == 7
            disk.errors.clear()
            seed = await dial(net, us, Stranger(METAINFO, react=gives(DATA)), name="seed")
            seed.has()
            seed.unchoke()
            await until(lambda: us.torrent.state is State.SEEDING, within=10)
            assert {piece for piece, _, _ in seed.asked} == {6}
            assert disk.files[NAME][6 * PIECE : 7 * PIECE] == DATA[6 * PIECE : 7 * PIECE]

    play(main)


def test_f7_a_leecher_that_loses_a_piece_becomes_interested_in_who_has_it() -> None:
    async def main(net: Network) -> None:
        disk = disk_of(net.host("us"), HALF)
        async with sharing(net, METAINFO, disk=disk) as us:
            other = await dial(net, us, Stranger(METAINFO, react=gives(DATA)), name="other")
            other.has(0b1)
            other.unchoke()
            leecher = await reading(net, us)
            disk.remove(NAME)
            us.torrent.storage._payload.close()  # as if it had not been open
            assert "INTERESTED" not in dict(other.frames)
            leecher.ask((0, 0, BLOCK))
            await until(lambda: leecher.rejected)
            await until(lambda: other.asked, within=5)
            await until(lambda: us.torrent.status().pieces == 4)
            assert disk.files[NAME][:PIECE] == DATA[:PIECE]

    play(main)


def test_f5_what_was_verified_is_flushed_every_two_seconds() -> None:
    async def main(net: Network) -> None:
        flushes: list[float] = []
        seed = await seed_on(net, METAINFO, DATA)
        async with sharing(net, METAINFO, peers=(seed.endpoint,)) as us:
            flush = us.torrent.storage.flush

            async def noting_flush() -> None:
                flushes.append(loop().time())
                await flush()

            us.torrent.storage.flush = noting_flush  # type: ignore[method-assign]
            await us.torrent.wait_complete()
            await until(lambda: flushes, within=3.1)
        seed.close()

    play(main)


@pytest.mark.parametrize("lost", [True, False])
def test_f5_after_a_sync_that_failed_only_what_still_matches_is_kept(
    lost: bool, tmp_path: Path
) -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, state=tmp_path) as us:
            seed = await dial(net, us, Stranger(METAINFO, react=gives(DATA)), name="seed")
            us.disk.errors["sync"] = errno.EIO
            seed.has(0b11 << 4)
            seed.unchoke()
            await until(lambda: us.torrent.status().pieces == 6)
            if lost:
                us.disk.corrupt(NAME, 5 * PIECE)
            await until(lambda: us.torrent.state is State.ERROR, within=FLUSH_SECONDS + 2)
            assert us.torrent.status().pieces == (5 if lost else 6)

            us.disk.errors.clear()
            await until(lambda: us.torrent.state is State.DOWNLOADING)
            await until(lambda: us.torrent.status().pieces == 6, within=5)
            asked = [piece for piece, _, _ in seed.asked]
            assert asked.count(5) == (4 if lost else 2)
            assert asked.count(4) == 2

    play(main)


def test_a_piece_that_could_not_be_written_is_asked_for_again_and_nobody_is_blamed() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            seed = await dial(net, us, Stranger(METAINFO, react=gives(DATA)), name="seed")
            us.disk.errors["write"] = errno.EIO
            seed.has()
            seed.unchoke()
            await until(lambda: us.torrent.state is State.ERROR)
            assert us.torrent.status().pieces == 4
            us.disk.errors.clear()
            await until(lambda: us.torrent.is_complete, within=DISK_RETRY_SECONDS + 5)
            assert us.disk.files[NAME] == DATA
            assert not us.torrent.peer_list.is_banned(net.hosts["seed"].address, loop().time())

    play(main)
