"""The classes of the `kademlia` package that the DHT stands on, under the types of the stub beside.

The package ships no types. `kademlia.routing` and `kademlia.node` hold its table and its heap; its
own RPC, which is not mainline's, lives in modules that are never imported.
"""

from kademlia.node import Node, NodeHeap
from kademlia.routing import KBucket, RoutingTable

__all__ = ["KBucket", "Node", "NodeHeap", "RoutingTable"]
