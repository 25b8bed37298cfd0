import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dht.item import mutable_target
from formats.errors import ConfigError
from node.cli.addresses import HostPort
from node.cli.dht_items import check_salt, check_value, get_item, put_item, shown, value_line
from node.cli.dht_options import NetworkOptions
from node.cli.exit_status import Failed
from tests.dht.world import World
from tests.node.cli.dht_world import simulate

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw()
PLAIN: dict[str, Any] = {"key": None, "salt": b"", "sequence": None, "cas": None}
MUTABLE = PLAIN | {"key": KEY}


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    yield
    logging.getLogger().handlers.clear()


async def elsewhere(
    world: World, options: NetworkOptions, command: Any, what: bytes, **arguments: Any
) -> None:
    """Awaits a command on another host: nodes ping each host once in five minutes (D12)."""
    host = world.host()
    at = (HostPort(host.address, 0),)
    await host.run(command(what, replace(options, listen=at), **arguments))


def test_a_value_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        await put_item(b"Hello World!", options, **PLAIN)
        target = capsys.readouterr().out.strip()
        assert target == "e5f96f6f38320f0f33959cb4d3d656452117aadb"  # BEP 44, test vector
        await get_item(bytes.fromhex(target), options, salt=b"")
        assert capsys.readouterr().out == "Hello World!\n"
        await get_item(bytes.fromhex(target), replace(options, json=True), salt=b"")
        told = json.loads(capsys.readouterr().out)
        assert (told["target"], told["value"]) == (target, "Hello World!")
        assert bytes.fromhex(told["bencoded"]) == b"12:Hello World!"
        assert (told["public_key"], told["sequence"]) == (None, None)

    simulate(ask)


def test_versions_of_a_mutable_item_even_large_ones(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        for version, value in enumerate((b"a" * 900, b"b" * 900, b"c" * 900), start=1):
            told_on = replace(options, json=True)
            await elsewhere(world, told_on, put_item, value, **MUTABLE | {"salt": b"s"})
            told = json.loads(capsys.readouterr().out)
            assert told["sequence"] == version
            assert told["target"] == mutable_target(PUBLIC, b"s").hex()
            assert told["nodes_stored"] >= 4
            await elsewhere(world, options, get_item, PUBLIC, salt=b"s")
            assert capsys.readouterr().out == value.decode() + "\n"

    simulate(ask)


def test_what_nodes_refuse_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        await put_item(b"one", options, **MUTABLE | {"sequence": 5})
        told = replace(options, json=True)
        capsys.readouterr()
        with pytest.raises(Failed, match=r"another version is stored than --cas says$"):
            await put_item(b"two", told, **MUTABLE | {"cas": 4})
        assert json.loads(capsys.readouterr().out)["refusals"].keys() == {"301"}
        with pytest.raises(Failed, match=r"a newer version is stored; leave --seq out"):
            await put_item(b"two", told, **MUTABLE | {"sequence": 4})
        assert json.loads(capsys.readouterr().out)["refusals"].keys() == {"302"}

    simulate(ask)


def test_an_item_that_is_not_there() -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        with pytest.raises(Failed, match=r"^no such item: \d+ of .*; a mutable item .* --salt$"):
            await get_item(bytes(20), options, salt=b"")
        with pytest.raises(Failed, match=r"^no such item: \d+ of \d+ nodes asked answered$"):
            await get_item(bytes(32), options, salt=b"s")

    simulate(ask, members=3)


def test_limits_of_bep_44() -> None:
    check_value(b"x" * 996)
    with pytest.raises(ConfigError, match="takes 1,001 bytes"):
        check_value(b"x" * 997)
    check_salt(b"x" * 64)
    with pytest.raises(ConfigError, match="at most 64 bytes, not 65"):
        check_salt(b"x" * 65)


def test_t10_a_value_cannot_repaint_the_terminal() -> None:
    assert value_line(b"7:a\x1b[2J\nb") == "a\\x1b[2J\\nb"
    assert value_line(b"l4:\xc2\x9b2Je") == '["\\x9b2J"]'


def test_values_of_every_type() -> None:
    assert shown("6:größe".encode().replace(b"6:", b"7:")) == "größe"
    assert shown(b"2:\xff\x00") == {"hex": "ff00"}
    assert shown(b"d1:ai-3e1:bl1:x1:\xffee") == {"a": -3, "b": ["x", {"hex": "ff"}]}
    assert shown(b"rubbish") == {"hex": b"rubbish".hex()}
    assert value_line(b"i7e") == "7"
