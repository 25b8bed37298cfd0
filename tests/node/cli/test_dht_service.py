import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dht.contact import Family
from node.cli import dht_service
from node.cli.addresses import HostPort
from node.cli.dht_options import NetworkOptions
from node.cli.dht_service import SAVE_INTERVAL, STATUS_INTERVAL, run_node
from tests.dht.world import PORT, Member, World
from tests.node.cli.dht_world import simulate


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    yield
    logging.getLogger().handlers.clear()


async def run_for(seconds: float, options: NetworkOptions, state: Path | None = None) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await run_node(options, state)


def test_it_tells_its_address_first_and_then_how_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        at = replace(options.listen[0], port=PORT)
        await run_for(12, replace(options, listen=(at,)))
        out, errors = capsys.readouterr()
        assert out == f"{at}\n"
        (line,) = errors.splitlines()
        assert line.startswith("IPv4: ")
        assert line.endswith("0 peers of 0 torrents and 0 items stored")

    simulate(ask)


def test_json_says_it_every_minute(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        await run_for(3 * STATUS_INTERVAL + 12, replace(options, json=True))
        first, *others = map(json.loads, capsys.readouterr().out.splitlines())
        assert first["event"] == "listening"
        assert len(first["endpoints"]) == len(first["node_ids"]) == 1
        assert [event["event"] for event in others] == ["status"] * 4
        (family,) = others[-1]["families"]
        assert family["node_id"] == first["node_ids"][0]
        assert family["good"] > 5

    simulate(ask)


def test_trouble_is_told_once_and_so_is_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        member = world.member()
        way = replace(options, bootstrap=(HostPort(member.host.address, PORT),))
        world.tasks.create_task(start_later(member, 60))
        await run_for(132, way)
        trouble, *others = capsys.readouterr().err.splitlines()
        assert trouble == (
            "waiting: none of 1 bootstrap hosts has answered: check that UDP gets out of this"
            " network, or name another node with --bootstrap; they are asked again for ever"
        )
        assert others
        assert all(line.startswith("IPv4: 1 contact (1 good)") for line in others)

    simulate(ask, members=0)


async def start_later(member: Member, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await member.start()


def test_r15_contacts_are_saved_every_five_minutes_and_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "state" / "dht.contacts"

    async def ask(world: World, options: NetworkOptions) -> None:
        running = world.tasks.create_task(run_for(SAVE_INTERVAL + 62, options, file.parent))
        await asyncio.sleep(SAVE_INTERVAL - 5)
        assert not file.exists()
        await asyncio.sleep(10)
        file.unlink()
        await running
        assert file.exists()
        saved = file.read_bytes()
        await run_for(32, replace(options, bootstrap=(HostPort("99.1.1.1", 1),)), file.parent)
        assert len(file.read_bytes()) > 300, "found again through those saved"
        file.write_bytes(saved)
        for member in world.members:
            await member.stop()
        await run_for(32, options, file.parent)
        assert file.read_bytes() == saved, "a run that found nobody takes nothing away"

    simulate(ask)


def test_d15_a_damaged_file_is_told_and_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        (tmp_path / "dht.contacts").write_bytes(b"rubbish")
        await run_for(22, options, tmp_path)
        errors = capsys.readouterr().err
        assert errors.startswith(
            "the saved contacts are of no use, starting without: not a saved DHT state"
        )
        assert (tmp_path / "dht.contacts").read_bytes().startswith(b"d3:id4")

    simulate(ask)


def test_a_full_disk_is_told_and_the_node_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def ask(world: World, options: NetworkOptions) -> None:
        monkeypatch.setattr(dht_service.ContactsFile, "save", full)
        await run_for(2.5 * SAVE_INTERVAL + 2, options, tmp_path)
        told = "the contacts cannot be saved: No space left on device"
        assert capsys.readouterr().err.splitlines().count(told) == 3

    simulate(ask)


def test_the_first_node_of_a_network_is_alone_until_another_comes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        at = replace(options.listen[0], port=PORT)
        alone = replace(options, bootstrap=(), listen=(at,))
        second = world.member(bootstrap=((at.host, PORT),), allow_local=True)
        world.tasks.create_task(start_later(second, 20))
        await run_for(62, alone)
        waiting, found = capsys.readouterr().err.splitlines()
        assert waiting == "waiting: no node is known: name one with --bootstrap HOST:PORT"
        assert found.startswith("IPv4: 1 contact (1 good)")
        assert Family.V4 in second.dht.node_ids

    simulate(ask, members=0)
