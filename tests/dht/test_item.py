"""Items against the vectors of BEP 44."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dht.item import (
    ImmutableItem,
    MutableItem,
    mutable_target,
    sign,
    signed_buffer,
    verified,
)

VALUE = b"12:Hello World!"
KEY = bytes.fromhex("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548")
SIGNATURE = bytes.fromhex(
    "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
    "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01"
)
SALTED_SIGNATURE = bytes.fromhex(
    "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
    "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08"
)


def test_vector_1_mutable() -> None:
    assert signed_buffer(VALUE, 1) == b"3:seqi1e1:v12:Hello World!"
    item = MutableItem(VALUE, KEY, SIGNATURE, 1)
    assert item.target.hex() == "4a533d47ec9c7d95b1ad75f576cffc641853b750"
    assert item.is_signed


def test_vector_2_mutable_with_salt() -> None:
    assert signed_buffer(VALUE, 1, b"foobar") == b"4:salt6:foobar3:seqi1e1:v12:Hello World!"
    item = MutableItem(VALUE, KEY, SALTED_SIGNATURE, 1, b"foobar")
    assert item.target.hex() == "411eba73b6f087ca51a3795d9c8c938d365e32c1"
    assert item.is_signed
    assert mutable_target(KEY, b"foobar") == item.target


def test_vector_3_immutable() -> None:
    target = ImmutableItem(VALUE).target
    assert target.hex() == "e5f96f6f38320f0f33959cb4d3d656452117aadb"
    assert verified(ImmutableItem(VALUE), target)
    assert not verified(ImmutableItem(b"12:Hello World?"), target)


def test_d10_whatever_is_changed_the_signature_is_not_the_keys() -> None:
    item = MutableItem(VALUE, KEY, SALTED_SIGNATURE, 1, b"foobar")
    assert verified(item, item.target)
    for forged in (
        item._replace(value=b"12:Hello World?"),
        item._replace(sequence=2),
        item._replace(salt=b""),
        item._replace(signature=SIGNATURE),
        item._replace(signature=bytes(64)),
        item._replace(public_key=bytes(32)),
        item._replace(public_key=b"\xff" * 32),
    ):
        assert not forged.is_signed
        assert not verified(forged, forged.target)
    assert not verified(item, bytes(20))


def test_what_we_sign_is_signed() -> None:
    item = sign(b"i7e", Ed25519PrivateKey.from_private_bytes(bytes(32)), sequence=3, salt=b"s")
    assert (item.value, item.sequence, item.salt) == (b"i7e", 3, b"s")
    assert verified(item, item.target)
