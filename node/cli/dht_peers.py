"""The work of the commands that ask about the peers of a torrent."""

import asyncio

from dht.peer_search import PeersFound
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash
from node.cli.dht_explanation import step_lines, step_objects
from node.cli.dht_options import NetworkOptions
from node.cli.dht_session import PING_SECONDS, joined
from node.cli.exit_status import Failed
from node.cli.quantities import format_count


async def get_peers(info_hash: InfoHash, options: NetworkOptions, *, noseed: bool) -> None:
    """List the peers of a torrent while they are found. Raises Failed."""

    def on_peers(peers: list[Endpoint]) -> None:
        if not options.json:
            print(*peers, sep="\n", flush=True)

    async with joined(options) as dht:
        found = await dht.get_peers(info_hash, on_peers, noseed=noseed)
    options.answer(_peers_object(found), (), note=_peers_note(found))
    if not found.peers:
        raise Failed(_nobody(found))


async def explain(info_hash: InfoHash, options: NetworkOptions) -> None:
    """Show every step of a search for peers. Raises Failed if nobody answered."""
    async with joined(options) as dht:
        found = await dht.get_peers(info_hash)
    members = {
        "info_hash": info_hash.hex(),
        **_peers_object(found),
        "nodes_answered": found.nodes_answered,
        "steps": step_objects(found.steps),
    }
    options.answer(members, step_lines(found.steps), note=_peers_note(found))
    if not found.nodes_answered:
        raise Failed(_nobody(found))


async def announce(
    info_hash: InfoHash, options: NetworkOptions, *, port: int, implied_port: bool, seed: bool
) -> None:
    """Announce a peer on this host once. Raises Failed if no node stored it."""
    loop = asyncio.get_running_loop()
    async with joined(options) as dht:
        started = loop.time()
        stored = await dht.announce(info_hash, port, implied_port=implied_port, seed=seed)
        seconds = loop.time() - started
    members = {
        "info_hash": info_hash.hex(),
        "port": port,
        "nodes_stored": stored,
        "seconds": round(seconds, 3),
    }
    note = f"announced in {seconds:.1f} s; the nodes forget it within half an hour"
    options.answer(members, [f"stored by {format_count(stored, 'node')}"], note=note)
    if not stored:
        raise Failed("no node stored it: none of those closest to the hash took the announce")


async def scrape(info_hash: InfoHash, options: NetworkOptions) -> None:
    """Estimate how many seeds and downloaders a torrent has (BEP 33). Raises Failed for none."""
    async with joined(options, answers=True) as dht:
        found = await dht.scrape(info_hash)
        if not round(found.seeds) and not round(found.downloaders):
            await asyncio.sleep(PING_SECONDS)
            found = await dht.scrape(info_hash)
    seeds, downloaders = round(found.seeds), round(found.downloaders)
    members = {
        "info_hash": info_hash.hex(),
        "seeds": seeds,
        "downloaders": downloaders,
        "nodes_answered": found.nodes_answered,
    }
    counts = f"about {format_count(seeds, 'seed')}, {format_count(downloaders, 'downloader')}"
    nodes = format_count(found.nodes_answered, "node")
    options.answer(members, [counts], note=f"an estimate (BEP 33) from the answers of {nodes}")
    if not seeds and not downloaders:
        raise Failed(f"no peer of this torrent is known to the {nodes} that answered")


async def findable(info_hash: InfoHash, options: NetworkOptions, *, port: int | None) -> None:
    """Prove by a search from a throw-away ID that newcomers find a peer. Raises Failed if not."""
    async with joined(options) as dht:
        proof = await dht.findable(info_hash, port)
    members = {
        "info_hash": info_hash.hex(),
        "found": proof.found,
        "peers": [str(peer) for peer in proof.peers],
        "entries": [str(entry) for entry in proof.entries],
        "nodes_asked": proof.nodes_asked,
        "seconds": round(proof.seconds, 3),
    }
    how = (
        f"a newcomer that entered through {format_count(len(proof.entries), 'node')}"
        f" asked {proof.nodes_asked} in {proof.seconds:.1f} s"
    )
    lines = [f"findable: {format_count(len(proof.peers), 'peer')}"] if proof.found else []
    options.answer(members, lines, note=how)
    if not proof.found:
        others = format_count(len(proof.peers), "other peer")
        what = "a peer" if port is None else f"a peer of ours at port {port}"
        raise Failed(f"not findable: the newcomer found {others}, not {what}")


def _peers_object(found: PeersFound) -> dict[str, object]:
    first = found.first_peer_seconds
    return {
        "peers": [str(peer) for peer in found.peers],
        "nodes_asked": found.nodes_asked,
        "seconds": round(found.seconds, 3),
        "first_peer_seconds": None if first is None else round(first, 3),
    }


def _peers_note(found: PeersFound) -> str:
    peers, nodes = format_count(len(found.peers), "peer"), format_count(found.nodes_asked, "node")
    first = found.first_peer_seconds
    when = "" if first is None else f", the first after {first:.2f} s"
    return f"{peers} from {nodes} in {found.seconds:.2f} s{when}"


def _nobody(found: PeersFound) -> str:
    return (
        f"no peer found: {found.nodes_answered} of {format_count(found.nodes_asked, 'node')} asked"
        " answered, and nobody has announced this torrent to them"
    )
