import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from formats.identifiers import InfoHash
from node.cli.dht_options import NetworkOptions
from node.cli.dht_peers import announce, explain, findable, get_peers, scrape
from node.cli.exit_status import Failed
from tests.dht.world import World
from tests.node.cli.dht_world import simulate

HASH = InfoHash(b"\xab" * 20)


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    yield
    logging.getLogger().handlers.clear()


def test_get_peers_lists_each_peer_once(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        await world.members[2].dht.announce(HASH, 4000, seed=True)
        await world.members[5].dht.announce(HASH, 5000)
        seed, other = (f"{world.members[n].host.address}:{n * 1000}" for n in (2, 5))
        seed, other = seed.replace(":2000", ":4000"), other
        await get_peers(HASH, options, noseed=False)
        out, errors = capsys.readouterr()
        assert sorted(out.split()) == sorted((seed, other))
        assert errors.startswith("2 peers from ")
        assert ", the first after 0." in errors
        await get_peers(HASH, options, noseed=True)
        assert capsys.readouterr().out == f"{other}\n"
        await get_peers(HASH, replace(options, json=True), noseed=False)
        told = json.loads(capsys.readouterr().out)
        assert sorted(told["peers"]) == sorted((seed, other))
        assert 0 < told["first_peer_seconds"] <= told["seconds"] < 2

    simulate(ask)


def test_nobody_is_an_object_and_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        with pytest.raises(Failed, match=r"^no peer found: \d+ of \d+ nodes asked answered"):
            await get_peers(HASH, replace(options, json=True), noseed=False)
        told = json.loads(capsys.readouterr().out)
        assert (told["peers"], told["first_peer_seconds"]) == ([], None)
        with pytest.raises(Failed, match=r"^not findable: the newcomer found 0 other peers"):
            await findable(HASH, replace(options, json=True), port=None)
        told = json.loads(capsys.readouterr().out)
        assert (told["found"], told["peers"]) == (False, [])
        with pytest.raises(Failed, match=r"^no peer of this torrent is known to the \d+ nodes"):
            await scrape(HASH, options)

    simulate(ask)


def test_an_announce_is_found_counted_and_proved(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        await announce(HASH, options, port=4000, implied_port=False, seed=True)
        out, errors = capsys.readouterr()
        assert out == "stored by 8 nodes\n"
        assert errors.endswith("the nodes forget it within half an hour\n")
        here = f"{options.listen[0].host}:4000"
        found = await world.members[3].run(world.members[3].dht.get_peers(HASH))
        assert [str(peer) for peer in found.peers] == [here]

        await scrape(HASH, replace(options, json=True))
        told = json.loads(capsys.readouterr().out)
        assert (told["seeds"], told["downloaders"]) == (1, 0)
        await findable(HASH, replace(options, json=True), port=4000)
        told = json.loads(capsys.readouterr().out)
        assert (told["found"], told["peers"]) == (True, [here])
        assert told["entries"] == [str(options.bootstrap[0])]

    simulate(ask)


def test_an_announce_that_nobody_stored(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(*_: object, **__: object) -> int:
        return 0

    async def ask(world: World, options: NetworkOptions) -> None:
        monkeypatch.setattr("dht.dht.Dht.announce", nobody)
        with pytest.raises(Failed, match=r"^no node stored it"):
            await announce(HASH, options, port=4000, implied_port=False, seed=False)

    simulate(ask, members=2)


def test_explain_shows_every_query(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(world: World, options: NetworkOptions) -> None:
        await world.members[2].dht.announce(HASH, 4000)
        await explain(HASH, options)
        headings, *steps = capsys.readouterr().out.splitlines()
        assert headings.split()[:3] == ["asked", "node", "ID"]
        await explain(HASH, replace(options, json=True))
        told = json.loads(capsys.readouterr().out)
        assert told["peers"] == [f"{world.members[2].host.address}:4000"]
        assert len(told["steps"]) == told["nodes_asked"] == len(steps)
        assert told["nodes_answered"] == len(steps)
        assert {step["result"] for step in told["steps"]} == {"answered"}

    simulate(ask)
