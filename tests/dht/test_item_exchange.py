"""Items of BEP 44 over a whole network."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import simulation
from dht.item import ImmutableItem, mutable_target
from formats.errors import ConfigError
from simulation import Network
from tests.dht.world import World

SETTLE = 10.0


def test_items_are_put_found_replaced_and_kept():
    async def main(network: Network) -> None:
        key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        public = key.public_key().public_bytes_raw()
        async with World(network) as world:
            members = await world.grow(10)
            await asyncio.sleep(SETTLE)
            author, reader = members[2].dht, members[7].dht
            stored = await author.put(b"Hello World!")
            assert stored.item == ImmutableItem(b"12:Hello World!")
            assert stored.item.target.hex() == "e5f96f6f38320f0f33959cb4d3d656452117aadb"
            assert len(stored.nodes) >= 8
            assert stored.refusals == {}
            assert (await reader.get(stored.item.target)).item == stored.item

            target = mutable_target(public, b"salt")
            assert (await reader.get(target, salt=b"salt")).item is None
            first = await author.put(b"one", key=key, salt=b"salt")
            second = await author.put([b"two", 2], key=key, salt=b"salt")
            assert first.item.target == second.item.target == target
            found = (await reader.get(target, salt=b"salt")).item
            assert found == second.item
            assert found.value == b"l3:twoi2ee"
            late = await author.put(b"3", key=key, salt=b"salt", sequence=1, keep=False)
            assert (late.nodes, late.refusals) == ((), {302: 8})
            race = await author.put(b"3", key=key, salt=b"salt", cas=1, keep=False)
            assert (race.nodes, race.refusals) == ((), {301: 8})

            await asyncio.sleep(2.2 * 3600)  # longer than nodes keep what nobody puts again
            assert (await reader.get(target, salt=b"salt")).item == second.item
            author.forget_item(target)
            await asyncio.sleep(2.2 * 3600)
            assert (await reader.get(target, salt=b"salt")).item is None
            assert (await reader.get(stored.item.target)).item == stored.item

    simulation.run(main, seed=5)


def test_an_item_that_nobody_would_store_is_refused_in_a_sentence():
    async def main(network: Network) -> None:
        key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        async with World(network) as world:
            (first, _) = await world.grow(2)
            with pytest.raises(ConfigError, match="is 1005 bytes long when bencoded"):
                await first.dht.put(bytes(1000))
            with pytest.raises(ConfigError, match="a salt has at most 64 bytes, not 65"):
                await first.dht.put(b"", key=key, salt=bytes(65))
            with pytest.raises(ConfigError, match="a sequence number lies between"):
                await first.dht.put(b"", key=key, sequence=-1)

    simulation.run(main, seed=6)
