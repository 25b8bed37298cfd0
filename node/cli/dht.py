"""`everswarm dht …`: run a node of the DHT, or ask the network one question."""

import os
from pathlib import Path
from typing import Annotated

import typer

from formats.errors import ConfigError
from formats.identifiers import InfoHash
from node.cli import options
from node.cli.addresses import HostPort, parse_host_port
from node.cli.dht_options import (
    Bootstrap,
    DhtListen,
    NetworkOptions,
    OnlyBootstrap,
    asks_the_network,
)

app = typer.Typer(help="Run a node of the mainline DHT, or ask the network one question.")

_MUTABLE = "Mutable items"


def _read_torrent(text: str) -> InfoHash:
    from node.cli.dht_target import parse_torrent

    return parse_torrent(text)


def _read_id(text: str) -> bytes:
    from node.cli.dht_target import parse_id

    return parse_id(text)


def _read_item_name(text: str) -> bytes:
    from node.cli.dht_target import parse_item_name

    return parse_item_name(text)


Torrent = Annotated[
    InfoHash,
    typer.Argument(
        metavar="HASH",
        parser=options.reads(_read_torrent),
        help="An info hash (40 hex or 32 base32 digits), a magnet in quotes, or a .torrent file.",
    ),
]
Target = Annotated[
    bytes,
    typer.Argument(
        metavar="HASH",
        parser=options.reads(_read_id),
        help="A node ID or info hash: 40 hex or 32 base32 digits.",
    ),
]
SampleTarget = Annotated[
    bytes | None,
    typer.Argument(
        metavar="[TARGET]",
        parser=options.reads(_read_id),
        help="Where in the ID space: 40 hex digits. By itself: anywhere.",
    ),
]
ItemName = Annotated[
    bytes,
    typer.Argument(
        metavar="KEY",
        parser=options.reads(_read_item_name),
        help="What `put` printed (40 hex digits), or a public key (64).",
    ),
]
Address = Annotated[
    HostPort,
    typer.Argument(
        metavar="HOST:PORT", parser=options.reads(parse_host_port), help="The node to ask."
    ),
]
State = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Where dht.contacts keeps its ID and contacts between two runs."
    ),
]
NoSeed = Annotated[bool, typer.Option("--noseed", help="Only peers that still download (BEP 33).")]
Port = Annotated[
    int, typer.Option(metavar="N", min=1, max=65535, help="The TCP port that the peer listens on.")
]
OurPort = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, max=65535, help="The peer must be ours, at this port. By itself: any."
    ),
]
ImpliedPort = Annotated[
    bool,
    typer.Option("--implied-port", help="Others should take our UDP source port instead (BEP 5)."),
]
Seed = Annotated[bool, typer.Option("--seed", help="The peer has everything (BEP 33).")]
Value = Annotated[str, typer.Argument(metavar="VALUE", help="Text, about 995 bytes at most.")]
Salt = Annotated[
    str,
    typer.Option(
        metavar="TEXT",
        help="Tells the items of one key apart; 64 bytes at most.",
        rich_help_panel=_MUTABLE,
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Store a new version under this Ed25519 key: 64 hex digits.",
        rich_help_panel=_MUTABLE,
    ),
]
CreateKey = Annotated[
    bool,
    typer.Option(
        "--create-key", help="Make the key file if it is not there.", rich_help_panel=_MUTABLE
    ),
]
Sequence = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        max=2**63 - 1,
        help="The version's number. By itself: one more than the highest found.",
        rich_help_panel=_MUTABLE,
    ),
]
Cas = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        max=2**63 - 1,
        help="Only if this version is the one stored.",
        rich_help_panel=_MUTABLE,
    ),
]


@app.command("node")
def node(
    *,
    state: State = None,
    bootstrap: Bootstrap = None,
    only_bootstrap: OnlyBootstrap = False,
    dht_listen: DhtListen = None,
    json: options.Json = False,
    log_level: options.Log = options.LogLevel.WARNING,
) -> None:
    """Run a DHT node until Ctrl-C. The first line on stdout is the address it listens on."""
    from node.cli.dht_service import run_node
    from node.cli.interruption import run

    network = NetworkOptions(
        bootstrap=tuple(bootstrap or ()),
        listen=tuple(dht_listen or ()),
        only_bootstrap=only_bootstrap,
        json=json,
        log_level=log_level,
    )
    run(run_node(network, state))


