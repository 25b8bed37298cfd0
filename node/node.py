"""The node: what all torrents of one process share, and the door through which peers come in."""

import asyncio
import errno
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from formats.endpoint import Endpoint
from formats.errors import ConfigError
from formats.identifiers import InfoHash, new_peer_id
from formats.magnet import Magnet
from formats.metainfo import Metainfo, MetainfoError, encode_metainfo, parse_metainfo
from node.config import DEFAULT_PORTS, NodeConfig
from node.dht_keeper import DhtKeeper
from node.lobby import Lobby
from node.peer.receive_buffer import ReceiveBuffer
from node.searches import Searches
from node.storage.directory import Directory
from node.storage.open_files import Disk
from node.storage.state import SavedTorrent, StateStore
from node.torrent.context import ConnectionCount, NodeContext
from node.torrent.dial_budget import DialBudget
from node.torrent.metadata_search import MetadataSearch, described
from node.torrent.options import TorrentOptions
from node.torrent.token_bucket import TokenBucket
from node.torrent.torrent import Torrent
from tracker.http_client import HttpTrackers
from tracker.udp_client import UdpTrackers

TICK_SECONDS = 1.0
"""The one clock of the node: all deadlines of its torrents and peers are looked at this often."""
DISK_THREADS = 2
"""Threads that hash, read and write; both release the interpreter while they do."""
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, None)
"""What machines without IPv6 answer; asyncio's own sentence carries no number."""


class PortInUse(ConfigError):
    """Another program listens there."""


