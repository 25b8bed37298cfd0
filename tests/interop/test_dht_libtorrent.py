"""What libtorrent's DHT knows beyond BEP 5, asked of it and by it: items, samples, filters."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha512

import libtorrent
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dht import krpc
from dht.bloom import bloom_filter
from dht.dht import Dht
from dht.item import MutableItem, mutable_target
from dht.node_id import NodeId
from dht.rpc import RefusedError
from formats.bencode import encode
from formats.endpoint import Endpoint
from formats.identifiers import InfoHash
from tests.interop.clients.libtorrent_dht import IMPLIED_PORT, SEED, LibtorrentDht
from tests.interop.dht_node import ask, run_network, until_found
from tests.interop.patience import LOOK_INTERVAL, PATIENCE

pytestmark = pytest.mark.interop

OURS, OURS_IMPLIED, THEIRS, THEIRS_IMPLIED = (InfoHash(bytes([n]) * 20) for n in range(4))
SALT = b"a salt"
SECRET = bytes(range(32))
KEY = Ed25519PrivateKey.from_private_bytes(SECRET)
PUBLIC = KEY.public_key().public_bytes_raw()


@asynccontextmanager
async def run_both() -> AsyncIterator[tuple[Dht, Dht, LibtorrentDht, Endpoint]]:
    """Two nodes of ours, libtorrent's and its address; each knows both others."""
    async with run_network(2) as (entry, other):
        theirs = LibtorrentDht()
        address = await theirs.open()
        for node in (entry, other):
            node.add_node(*address)
            theirs.session.add_dht_node(tuple(node.endpoints[0]))
        async with asyncio.timeout(PATIENCE):
            while not await _all_have_met(entry, other, address):
                await asyncio.sleep(LOOK_INTERVAL)
        yield entry, other, theirs, address


async def _all_have_met(entry: Dht, other: Dht, address: Endpoint) -> bool:
    if not all(len(node.contacts()) == 2 for node in (entry, other)):
        return False
    answer = await ask(entry, address, krpc.FindNode(bytes(20)))
    ours = {*entry.endpoints, *other.endpoints}
    return ours <= {contact.endpoint for contact in answer.contacts}


async def test_peers_both_ways() -> None:
    async with run_both() as (entry, other, theirs, address):
        theirs.session.dht_announce(_hash(THEIRS), 5000, 0)
        theirs.session.dht_announce(_hash(THEIRS_IMPLIED), 5000, IMPLIED_PORT)
        for node in (entry, other):
            await until_found(node, THEIRS, Endpoint(address.host, 5000))
            await until_found(node, THEIRS_IMPLIED, address)

        assert await entry.announce(OURS_IMPLIED, 4000, implied_port=True) == 2
        stored = await ask(other, address, krpc.GetPeers(OURS_IMPLIED))
        assert stored.peers == list(entry.endpoints)
        assert await other.announce(OURS, 4000) == 2
        theirs.session.dht_get_peers(_hash(OURS))
        alert = await theirs.alert(libtorrent.dht_get_peers_reply_alert)
        assert alert.peers() == [(address.host, 4000)]


async def test_immutable_items_both_ways() -> None:
    async with run_both() as (entry, other, theirs, address):
        target = NodeId(theirs.session.dht_put_immutable_item(b"Hello World!").to_bytes())
        await theirs.alert(libtorrent.dht_put_alert)
        assert [node.status().items_stored for node in (entry, other)] == [1, 1]
        found = (await entry.get(target)).item
        assert found is not None
        assert found.value == b"12:Hello World!"

        value = [b"any", 1, {b"bencoded": b"value"}]
        stored = await entry.put(value)
        assert set(stored.nodes) == {address, *other.endpoints}
        theirs.session.dht_get_immutable_item(_hash(stored.item.target))
        assert (await theirs.alert(libtorrent.dht_immutable_item_alert)).item == value
        answer = await ask(other, address, krpc.Get(stored.item.target))
        assert answer.item() == stored.item


