"""A newcomer that has only the magnet: the DHT leads it to peers, and they give it the metadata."""

import asyncio
from pathlib import Path

import pytest

from formats.endpoint import Endpoint
from formats.magnet import Magnet
from node.config import NodeConfig
from node.node import Node
from node.peer.extension import UT_METADATA, ExtensionHandshake
from node.peer.messages import MessageId, encode_extended, encode_plain
from node.torrent.metadata import MetadataPiece, encode_message, parse_message, piece_size
from node.torrent.torrent import Torrent
from simulation import Host, Network
from simulation.disk import SimulatedDisk
from tests.swarm.content import MIB, Content, content
from tests.swarm.strangers import Conversation, Stranger
from tests.swarm.world import LATENCY, PORT, World, run

SMALL = content(1 * MIB, tiers=())
WIDE = content(1 * MIB, piece=1024, tiers=())
"""With 20 KiB of hashes: two pieces of metadata."""


class MetadataLiar(Stranger):
    """Offers metadata of the right size and makes it up (P14)."""

    def greet(self, conversation: Conversation) -> None:
        size = len(self.world.content.metainfo.info_bytes)
        offer = ExtensionHandshake({UT_METADATA: 1}, metadata_size=size)
        conversation.say(
            self.handshake(), encode_extended(0, offer.encode()), encode_plain(MessageId.HAVE_ALL)
        )

    def heard(self, conversation: Conversation, kind: int, payload: bytes) -> None:
        if kind != MessageId.EXTENDED or payload[0] != 1:
            return
        message = parse_message(payload[1:])
        assert message is not None
        size = len(self.world.content.metainfo.info_bytes)
        lie = self.host.rng.randbytes(piece_size(size, message.piece))
        answer = encode_message(MetadataPiece(message.piece, size, lie))
        conversation.say(encode_extended(2, answer))


class Newcomer:
    """A node that knows the info hash, and perhaps some peers; and when it got how far."""

    def __init__(self, world: World, shared: Content, name: str = "newcomer") -> None:
        self.world = world
        self.shared = shared
        self.host: Host = world.network.host(name, latency=LATENCY)
        self.disk = SimulatedDisk(world.loop.executor, clock=self.host.clock)

    async def download(self, *peers: Endpoint, **config: object) -> tuple[float, float, Torrent]:
        """Seconds until the metadata was there, and until everything was; then it is gone."""
        settings = {"listen": (self.host.address, PORT), "use_dht": False} | config
        rng, clock = self.host.rng, self.host.clock
        with self.host:
            async with Node(
                NodeConfig(**settings), rng=rng, clock=clock, open_disk=lambda _: self.disk
            ) as node:
                start = self.world.now()
                metainfo = self.shared.metainfo
                magnet = Magnet(metainfo.info_hash, trackers=metainfo.trackers)
                metainfo = await node.fetch_metadata(magnet, peers=peers)
                known = self.world.now() - start
                torrent = await node.add(metainfo, Path("/downloads"))
                await torrent.wait_complete()
                complete = self.world.now() - start
        (file,) = self.shared.metainfo.files
        assert self.disk.files[file.path] == self.shared.data
        return known, complete, torrent


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_magnet_and_the_dht_are_enough(seed: int) -> None:
    async def main(network: Network) -> None:
        async with World(network, SMALL) as world:
            meeting = await world.join("bootstrap", use_dht=True)
            hosts = ((meeting.host.address, PORT),)
            publisher = await world.seed(use_dht=True, bootstrap=hosts)
            dht = publisher.torrent.context.dht
            assert dht is not None
            await world.until(lambda: dht.announced(SMALL.metainfo.info_hash) is not None)
            await asyncio.sleep(5)
            newcomer = Newcomer(world, SMALL)
            known, _, torrent = await newcomer.download(use_dht=True, bootstrap=hosts)
            assert known < 4
            assert set(torrent.sources) <= {"dht", "pex", "incoming"}

    run(main, seed=seed)


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("shared", [SMALL, WIDE], ids=["one piece", "two pieces"])
def test_p14_a_liar_that_comes_first_does_not_stall(seed: int, shared: Content) -> None:
    async def main(network: Network) -> None:
        async with World(network, shared) as world:
            publisher = await world.seed()
            liars = [world.stranger(MetadataLiar, f"liar{n}") for n in range(2)]
            await asyncio.sleep(1)
            peers = [liar.endpoint for liar in liars]
            newcomer = Newcomer(world, shared)
            known, _, torrent = await newcomer.download(*peers, publisher.endpoint)
            assert known < 8
            for liar in liars:
                assert torrent.peer_list.get(liar.endpoint) is None  # still kept out

    run(main, seed=seed)


def test_one_who_downloads_gives_the_metadata_too() -> None:
    async def main(network: Network) -> None:
        async with World(network, SMALL) as world:
            publisher = await world.seed(up=64 * 1024)
            half = await world.join("half", peers=[publisher.endpoint])
            await world.until(lambda: half.progress > 0.1)
            known, _, _ = await Newcomer(world, SMALL).download(half.endpoint)
            assert known < 1

    run(main)


def test_a_magnet_waits_until_somebody_comes() -> None:
    async def main(network: Network) -> None:
        tracked = content(1 * MIB)
        async with World(network, tracked) as world:
            await world.tracker()
            newcomer = Newcomer(world, tracked)
            download = world.tasks.create_task(newcomer.download())
            await asyncio.sleep(3_000)
            await world.seed()
            known, _, _ = await download
            assert 3_000 < known < 3_700  # by the tracker's interval at the latest

    run(main, until=10_000)
