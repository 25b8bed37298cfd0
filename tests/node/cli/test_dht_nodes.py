import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dht.contact import Family
from dht.rpc import NoAnswerError
from formats.identifiers import InfoHash
from node.cli.addresses import HostPort
from node.cli.dht_nodes import find_node, ping, sample
from node.cli.dht_options import NetworkOptions
from node.cli.exit_status import Failed
from tests.dht.world import PORT, World
from tests.node.cli.dht_world import simulate

HASHES = [InfoHash(bytes([n]) * 20) for n in range(3)]


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    yield
    logging.getLogger().handlers.clear()


def test_ping_asks_one_node_by_name_or_address(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        member = world.members[1]
        for host in (member.host.address, member.host.name):
            await ping(HostPort(host, PORT), options)
            out, errors = capsys.readouterr()
            assert out == member.dht.node_ids[Family.V4].hex() + "\n"
            assert errors == f"{member.endpoint} answered in 80.0 ms\n"
        with pytest.raises(NoAnswerError, match=r"^99\.1\.1\.1:1 did not answer$"):
            await ping(HostPort("99.1.1.1", 1), options)

    simulate(ask, members=2)


def test_find_node_lists_the_nearest_first(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        ids = {member.dht.node_ids[Family.V4].hex(): member.endpoint for member in world.members}
        await find_node(bytes(20), options)
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == sorted(ids)[:8]
        for line in lines:
            node_id, bits, *_, endpoint = line.split()
            assert endpoint == str(ids[node_id])
            assert int(bits) == int(node_id, 16).bit_length()
        await find_node(bytes(20), replace(options, json=True))
        told = json.loads(capsys.readouterr().out)
        assert told["target"] == "00" * 20
        assert [node["id"] for node in told["nodes"]] == sorted(ids)[:8]

    simulate(ask)


def test_sample_lists_what_nodes_store(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        with pytest.raises(Failed, match=r"^no samples: \d+ of \d+ nodes asked know BEP 51"):
            await sample(bytes(20), options)
        assert capsys.readouterr().out == ""
        for info_hash in HASHES:
            await world.members[0].dht.announce(info_hash, 4000)
        await sample(bytes(20), options)
        out, errors = capsys.readouterr()
        assert out
        assert set(out.split()) <= {info_hash.hex() for info_hash in HASHES}
        assert re.match(r"\d torrents? from \d+ of \d+ nodes asked in \d\.\d s", errors)
        await sample(bytes(20), replace(options, json=True))
        told = json.loads(capsys.readouterr().out)
        assert set(told["info_hashes"]) <= {info_hash.hex() for info_hash in HASHES}
        assert {node["endpoint"] for node in told["nodes"]} <= {
            str(member.endpoint) for member in world.members
        }
        assert max(node["total"] for node in told["nodes"]) == 3

    simulate(ask)