async def test_mutable_items_both_ways() -> None:
    async with run_both() as (entry, other, theirs, address):
        ours = await entry.put(b"first", key=KEY, salt=SALT)
        assert set(ours.nodes) == {address, *other.endpoints}
        theirs.session.dht_get_mutable_item(PUBLIC, SALT)
        alert = await theirs.alert(libtorrent.dht_mutable_item_alert)
        assert (alert.item, alert.seq, alert.salt) == (b"first", 1, SALT)

        theirs.session.dht_put_mutable_item(_expanded(SECRET), PUBLIC, b"second", SALT)
        await theirs.alert(libtorrent.dht_put_alert)
        found = (await other.get(mutable_target(PUBLIC, SALT), salt=SALT)).item
        assert isinstance(found, MutableItem)
        assert (found.value, found.sequence) == (encode(b"second"), 2)
        assert found.is_signed
        answer = await ask(other, address, krpc.Get(found.target, sequence=2))
        assert (answer.sequence, answer.value) == (2, None)


async def test_libtorrent_refuses_items_as_we_do() -> None:
    async with run_both() as (entry, _, _, address):
        await entry.put(b"new", key=KEY, sequence=7)
        old = await entry.put(b"old", key=KEY, sequence=6, keep=False)
        race = await entry.put(b"newer", key=KEY, sequence=8, cas=6, keep=False)
        assert (old.nodes, old.refusals) == ((), {krpc.ErrorCode.SEQUENCE_TOO_LOW: 2})
        assert (race.nodes, race.refusals) == ((), {krpc.ErrorCode.CAS_MISMATCH: 2})
        answer = await ask(entry, address, krpc.Get(mutable_target(PUBLIC)))
        item = answer.item()
        assert isinstance(item, MutableItem)
        token = answer.token
        assert token is not None
        forged = item._replace(value=encode(b"forged"), sequence=9)
        with pytest.raises(RefusedError) as refused:
            await ask(entry, address, krpc.Put(forged, token))
        assert refused.value.code == krpc.ErrorCode.INVALID_SIGNATURE


async def test_samples_both_ways() -> None:
    async with run_both() as (entry, other, theirs, address):
        assert await entry.announce(OURS, 4000) == 2
        samples = await entry.sample_infohashes(OURS)
        assert samples.info_hashes == (OURS,)
        assert samples.totals == {address: 1, other.endpoints[0]: 1}

        theirs.session.dht_sample_infohashes(other.endpoints[0], _hash(OURS))
        alert = await theirs.alert(libtorrent.dht_sample_infohashes_alert)
        assert [sample.to_bytes() for sample in alert.samples] == [OURS]
        assert (alert.num_samples, alert.num_infohashes) == (1, 1)
        assert alert.num_nodes == 2


async def test_the_filters_of_a_swarm() -> None:
    """libtorrent answers with them, and has no call that asks for them."""
    async with run_both() as (entry, other, theirs, address):
        theirs.session.dht_announce(_hash(OURS), 5000, SEED)
        await until_found(entry, OURS, Endpoint(address.host, 5000))
        assert (await entry.get_peers(OURS, noseed=True)).peers == ()
        scrape = await entry.scrape(OURS)
        assert round(scrape.seeds) == 1
        assert scrape.downloaders < 1

        assert await entry.announce(OURS, 4000) == 2
        one = bloom_filter([bytes([127, 0, 0, 1])])
        answer = await ask(other, address, krpc.GetPeers(OURS, scrape=True))
        assert answer.peers_bloom == one


def _hash(digest: bytes) -> libtorrent.sha1_hash:
    return libtorrent.sha1_hash(digest)


def _expanded(secret: bytes) -> bytes:
    """An Ed25519 key as libtorrent wants it: the scalar and the prefix (RFC 8032, 5.1.5)."""
    digest = bytearray(sha512(secret).digest())
    digest[0] &= 0xF8
    digest[31] = digest[31] & 0x7F | 0x40
    return bytes(digest)
