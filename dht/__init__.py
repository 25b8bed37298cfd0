"""Finding peers through the mainline Kademlia DHT (BEP 5, 32, 33, 42, 43, 44, 45, 51).

    from dht import Dht

    async with Dht() as dht:
        found = await dht.get_peers(info_hash)
        print(found.peers)

`Dht` is a whole node: it asks, answers, stores for others, keeps its table and its torrents alive,
and finds its way back when the network was gone. `DhtConfig` says where it listens and whom it
starts from. What it returns are plain values.
"""

from dht.announce_schedule import AnnounceReport
from dht.config import BUILT_IN_HOSTS, DhtConfig
from dht.contact import Contact, Family
from dht.dht import Dht
from dht.findability import Findability
from dht.item import ImmutableItem, Item, MutableItem, mutable_target
from dht.item_exchange import ItemFound, ItemStored
from dht.lookup import Step
from dht.node_id import NodeId
from dht.peer_search import PeersFound, Scrape
from dht.rpc import NoAnswerError, RefusedError
from dht.sampling import Samples
from dht.saved_state import SavedContact
from dht.status import AnnounceStatus, DhtStatus, FamilyStatus, SourceStatus

__all__ = [
    "BUILT_IN_HOSTS",
    "AnnounceReport",
    "AnnounceStatus",
    "Contact",
    "Dht",
    "DhtConfig",
    "DhtStatus",
    "Family",
    "FamilyStatus",
    "Findability",
    "ImmutableItem",
    "Item",
    "ItemFound",
    "ItemStored",
    "MutableItem",
    "NoAnswerError",
    "NodeId",
    "PeersFound",
    "RefusedError",
    "Samples",
    "SavedContact",
    "Scrape",
    "SourceStatus",
    "Step",
    "mutable_target",
]
