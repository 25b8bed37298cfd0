"""Items of BEP 44: values that anybody may store, under their hash or under a key that signs them.

The value is bencode of any type and is handled as its exact bytes: they are what is hashed and
signed. Whoever hands us an item may have made it up; `verified` is the gate for what `get` brings,
`ItemStore` for what `put` brings.
"""

from hashlib import sha1
from typing import NamedTuple, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from dht.node_id import NodeId

MAX_VALUE_SIZE = 1000
"""Bytes of a bencoded value (BEP 44)."""
MAX_SALT_SIZE = 64
PUBLIC_KEY_SIZE = 32
SIGNATURE_SIZE = 64
MAX_SEQUENCE = 2**63 - 1
"""Sequence numbers are not negative and fit 64 bits (BEP 44)."""


class ImmutableItem(NamedTuple):
    """A value whose name is its hash."""

    value: bytes
    """Bencoded."""

    @property
    def target(self) -> NodeId:
        """Where it is stored: SHA-1 of the bencoded value."""
        return NodeId(sha1(self.value, usedforsecurity=False).digest())


class MutableItem(NamedTuple):
    """A value that the owner of a key replaces by one with a higher sequence number."""

    value: bytes
    """Bencoded."""
    public_key: bytes
    """Ed25519, 32 bytes."""
    signature: bytes
    """Ed25519, 64 bytes, over `signed_buffer`."""
    sequence: int
    salt: bytes = b""
    """Tells the items of one key apart; at most 64 bytes."""

    @property
    def target(self) -> NodeId:
        """Where it is stored: SHA-1 of the key and the salt."""
        return mutable_target(self.public_key, self.salt)

    @property
    def is_signed(self) -> bool:
        """Whether the signature is the key's."""
        try:
            key = Ed25519PublicKey.from_public_bytes(self.public_key)
            key.verify(self.signature, signed_buffer(self.value, self.sequence, self.salt))
        except (InvalidSignature, ValueError):
            return False
        return True


Item: TypeAlias = ImmutableItem | MutableItem


def mutable_target(public_key: bytes, salt: bytes = b"") -> NodeId:
    """Where the items of a key and salt are stored (BEP 44)."""
    return NodeId(sha1(public_key + salt, usedforsecurity=False).digest())


def signed_buffer(value: bytes, sequence: int, salt: bytes = b"") -> bytes:
    """`4:salt<salt>3:seqi<sequence>e1:v<value>`; an empty salt is left out (BEP 44)."""
    salted = b"4:salt%d:%b" % (len(salt), salt) if salt else b""
    return b"%b3:seqi%de1:v%b" % (salted, sequence, value)


def sign(value: bytes, key: Ed25519PrivateKey, *, sequence: int, salt: bytes = b"") -> MutableItem:
    """The item that stores a bencoded value under a key of ours."""
    signature = key.sign(signed_buffer(value, sequence, salt))
    return MutableItem(value, key.public_key().public_bytes_raw(), signature, sequence, salt)


def verified(item: Item, target: bytes) -> bool:
    """Whether an item is what `target` names: the hash matches, and so does the signature."""
    if item.target != target:
        return False
    return isinstance(item, ImmutableItem) or item.is_signed
