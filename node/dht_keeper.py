"""The node's place in the DHT: where it listens, and what it remembers over a restart."""

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from formats.endpoint import AddressClass, classify
from formats.errors import ConfigError
from node.config import NodeConfig
from node.storage.state import StateStore

if TYPE_CHECKING:
    from dht.config import DhtConfig
    from dht.dht import Dht

SAVE_SECONDS = 300.0
"""Between two savings of the contacts (D15)."""
SAVED = "dht"
"""The name under which the state keeps them."""


class DhtKeeper:
    """Opens the DHT node, saves its contacts, closes it."""

    def __init__(
        self,
        config: NodeConfig,
        state: StateStore | None,
        *,
        rng: random.Random,
        clock: Callable[[], float],
    ) -> None:
        self._config = config
        self._state = state
        self._rng = rng
        self._clock = clock
        self._dht: Dht | None = None

    async def open(self, hosts: tuple[str, ...], port: int) -> "Dht":
        """Join the DHT: on the addresses and port of the peers' door unless told otherwise.

        Raises ConfigError when the port that the user named cannot be had.
        """
        saved = None if self._state is None else await self._state.load_value(SAVED)
        named = self._config.dht_listen
        if named is not None:
            self._dht = await self._join((named,), saved)
            return self._dht
        try:
            self._dht = await self._join(tuple((host, port) for host in hosts), saved)
        except ConfigError:  # another program has the UDP port: any other will do
            self._dht = await self._join(tuple((host, 0) for host in hosts), saved)
        return self._dht

    async def _join(self, listen: tuple[tuple[str, int], ...], saved: bytes | None) -> "Dht":
        from dht.dht import Dht  # here: nodes without a DHT start faster

        dht = Dht(self._settings(listen, saved), rng=self._rng, clock=self._clock)
        return await dht.__aenter__()

    def _settings(self, listen: tuple[tuple[str, int], ...], saved: bytes | None) -> "DhtConfig":
        """On the loopback there is nobody but ourselves: no host outside is asked."""
        from dht.config import BUILT_IN_HOSTS, DhtConfig

        is_local = all(classify(host) is AddressClass.LOOPBACK for host, _ in listen)
        return DhtConfig(
            listen=listen,
            bootstrap=self._config.bootstrap,
            built_in_hosts=() if is_local else BUILT_IN_HOSTS,
            saved=saved,
            allow_local=is_local or self._config.allow_local_peers,
        )

    async def run(self) -> None:
        """Save the contacts every five minutes."""
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await self._save()

    async def close(self) -> None:
        """Save the contacts and leave."""
        if self._dht is not None:
            await self._save()
            await self._dht.__aexit__(None, None, None)
            self._dht = None

    async def _save(self) -> None:
        if self._state is not None and self._dht is not None and self._dht.contacts():
            await self._state.save_value(SAVED, self._dht.save())
