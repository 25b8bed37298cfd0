"""The DHT of each client and ours: each is the other's way in, finds and stores for the other."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import libtorrent
import pytest

from dht import krpc
from dht.dht import Dht
from dht.rpc import NoAnswerError
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash
from tests.interop.clients.aria2 import Aria2
from tests.interop.clients.client import Client
from tests.interop.clients.everswarm import Everswarm
from tests.interop.clients.libtorrent import Libtorrent
from tests.interop.clients.qbittorrent import Qbittorrent
from tests.interop.clients.rtorrent import Rtorrent
from tests.interop.clients.transmission import Transmission
from tests.interop.dht_node import ask, run_network, run_node, until, until_found
from tests.interop.host import LOOPBACK
from tests.interop.payload import PIECE_LENGTH, assert_same
from tests.interop.stage import Stage
from tests.interop.torrents import info_hash

pytestmark = pytest.mark.interop

PATIENCE = 60.0
"""Seconds. aria2 dials every ten; Transmission pings a node every two and then looks every ten
whether it knows enough of them."""

OTHER_SWARM = InfoHash(bytes(range(20)))
OTHER_PORT = 4000


@pytest.fixture
def torrent(tmp_path: Path, file: Path) -> Path:
    """Of `file`, without trackers."""
    creator = libtorrent.create_torrent(
        libtorrent.list_files(str(file)), PIECE_LENGTH, libtorrent.create_torrent.v1_only
    )
    libtorrent.set_piece_hashes(creator, str(file.parent))
    path = tmp_path / "x.torrent"
    path.write_bytes(libtorrent.bencode(creator.generate()))
    return path


@pytest.mark.parametrize("client", [Libtorrent, Aria2, Transmission, Qbittorrent])
async def test_each_finds_and_stores_what_the_other_announces(
    stage: Stage, torrent: Path, file: Path, client: type[Client]
) -> None:
    apart = client.needs_own_address or client.entry_port
    here, there, elsewhere = (stage.new_host() if apart else LOOPBACK for _ in range(3))
    ours, theirs = stage.add(Everswarm, here), stage.add(client, there)
    ours.seed(torrent, file)
    swarm = InfoHash(info_hash(torrent))
    address = Endpoint(there.address, theirs.port)
    async with run_network(client.needs_nodes + 1, host=here, port=client.entry_port) as nodes:
        await until(ours.is_complete, "the seed is ready")
        assert await nodes[-1].announce(swarm, ours.port, seed=True)

        theirs.dht_entries = tuple(node.endpoints[0] for node in nodes[: client.needs_nodes])
        theirs.download(torrent)
        await _until_it_answers(nodes, address)
        async with run_node(address, host=elsewhere) as newcomer:
            assert await newcomer.wait_ready()
            their_id, _ = await newcomer.ping(address)
            near = InfoHash(their_id[:-1] + bytes([their_id[-1] ^ 1]))  # nobody is closer to it
            assert await newcomer.announce(near, OTHER_PORT)
            stored = await ask(newcomer, address, krpc.GetPeers(near))
            assert stored.peers == [Endpoint(elsewhere.address, OTHER_PORT)]

            await until(theirs.is_complete, "the download", patience=PATIENCE)
            await until_found(newcomer, swarm, address, patience=PATIENCE)
            found = await newcomer.get_peers(swarm)
            assert set(found.peers) == {address, Endpoint(here.address, ours.port)}
            _assert_understood([*nodes, newcomer])
    assert_same(theirs.downloads / file.name, file)


async def test_we_find_what_rtorrent_announces(stage: Stage, torrent: Path, file: Path) -> None:
    """It dials nobody within a minute, and keeps the ports of others with their bytes swapped."""
    theirs = stage.add(Rtorrent)
    address = Endpoint(LOOPBACK.address, theirs.port)
    async with run_network(2) as nodes:
        theirs.dht_entries = nodes[0].endpoints
        theirs.seed(torrent, file)
        await _until_it_answers(nodes, address)
        async with run_node(address) as newcomer:
            await until_found(newcomer, InfoHash(info_hash(torrent)), address)
            _assert_understood([*nodes, newcomer])


async def test_a_node_that_does_not_know_a_method_stays_a_good_contact(
    stage: Stage, torrent: Path
) -> None:
    """aria2 is silent when asked for an item."""
    theirs = stage.add(Aria2)
    address = Endpoint(LOOPBACK.address, theirs.port)
    async with run_node() as node:
        theirs.dht_entries = node.endpoints
        theirs.download(torrent)
        await _until_it_answers([node], address)
        for _ in range(3):
            with pytest.raises(NoAnswerError):
                await ask(node, address, krpc.Get(OTHER_SWARM))
        (family,) = node.status().families
        assert (family.contacts, family.good) == (1, 1)


async def _until_it_answers(nodes: Sequence[Dht], address: Endpoint) -> None:
    """A client just started takes a while. From then on it and our nodes have met."""
    async with asyncio.timeout(PATIENCE):
        while not await _answers(nodes[0], address):
            pass
    assert all([await _answers(node, address) for node in nodes])


async def _answers(node: Dht, address: Endpoint) -> bool:
    try:
        await node.ping(address)
    except NoAnswerError:
        return False
    return True


def _assert_understood(nodes: Sequence[Dht]) -> None:
    """Every datagram was wanted, and nobody refused one of ours."""
    for node in nodes:
        status = node.status()
        assert (status.drops, status.refusals) == ({}, 0)
