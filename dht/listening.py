"""Opening the sockets of a node, one of each family, or saying why that cannot be."""

import errno
import random
from collections.abc import Mapping, Sequence

from dht.contact import Family
from dht.family_node import FamilyNode, Shared
from dht.node_id import NodeId, compliant_id, is_compliant, random_id
from formats.endpoint import AddressClass, Endpoint, EndpointError, classify, is_ipv6, normalise
from formats.errors import ConfigError

_NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, None)
"""What machines without IPv6 answer; asyncio's own sentence carries no number."""


async def open_nodes(
    addresses: Sequence[tuple[str, int]], shared: Shared, known_ids: Mapping[Family, NodeId]
) -> None:
    """Open a node for each address; they are then in `shared`.

    A wildcard address of a family that the machine lacks is left out if another family is there.
    Raises ConfigError, with all sockets closed again.
    """
    try:
        for host, port in addresses:
            await _open_node(host, port, shared, known_ids)
        if not shared.nodes:
            raise ConfigError("a DHT node needs an address to listen on")
    except BaseException:
        for node in shared.nodes.values():
            await node.close()
        raise


async def _open_node(
    host: str, port: int, shared: Shared, known_ids: Mapping[Family, NodeId]
) -> None:
    try:
        host = normalise(host)
    except EndpointError as error:
        raise ConfigError(f"cannot listen on {host}: {error}") from None
    family = Family.V6 if is_ipv6(host) else Family.V4
    if family in shared.nodes:
        raise ConfigError(
            f"cannot listen on {Endpoint(host, port)}: there is an IPv{family.value} address"
            " already, and a node has one of each family"
        )
    known = known_ids.get(family)
    node_id = known if known and shared.keep_id else _node_id(host, known, shared.rng)
    node = FamilyNode(family, node_id, shared)
    try:
        await node.open(host, port)
    except OSError as error:
        shared.remove(family)
        if shared.nodes and host == "::" and error.errno in _NO_SUCH_FAMILY:
            return
        raise ConfigError(_why(Endpoint(host, port), error)) from error


def _node_id(host: str, saved: NodeId | None, rng: random.Random) -> NodeId:
    """The ID that was saved, unless our address, as far as it is known, forbids it (BEP 42)."""
    if classify(host) is AddressClass.GLOBAL:
        return saved if saved and is_compliant(saved, host) else compliant_id(host, rng)
    return saved or random_id(rng)


def _why(endpoint: Endpoint, error: OSError) -> str:
    where = f"cannot listen on UDP {endpoint}"
    if error.errno == errno.EADDRINUSE:
        return f"{where}: the port is in use; choose another with --dht-listen"
    if error.errno == errno.EACCES:
        return f"{where}: ports below 1024 need more rights; choose another with --dht-listen"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no such address"
    return f"{where}: {error.strerror or error}"
