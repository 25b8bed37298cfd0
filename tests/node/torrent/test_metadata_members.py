"""Who may join a search for metadata."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from formats.identifiers import PeerId
from formats.magnet import Magnet
from node.node import Node
from node.torrent.members import SESSIONS_PER_IP
from node.torrent.metadata_search import MetadataSearch
from simulation.network import Network
from tests.node.torrent.swarm import Stranger, Us, dial, disk_of, made, node_on, play, until

METAINFO, _ = made(8)


def search_on(node: Node) -> MetadataSearch:
    return node.search(Magnet(METAINFO.info_hash))


async def call(
    net: Network, node: Node, *, name: str = "stranger", peer_id: bytes = b""
) -> Stranger:
    """A stranger calls; `peer_id` is by itself one of its own."""
    stranger = Stranger(METAINFO, **({"peer_id": PeerId(peer_id)} if peer_id else {}))
    us = cast(Us, SimpleNamespace(host=net.hosts["us"]))
    return await dial(net, us, stranger, name=name)


def test_p9_one_address_does_not_fill_all_places() -> None:
    async def main(net: Network) -> None:
        host = net.host("us")
        with host:
            async with node_on(host, disk_of(host)) as node:
                search = search_on(node)
                await asyncio.sleep(0)
                callers = [await call(net, node) for _ in range(SESSIONS_PER_IP + 1)]
                assert [caller.closed for caller in callers] == [False] * SESSIONS_PER_IP + [True]
                assert len(search.sessions) == node.context.connections.open == SESSIONS_PER_IP
                other = await call(net, node, name="other")
                assert not other.closed
                callers[0].close()
                await until(lambda: node.context.connections.open == SESSIONS_PER_IP, within=1)

    play(main)


def test_p16_the_same_peer_twice() -> None:
    async def main(net: Network) -> None:
        host = net.host("us")
        with host:
            async with node_on(host, disk_of(host)) as node:
                search_on(node)
                await asyncio.sleep(0)
                first = await call(net, node, peer_id=b"x" * 20)
                second = await call(net, node, peer_id=b"x" * 20)
                elsewhere = await call(net, node, name="other", peer_id=b"x" * 20)
                assert (first.closed, second.closed, elsewhere.closed) == (False, True, False)

    play(main)


@pytest.mark.parametrize("reason", ["full", "over"])
def test_nobody_is_taken_when_there_is_no_room_or_nothing_to_fetch(reason: str) -> None:
    async def main(net: Network) -> None:
        host = net.host("us")
        with host:
            async with node_on(host, disk_of(host), max_connections=1) as node:
                search = search_on(node)
                await asyncio.sleep(0)
                if reason == "over":
                    search.supply(METAINFO)
                else:
                    assert not (await call(net, node)).closed
                assert (await call(net, node, name="other")).closed

    play(main)


def test_everybody_hears_goodbye_and_nothing_is_left() -> None:
    async def main(net: Network) -> None:
        host = net.host("us")
        with host:
            async with node_on(host, disk_of(host)) as node:
                search = search_on(node)
                await asyncio.sleep(0)
                callers = [await call(net, node, name=f"s{n}") for n in range(3)]
                search.supply(METAINFO)
                await until(lambda: all(caller.closed for caller in callers), within=1)
                assert not search.sessions
                assert node.context.connections.open == 0

    play(main)
