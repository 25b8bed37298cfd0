"""The figures that people see, of a torrent that lives."""

import asyncio
from pathlib import Path

import pytest

from node.storage import checker
from node.torrent.status import State
from simulation.network import Network
from tests.node.torrent.swarm import (
    BLOCK,
    PIECE,
    Stranger,
    Us,
    dial,
    disk_of,
    gives,
    made,
    node_on,
    play,
    seed_on,
    sharing,
    until,
)

METAINFO, DATA = made(8)
HALF = DATA[: 4 * PIECE]


def test_a_download_at_rest() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            status = us.torrent.status()
            assert (status.name, status.state, status.error) == ("data.bin", "downloading", None)
            assert (status.total, status.downloaded) == (len(DATA), len(HALF))
            assert (status.received, status.uploaded, status.wasted) == (0, 0, 0)
            assert (status.pieces, status.piece_count) == (4, 8)
            assert (status.peers, status.seeds, status.known_peers) == (0, 0, 0)
            assert (status.eta, status.checked) == (None, 1.0)
            assert status.file_progress == (len(HALF),)
            assert status.availability == 0.5

    play(main)


@pytest.mark.parametrize(
    ("ours", "theirs", "copies"),
    [
        (0, [], 0.0),
        (4, [], 0.5),
        (4, [0b1111_0000], 1.0),
        (4, [0b1111_1111], 1.5),
        (4, [0b0000_1111, 0b0001_0000], 0.625),
        (4, [0b1111_1111, 0b1111_0000], 2.0),
        (0, [0b1111_1111, 0b1111_1111, 0b1], 2.125),
    ],
)
def test_availability_counts_whole_copies_and_the_share_beyond(
    ours: int, theirs: list[int], copies: float
) -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA[: ours * PIECE]) as us:
            for number, pieces in enumerate(theirs):
                stranger = await dial(net, us, Stranger(METAINFO), name=f"peer{number}")
                stranger.has(pieces)
            await asyncio.sleep(0.5)
            status = us.torrent.status()
            assert status.availability == copies
            assert status.peers == len(theirs)
            assert status.seeds == theirs.count(0b1111_1111)

    play(main)


def test_a_transfer_under_way_and_when_it_will_end() -> None:
    metainfo, data = made(256)  # 8 MiB

    async def main(net: Network) -> None:
        seed = await seed_on(net, metainfo, data)
        async with sharing(net, metainfo, peers=(seed.endpoint,), download_rate=500_000) as us:
            await until(lambda: us.torrent.status().downloaded > len(data) // 2)
            status = us.torrent.status()
            assert status.received >= status.downloaded
            assert 400_000 < status.down_rate < 600_000
            assert status.eta == (status.total - status.downloaded) / status.down_rate
            (row,) = status.peer_rows
            assert row.endpoint == seed.endpoint
            assert row.progress == 1.0
            assert row.down_rate == pytest.approx(status.down_rate, rel=0.05)
            assert row.source == "user"
            assert row.flags == "DF"
            assert status.sources == {"user": status.received}
        seed.close()

    play(main)


def test_the_flags_of_a_peer() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF, upload_slots=1) as us:
            plain = await dial(net, us, Stranger(METAINFO, fast=False), name="plain")
            assert flags(us) == ["I"]
            plain.has()
            await asyncio.sleep(0.5)
            assert flags(us) == ["dI"]
            plain.unchoke()
            plain.wants()
            await asyncio.sleep(0.5)
            assert flags(us) == ["DUI"]

    def flags(us: Us) -> list[str]:
        return [row.flags for row in us.torrent.status().peer_rows]

    play(main)


def test_what_was_sent_is_counted_by_payload() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            stranger = await dial(net, us, Stranger(METAINFO))
            stranger.wants()
            await until(lambda: not stranger.talk.peer_choking)
            stranger.ask((0, 0, BLOCK), (1, 0, 100))
            await until(lambda: len(stranger.blocks) == 2)
            status = us.torrent.status()
            assert status.uploaded == BLOCK + 100
            assert status.peer_rows[0].up_rate > 0

    play(main)


def test_a_check_shows_what_was_found_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker, "JOB_SIZE", PIECE)

    async def main(net: Network) -> None:
        host = net.host("us")
        disk = disk_of(host, DATA)
        disk.rate = PIECE  # bytes a second
        with host:
            async with node_on(host, disk) as node:
                torrent = await node.add(METAINFO, Path("/d"))
                await until(lambda: torrent.status().checked == 0.5)
                status = torrent.status()
                assert status.state is State.CHECKING
                assert (status.pieces, status.downloaded) == (4, len(HALF))
                await torrent.wait_complete()
                assert torrent.status().checked == 1.0

    play(main)


def test_waste_is_what_came_for_nothing() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            liar = await dial(net, us, Stranger(METAINFO, react=gives(DATA, spoil=True)))
            liar.has(0b1000_0000)
            liar.unchoke()
            await until(lambda: us.torrent.status().wasted)
            status = us.torrent.status()
            assert (status.wasted, status.received, status.downloaded) == (PIECE, PIECE, len(HALF))

    play(main)
