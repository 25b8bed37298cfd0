"""The searches of a node: started once, ticked, and ended with what they found."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from formats.endpoint import Endpoint
from formats.magnet import Magnet
from node.searches import Searches
from node.torrent.known_peer import Source, SourceKind
from node.torrent.metadata_search import SearchStopped
from simulation.network import Network
from tests.node.torrent.swarm import disk_of, loop, made, node_on, play

METAINFO, _ = made(8)
MAGNET = Magnet(METAINFO.info_hash)
PEER = Endpoint("8.8.8.8", 6881)


def test_each_magnet_is_searched_for_once_and_hands_over_its_peers() -> None:
    async def main(net: Network) -> None:
        host = net.host("us")
        with host:
            async with node_on(host, disk_of(host)) as node, asyncio.TaskGroup() as tasks:
                searches = Searches(node.context, tasks)
                search = searches.start(MAGNET, [])
                assert searches.start(MAGNET, []) is search
                assert dict(searches) == {METAINFO.info_hash: search}
                search.peer_list.add(PEER, Source(SourceKind.DHT), loop().time())
                peers = await searches.end(METAINFO)
                assert peers is not None and peers.get(PEER) is not None
                assert await search.wait() is METAINFO
                assert not searches
                assert await searches.end(METAINFO) is None

                searches.start(MAGNET, [])
                assert await searches.end(replace(METAINFO, is_private=True)) is None

                search = searches.start(MAGNET, [])
                searches.tick(loop().time())
                searches.stop()
                with pytest.raises(SearchStopped):
                    await search.wait()
                assert searches.start(MAGNET, []) is not search
                searches.stop()

    play(main)


def test_the_metadata_is_saved_with_what_the_magnet_said(tmp_path: Path) -> None:
    async def main(net: Network) -> None:
        host = net.host("us")
        magnet = replace(MAGNET, trackers=("http://a.example/announce",))
        with host:
            async with node_on(host, disk_of(host), state=tmp_path) as node:
                assert await node.known_metadata(magnet) is None
                await node.add(METAINFO, Path("/d"))
            async with node_on(host, disk_of(host), state=tmp_path) as node:
                known = await node.fetch_metadata(magnet)
                assert known == replace(METAINFO, tiers=(("http://a.example/announce",),))
                assert not node.searches

    play(main)
