"""The magnets whose torrents a node looks for."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from formats.endpoint import Endpoint
from formats.identifiers import InfoHash
from formats.magnet import Magnet
from formats.metainfo import Metainfo
from node.torrent.context import NodeContext
from node.torrent.metadata_search import MetadataSearch
from node.torrent.peer_list import PeerList


class Searches(Mapping[InfoHash, MetadataSearch]):
    """The searches under way, and those that succeeded, until their torrents start."""

    def __init__(self, context: NodeContext, tasks: asyncio.TaskGroup) -> None:
        self._context = context
        self._tasks = tasks
        self._searches: dict[InfoHash, MetadataSearch] = {}
        self._lives: dict[InfoHash, asyncio.Task[None]] = {}

    def __getitem__(self, info_hash: InfoHash) -> MetadataSearch:
        return self._searches[info_hash]

    def __iter__(self) -> Iterator[InfoHash]:
        return iter(self._searches)

    def __len__(self) -> int:
        return len(self._searches)

    def start(self, magnet: Magnet, peers: Sequence[Endpoint]) -> MetadataSearch:
        """Look for the torrent that a magnet names; the search that runs, if one does."""
        search = self._searches.get(magnet.info_hash)
        if search is None or search.error is not None:
            search = MetadataSearch(magnet, context=self._context, peers=peers)
            self._searches[magnet.info_hash] = search
            self._lives[magnet.info_hash] = self._tasks.create_task(search.run())
        return search

    async def end(self, metainfo: Metainfo) -> PeerList | None:
        """A torrent is known: the peers that were found on the way, if it was searched for.

        They are nothing for a private torrent, for they came from anywhere (BEP 27).
        """
        search = self._searches.pop(metainfo.info_hash, None)
        if search is None:
            return None
        search.supply(metainfo)
        await self._lives.pop(metainfo.info_hash)
        return None if metainfo.is_private else search.peer_list

    def stop(self) -> None:
        """End all searches politely."""
        for search in self._searches.values():
            search.stop()

    def tick(self, now: float) -> None:
        """About once a second."""
        for search in list(self._searches.values()):
            search.tick(now)