@app.command("ping")
@asks_the_network
def ping(address: Address, *, network: NetworkOptions) -> None:
    """Ask one node for its ID; nobody else is contacted."""
    from node.cli import dht_nodes
    from node.cli.interruption import run

    run(dht_nodes.ping(address, network))


@app.command("find-node")
@asks_the_network
def find_node(target: Target, *, network: NetworkOptions) -> None:
    """List the nodes closest to a node ID or info hash."""
    from node.cli import dht_nodes
    from node.cli.interruption import run

    run(dht_nodes.find_node(target, network))


@app.command("get-peers")
@asks_the_network
def get_peers(info_hash: Torrent, *, noseed: NoSeed = False, network: NetworkOptions) -> None:
    """List the peers of a torrent, as they are found."""
    from node.cli import dht_peers
    from node.cli.interruption import run

    run(dht_peers.get_peers(info_hash, network, noseed=noseed))


@app.command("announce")
@asks_the_network
def announce(
    info_hash: Torrent,
    *,
    port: Port,
    implied_port: ImpliedPort = False,
    seed: Seed = False,
    network: NetworkOptions,
) -> None:
    """Announce once that a peer on this host has a torrent."""
    from node.cli import dht_peers
    from node.cli.interruption import run

    run(dht_peers.announce(info_hash, network, port=port, implied_port=implied_port, seed=seed))


@app.command("get")
@asks_the_network
def get(name: ItemName, *, salt: Salt = "", network: NetworkOptions) -> None:
    """Show an item that is stored in the DHT (BEP 44)."""
    from node.cli import dht_items
    from node.cli.interruption import run

    run(dht_items.get_item(name, network, salt=os.fsencode(salt)))


@app.command("put")
@asks_the_network
def put(
    value: Value,
    *,
    key: KeyFile = None,
    create_key: CreateKey = False,
    salt: Salt = "",
    seq: Sequence = None,
    cas: Cas = None,
    network: NetworkOptions,
) -> None:
    """Store a text in the DHT (BEP 44). Prints what to get it by."""
    from node.cli import dht_items
    from node.cli.dht_key import load_key
    from node.cli.interruption import run

    data, salted = os.fsencode(value), os.fsencode(salt)
    dht_items.check_value(data)
    dht_items.check_salt(salted)
    if key is None and (create_key or salt or seq is not None or cas is not None):
        raise ConfigError(
            "--create-key, --salt, --seq and --cas are for mutable items: add --key FILE"
        )
    secret = None if key is None else load_key(key, create=create_key)
    run(dht_items.put_item(data, network, key=secret, salt=salted, sequence=seq, cas=cas))


@app.command("sample")
@asks_the_network
def sample(target: SampleTarget = None, *, network: NetworkOptions) -> None:
    """List torrents that the nodes around a place know peers of (BEP 51)."""
    from random import SystemRandom

    from node.cli import dht_nodes
    from node.cli.interruption import run

    run(dht_nodes.sample(target or SystemRandom().randbytes(20), network))


@app.command("scrape")
@asks_the_network
def scrape(info_hash: Torrent, *, network: NetworkOptions) -> None:
    """Estimate how many seeds and downloaders a torrent has (BEP 33)."""
    from node.cli import dht_peers
    from node.cli.interruption import run

    run(dht_peers.scrape(info_hash, network))


@app.command("explain")
@asks_the_network
def explain(info_hash: Torrent, *, network: NetworkOptions) -> None:
    """Search for peers and show every step: who was asked, how near it is, what it did."""
    from node.cli import dht_peers
    from node.cli.interruption import run

    run(dht_peers.explain(info_hash, network))


@app.command("findable")
@asks_the_network
def findable(info_hash: Torrent, *, port: OurPort = None, network: NetworkOptions) -> None:
    """Prove that a newcomer finds a torrent: a second search, from a throw-away ID."""
    from node.cli import dht_peers
    from node.cli.interruption import run

    run(dht_peers.findable(info_hash, network, port=port))
