"""The options of every command that runs a node, and what they mean to the node."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from node.cli import options
from node.cli.addresses import HostPort
from node.cli.options import LogLevel

if TYPE_CHECKING:
    from node.cli.json_lines import JsonLines
    from node.config import NodeConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """What the user said about the node and about what to show."""

    listen: HostPort | None
    peers: tuple[HostPort, ...]
    use_trackers: bool
    use_dht: bool
    use_pex: bool
    dht_listen: HostPort | None
    bootstrap: tuple[HostPort, ...]
    state: Path | None
    down: int | None
    up: int | None
    json: bool
    verbose: bool
    log_level: LogLevel

    def config(self, default_state: Path | None) -> "NodeConfig":
        """The node that these options ask for; `default_state` counts when --state is not given."""
        from node.config import NodeConfig

        return NodeConfig(
            listen=_pair(self.listen),
            state=self.state or default_state,
            download_rate=self.down,
            upload_rate=self.up,
            use_trackers=self.use_trackers,
            use_dht=self.use_dht,
            use_pex=self.use_pex,
            dht_listen=_pair(self.dht_listen),
            bootstrap=tuple((host.host, host.port) for host in self.bootstrap),
        )

    def json_lines(self) -> "JsonLines | None":
        """Where events go with --json."""
        from node.cli.json_lines import JsonLines

        return JsonLines(sys.stdout) if self.json else None


def node_options(
    *,
    listen: options.Listen = None,
    peer: options.Peer = None,
    no_trackers: options.NoTrackers = False,
    no_dht: options.NoDht = False,
    no_pex: options.NoPex = False,
    dht_listen: options.DhtListen = None,
    bootstrap: options.Bootstrap = None,
    state: options.State = None,
    down: options.Down = None,
    up: options.Up = None,
    json: options.Json = False,
    verbose: options.Verbose = False,
    log_level: options.Log = options.LogLevel.WARNING,
    _no_lsd: options.NoLsd = True,
) -> NodeOptions:
    """What the command line said."""
    return NodeOptions(
        listen=listen,
        peers=tuple(peer or ()),
        use_trackers=not no_trackers,
        use_dht=not no_dht,
        use_pex=not no_pex,
        dht_listen=dht_listen,
        bootstrap=tuple(bootstrap or ()),
        state=state,
        down=down,
        up=up,
        json=json,
        verbose=verbose,
        log_level=log_level,
    )


def _pair(address: HostPort | None) -> tuple[str, int] | None:
    return None if address is None else (address.host, address.port)


def user_state_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """The user's state directory of this platform, `everswarm` below it (XDG on Linux)."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "everswarm"
    named = environment.get("XDG_STATE_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".local" / "state"
    return base / "everswarm"


def transfer_state_directory(info_hash: bytes, directory: Path) -> Path:
    """Where one download keeps its state, below the user's.

    A state directory serves one process at a time, and several downloads may run at once: each
    (torrent, download directory) has its own, the same one whenever it is continued.
    """
    import hashlib

    where = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:16]
    return user_state_directory() / "transfers" / f"{info_hash.hex()}-{where}"