class Node:
    """A BitTorrent node.

        async with Node(NodeConfig()) as node:
            torrent = await node.add(metainfo, Path("downloads"))
            await torrent.wait_complete()

    `rng` is the source of all chance (default: the system's), `clock` tells Unix seconds,
    `open_disk` makes the disk that holds a download directory.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.time,  # noqa: TID251 - this is the injected clock
        open_disk: Callable[[Path], Disk] = Directory,
    ) -> None:
        self.config = config
        self.torrents: dict[InfoHash, Torrent] = {}
        self._rng = rng or random.SystemRandom()
        self._clock = clock
        self._open_disk = open_disk
        self._executor = ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="disk")
        self._servers: list[asyncio.Server] = []
        self._lives: dict[InfoHash, asyncio.Task[None]] = {}

    async def __aenter__(self) -> "Node":
        """Open the state and the listening socket. Raises ConfigError."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        config = self.config
        self._loop = loop
        self._tasks = asyncio.TaskGroup()
        self._state = None if config.state is None else await StateStore.open(config.state)
        self.context = NodeContext(
            loop=loop,
            rng=self._rng,
            clock=self._clock,
            executor=self._executor,
            peer_id=new_peer_id(self._rng),
            receive_buffer=ReceiveBuffer(),
            download=TokenBucket(config.download_rate, now),
            upload=TokenBucket(config.upload_rate, now),
            dial_budget=DialBudget(),
            connections=ConnectionCount(config.max_connections, config.max_half_open),
            dht=None,
            trackers=HttpTrackers() if config.use_trackers else None,
            udp_trackers=(
                UdpTrackers(rng=self._rng, local_address=config.bind_address)
                if config.use_trackers
                else None
            ),
            tracker_interval_floor=config.tracker_interval_floor,
            upload_slots=config.upload_slots,
            allow_local_peers=config.allow_local_peers,
            open_disk=self._open_disk,
            local_address=config.bind_address,
            use_pex=config.use_pex,
        )
        self.searches = Searches(self.context, self._tasks)
        """Magnets whose torrents are not known yet."""
        self._lobby = Lobby(self.context, self.torrents, self.searches)
        self._keeper = DhtKeeper(config, self._state, rng=self._rng, clock=self._clock)
        try:
            if config.accept_incoming:
                await self._listen()
            if config.use_dht:
                hosts = tuple(server.sockets[0].getsockname()[0] for server in self._servers)
                self.context.dht = await self._keeper.open(
                    hosts or ("0.0.0.0", "::"),  # noqa: S104 - a DHT node is public
                    self.context.listen_port,
                )
        except BaseException:
            await self._close_shared()
            raise
        await self._tasks.__aenter__()
        self._services = [self._tasks.create_task(self._tick())]
        if config.use_dht:
            self._services.append(self._tasks.create_task(self._keeper.run()))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all torrents politely, save their state and close everything."""
        try:
            for server in self._servers:
                server.close()
            for torrent in self.torrents.values():
                torrent.stop()
            self.searches.stop()
            self._lobby.close()
            for service in self._services:
                service.cancel()
            # Whatever ended the body, cancellation too, the torrents leave politely.
            await self._tasks.__aexit__(None, None, None)
        finally:
            await self._close_shared()

    @property
    def listen_endpoint(self) -> Endpoint:
        """Where peers reach us: the address we listen on."""
        host, port = self._servers[0].sockets[0].getsockname()[:2]
        return Endpoint(host, port)

    async def add(
        self, metainfo: Metainfo, directory: Path, *, options: TorrentOptions | None = None
    ) -> Torrent:
        """Start a torrent; its files go below `directory`. Adding it again answers the same one."""
        known = self.torrents.get(metainfo.info_hash)
        if known is not None:
            return known
        record = None
        if self._state is not None:
            record = self._state.record(
                metainfo.info_hash, metainfo.piece_count, directory=directory
            )
            await self._state.save_torrent(
                SavedTorrent(
                    info_hash=metainfo.info_hash,
                    name=metainfo.name,
                    directory=directory,
                    added=self._clock(),
                    metainfo=encode_metainfo(metainfo),
                )
            )
        found = await self.searches.end(metainfo)
        torrent = Torrent(
            metainfo,
            directory,
            context=self.context,
            options=options or TorrentOptions(),
            record=record,
            found=found,
        )
        self.torrents[metainfo.info_hash] = torrent
        self._lives[metainfo.info_hash] = self._tasks.create_task(torrent.run())
        return torrent

    async def fetch_metadata(self, magnet: Magnet, *, peers: Sequence[Endpoint] = ()) -> Metainfo:
        """The torrent that a magnet names: what is known or was saved, else from peers, for ever.

        `add` it then; the peers that were found go on. Raises MetainfoError for a torrent that we
        cannot download.
        """
        known = await self.known_metadata(magnet)
        return known or await self.search(magnet, peers=peers).wait()

    async def known_metadata(self, magnet: Magnet) -> Metainfo | None:
        """The torrent that a magnet names, without asking anybody."""
        torrent = self.torrents.get(magnet.info_hash)
        if torrent is not None:
            return torrent.metainfo
        saved = [] if self._state is None else await self._state.torrents()
        for each in saved:
            if each.info_hash == magnet.info_hash and each.metainfo is not None:
                try:
                    return described(parse_metainfo(each.metainfo), magnet)
                except MetainfoError:  # damaged on disk: others have it
                    return None
        return None

    def search(self, magnet: Magnet, *, peers: Sequence[Endpoint] = ()) -> MetadataSearch:
        """Start to look for the torrent that a magnet names; the search that runs, if one does.

        `peers` are those that the user named.
        """
        return self.searches.start(magnet, peers)

    async def remove(self, torrent: Torrent) -> None:
        """Stop a torrent politely and forget it until it is added again; its files stay."""
        torrent.stop()
        await self._lives.pop(torrent.info_hash)
        del self.torrents[torrent.info_hash]

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = self._loop.time()
            self._lobby.tick(now)
            for torrent in list(self.torrents.values()):
                torrent.tick(now)
            self.searches.tick(now)

    async def _listen(self) -> None:
        if self.config.listen is not None:
            host, port = self.config.listen
            await self._listen_on([host], port)
            return
        for port in DEFAULT_PORTS:
            try:
                await self._listen_on(["0.0.0.0", "::"], port)  # noqa: S104 - a peer is public
            except PortInUse:
                continue
            return
        raise ConfigError(
            f"every port from {DEFAULT_PORTS[0]} to {DEFAULT_PORTS[-1]} is in use;"
            " name a free one with --listen"
        )

    async def _listen_on(self, hosts: list[str], port: int) -> None:
        for host in hosts:
            try:
                server = await self._loop.create_server(self._lobby.welcome, host, port)
                if not server.sockets:  # what asyncio makes of a family the kernel lacks
                    raise OSError(errno.EAFNOSUPPORT, "there is no such kind of address here")
            except OSError as error:
                if self._servers and error.errno in _NO_IPV6:
                    continue
                for server in self._servers:
                    server.close()
                self._servers.clear()
                raise _why_not_listening(host, port, error) from error
            self._servers.append(server)
            port = server.sockets[0].getsockname()[1]
        self.context.listen_port = port

    async def _close_shared(self) -> None:
        for server in self._servers:
            server.close()
        await self._keeper.close()
        if self.context.trackers is not None:
            await self.context.trackers.close()
        if self.context.udp_trackers is not None:
            await self.context.udp_trackers.close()
        if self._state is not None:
            await self._state.close()
        self._executor.shutdown(wait=True)


def _why_not_listening(host: str, port: int, error: OSError) -> ConfigError:
    refusal = f"cannot listen on {Endpoint(host, port)}"
    if error.errno == errno.EADDRINUSE:
        return PortInUse(f"{refusal}: the port is in use; choose another with --listen")
    if error.errno == errno.EACCES:
        return ConfigError(f"{refusal}: ports below 1024 need more rights; choose another")
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigError(f"{refusal}: this machine has no such address")
    return ConfigError(f"{refusal}: {error.strerror or error}")
