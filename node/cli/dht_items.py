"""The work of `everswarm dht get` and `put`: items stored in the DHT (BEP 44).

Anybody may have written the value that is shown: its control characters are escaped (T10).
"""

import asyncio
import json
from functools import partial
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dht.item import MAX_SALT_SIZE, MAX_VALUE_SIZE, Item, MutableItem, mutable_target
from dht.node_id import NODE_ID_SIZE, NodeId
from formats.bencode import WIRE, BencodeError, Value, decode, encode
from formats.errors import ConfigError
from node.cli.dht_options import NetworkOptions
from node.cli.dht_session import PING_SECONDS, joined
from node.cli.exit_status import Failed
from node.cli.printable import printable
from node.cli.quantities import format_count

TOO_OLD = 302
"""The sequence number is lower than that of the version stored (BEP 44)."""
_REFUSALS = {
    301: "another version is stored than --cas says",
    TOO_OLD: "a newer version is stored; leave --seq out, or raise it",
}
"""What BEP 44's errors mean to who put the item."""

Shown: TypeAlias = int | str | list["Shown"] | dict[str, "Shown"]
"""A bencoded value as JSON has it."""


async def get_item(name: bytes, options: NetworkOptions, *, salt: bytes) -> None:
    """Show the item under a target or a public key. Raises Failed if there is none."""
    check_salt(salt)
    target = NodeId(name) if len(name) == NODE_ID_SIZE else mutable_target(name, salt)
    async with joined(options, answers=True) as dht:
        found = await dht.get(target, salt=salt)
        if found.item is None:
            await asyncio.sleep(PING_SECONDS)
            found = await dht.get(target, salt=salt)
    nodes = format_count(found.nodes_asked, "node")
    if found.item is None:
        hint = "" if salt else "; a mutable item with a salt needs --salt"
        raise Failed(f"no such item: {found.nodes_answered} of {nodes} asked answered{hint}")
    members = {
        **_item_object(found.item),
        "value": shown(found.item.value),
        "bencoded": found.item.value.hex(),
        "nodes_asked": found.nodes_asked,
        "seconds": round(found.seconds, 3),
    }
    note = f"{_version(found.item)}from {nodes} in {found.seconds:.2f} s"
    options.answer(members, [value_line(found.item.value)], note=note)


async def put_item(
    value: bytes,
    options: NetworkOptions,
    *,
    key: Ed25519PrivateKey | None,
    salt: bytes,
    sequence: int | None,
    cas: int | None,
) -> None:
    """Store a string once. Raises ConfigError, and Failed if no node stored it."""
    loop = asyncio.get_running_loop()
    async with joined(options, answers=True) as dht:
        started = loop.time()
        put = partial(dht.put, value, key=key, salt=salt, sequence=sequence, cas=cas, keep=False)
        stored = await put()
        if TOO_OLD in stored.refusals and sequence is None:
            await asyncio.sleep(PING_SECONDS)
            stored = await put()
        seconds = loop.time() - started
    members = {
        **_item_object(stored.item),
        "nodes_stored": len(stored.nodes),
        "refusals": {str(code): count for code, count in stored.refusals.items()},
        "seconds": round(seconds, 3),
    }
    if stored.nodes:
        nodes = format_count(len(stored.nodes), "node")
        note = f"{_version(stored.item)}stored by {nodes}; they forget it after two hours"
        options.answer(members, [stored.item.target.hex()], note=note)
        return
    if options.json:
        options.answer(members, (), note="")
    reasons = [_REFUSALS.get(code, f"error {code}") for code in stored.refusals]
    raise Failed("no node stored it: " + (", ".join(reasons) or "none of the closest answered"))


def check_value(value: bytes) -> None:
    """Raises ConfigError for what no node would store."""
    size = len(encode(value))
    if size > MAX_VALUE_SIZE:
        raise ConfigError(
            f"the value takes {size:,} bytes when bencoded; the DHT stores at most"
            f" {MAX_VALUE_SIZE:,}"
        )


def check_salt(salt: bytes) -> None:
    """Raises ConfigError for what no node would store."""
    if len(salt) > MAX_SALT_SIZE:
        raise ConfigError(f"a salt has at most {MAX_SALT_SIZE} bytes, not {len(salt):,}")


def shown(data: bytes) -> Shown:
    """A bencoded value for JSON: text where it is UTF-8, else `{"hex": …}`."""
    try:
        return _shown(decode(data, WIRE))
    except BencodeError:
        return {"hex": data.hex()}


def value_line(data: bytes) -> str:
    """A bencoded value on one line: text as it is, anything else as JSON."""
    value = shown(data)
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _shown(value: Value) -> Shown:
    match value:
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return {"hex": value.hex()}
        case list():
            return [_shown(each) for each in value]
        case dict():
            return {key.decode(errors="replace"): _shown(each) for key, each in value.items()}
        case _:
            return value


def _item_object(item: Item) -> dict[str, object]:
    mutable = item if isinstance(item, MutableItem) else None
    return {
        "target": item.target.hex(),
        "public_key": mutable and mutable.public_key.hex(),
        "sequence": mutable and mutable.sequence,
    }


def _version(item: Item) -> str:
    if isinstance(item, MutableItem):
        return f"version {item.sequence} of {item.public_key.hex()}, "
    return ""
