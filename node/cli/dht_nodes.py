"""The work of `everswarm dht ping`, `find-node` and `sample`: what nodes say of the network."""

import asyncio

from dht.node_id import distance
from dht.rpc import NoAnswerError
from formats.endpoint import Endpoint
from node.cli.addresses import HostPort
from node.cli.dht_options import NetworkOptions
from node.cli.dht_session import joined, unjoined
from node.cli.exit_status import Failed
from node.cli.quantities import format_count
from node.cli.resolution import resolve_all


async def ping(address: HostPort, options: NetworkOptions) -> None:
    """Ask one node for its ID. Raises Failed, AddressError, NoAnswerError and RefusedError."""
    async with unjoined(options) as dht:
        endpoints = await resolve_all([address])
        for position, endpoint in enumerate(endpoints):
            try:
                node_id, seconds = await dht.ping(endpoint)
            except NoAnswerError:
                if position + 1 < len(endpoints):
                    continue
                raise
            break
    members = {"node": str(endpoint), "id": node_id.hex(), "seconds": round(seconds, 6)}
    options.answer(members, [node_id.hex()], note=f"{endpoint} answered in {_ms(seconds)}")


async def find_node(target: bytes, options: NetworkOptions) -> None:
    """List the nodes closest to a target. Raises Failed."""
    loop = asyncio.get_running_loop()
    async with joined(options) as dht:
        started = loop.time()
        contacts = await dht.find_node(target)
        seconds = loop.time() - started
    nodes = [
        {
            "id": contact.id.hex(),
            "endpoint": str(contact.endpoint),
            "distance": distance(target, contact.id).bit_length(),
        }
        for contact in contacts
    ]
    members = {"target": target.hex(), "nodes": nodes, "seconds": round(seconds, 3)}
    lines = [f"{node['id']}  {node['distance']:>3} bits away  {node['endpoint']}" for node in nodes]
    options.answer(members, lines, note=f"{format_count(len(nodes), 'node')} in {seconds:.1f} s")
    if not nodes:
        raise Failed("no node near the target answered")


async def sample(target: bytes, options: NetworkOptions) -> None:
    """List info hashes that nodes near a target store peers of (BEP 51). Raises Failed."""
    loop = asyncio.get_running_loop()
    async with joined(options) as dht:
        started = loop.time()
        samples = await dht.sample_infohashes(target)
        seconds = loop.time() - started
    hashes = [info_hash.hex() for info_hash in samples.info_hashes]
    members = {
        "target": target.hex(),
        "info_hashes": hashes,
        "nodes": [_store(at, total, samples.intervals) for at, total in samples.totals.items()],
        "nodes_asked": samples.nodes_asked,
        "seconds": round(seconds, 3),
    }
    givers = f"{len(samples.totals)} of {format_count(samples.nodes_asked, 'node')} asked"
    note = f"{format_count(len(hashes), 'torrent')} from {givers} in {seconds:.1f} s"
    options.answer(members, hashes, note=note)
    if not hashes:
        raise Failed(f"no samples: {givers} know BEP 51, and they store nothing")


def _store(at: Endpoint, total: int, intervals: dict[Endpoint, int]) -> dict[str, object]:
    """`interval`: seconds before asking again makes sense."""
    return {"endpoint": str(at), "total": total, "interval": intervals[at]}


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
