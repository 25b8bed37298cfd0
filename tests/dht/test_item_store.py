"""The store of BEP 44 items: what replaces what, and its bounds."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dht import item_store
from dht.item import ImmutableItem, MutableItem, sign
from dht.item_store import ITEM_LIFETIME, MAX_ITEMS, MAX_ITEMS_OF_HOST, ItemStore
from dht.krpc_messages import ErrorCode, KrpcError

HOST = b"\x01\x02\x03\x04"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def signed(sequence: int, value: bytes = b"1:a") -> MutableItem:
    return sign(value, KEY, sequence=sequence)


def number(value: int) -> ImmutableItem:
    return ImmutableItem(b"i%de" % value)


def host(value: int) -> bytes:
    return value.to_bytes(4, "big")


def refused(store: ItemStore, item: MutableItem, *, cas: int | None = None) -> ErrorCode:
    with pytest.raises(KrpcError) as caught:
        store.put(item, HOST, now=0.0, cas=cas)
    return caught.value.code


def test_an_item_is_found_until_nobody_puts_it() -> None:
    store = ItemStore()
    item = number(1)
    store.put(item, HOST, now=0.0)
    assert store.get(item.target, ITEM_LIFETIME - 1) == item
    store.put(item, HOST, now=1000.0)
    assert store.get(item.target, ITEM_LIFETIME) == item
    assert store.get(item.target, 1000.0 + ITEM_LIFETIME) is None
    store.expire(1000.0 + ITEM_LIFETIME - 1)
    assert len(store) == 1
    store.expire(1000.0 + ITEM_LIFETIME)
    assert len(store) == 0
    assert store.get(bytes(20), 0.0) is None


def test_d10_a_higher_sequence_number_replaces_and_a_lower_is_error_302() -> None:
    store = ItemStore()
    store.put(signed(4), HOST, now=0.0)
    store.put(signed(5, b"1:b"), HOST, now=0.0)
    assert refused(store, signed(4)) is ErrorCode.SEQUENCE_TOO_LOW
    assert refused(store, signed(5, b"1:c")) is ErrorCode.SEQUENCE_TOO_LOW
    assert store.get(signed(5).target, 0.0) == signed(5, b"1:b")
    assert len(store) == 1


def test_d10_the_same_again_renews_its_time() -> None:
    store = ItemStore()
    store.put(signed(4), HOST, now=0.0)
    store.put(signed(4), HOST, now=5000.0)
    assert store.get(signed(4).target, ITEM_LIFETIME + 100) == signed(4)


def test_d10_a_cas_that_does_not_match_is_error_301() -> None:
    store = ItemStore()
    store.put(signed(4), HOST, now=0.0, cas=77)  # nothing to compare with: ignored
    assert refused(store, signed(5), cas=3) is ErrorCode.CAS_MISMATCH
    store.put(signed(5), HOST, now=0.0, cas=4)
    assert store.get(signed(5).target, 0.0) == signed(5)


def test_d10_a_false_signature_is_error_206_and_stores_nothing() -> None:
    store = ItemStore()
    forged = signed(4)._replace(value=b"1:b")
    assert refused(store, forged) is ErrorCode.INVALID_SIGNATURE
    assert len(store) == 0
    store.put(signed(3), HOST, now=0.0)
    assert refused(store, forged) is ErrorCode.INVALID_SIGNATURE
    assert refused(store, signed(3)._replace(signature=bytes(64))) is ErrorCode.INVALID_SIGNATURE
    assert store.get(forged.target, 0.0) == signed(3)


def test_d10_one_address_has_twenty_items() -> None:
    store = ItemStore()
    for value in range(MAX_ITEMS_OF_HOST):
        store.put(number(value), HOST, now=float(value))
    with pytest.raises(KrpcError) as caught:
        store.put(number(99), HOST, now=20.0)
    assert caught.value.code is ErrorCode.SERVER
    store.put(number(0), HOST, now=20.0)  # what it has it may renew
    store.put(number(99), b"\x01\x02\x03\x05", now=20.0)
    store.put(number(100), HOST, now=ITEM_LIFETIME + 1.5)  # two of them have expired
    assert store.get(number(100).target, ITEM_LIFETIME + 2) == number(100)


def test_d10_the_store_holds_700_items_and_gives_up_the_least_put(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MAX_ITEMS == 700
    monkeypatch.setattr(item_store, "MAX_ITEMS", 5)
    store = ItemStore()
    for value in range(5):
        store.put(number(value), host(value), now=float(value))
    store.put(number(0), host(100), now=10.0)
    store.put(number(1), host(100), now=10.0)
    store.put(number(2), host(2), now=10.0)  # again by the same host: still one
    store.put(number(50), host(50), now=11.0)
    assert len(store) == 5
    alive = {value for value in (*range(5), 50) if store.get(number(value).target, 11.0)}
    assert alive == {0, 1, 2, 4, 50}
