"""Whole swarms whose peers hear of each other from each other, and from nobody else."""

import asyncio

import pytest

from formats.bencode import encode
from formats.endpoint import Endpoint, pack
from node.peer.extension import ExtensionHandshake
from node.peer.messages import MessageId, encode_extended, encode_plain
from node.torrent.known_peer import SourceKind
from pex.delta import INTERVAL
from simulation import Host, Network
from tests.swarm.content import KIB, MIB, content
from tests.swarm.strangers import Conversation, Stranger
from tests.swarm.world import Member, World, run


async def join(world: World, name: str, *friends: Member, **options: object) -> Member:
    """A member that is told of its friends by the user, and asks no tracker."""
    peers = [friend.endpoint for friend in friends]
    return await world.join(name, peers=peers, use_trackers=False, **options)


def knows(member: Member, others: list[Member]) -> int:
    """How many of the others it has an address of."""
    return sum(
        member.torrent.peer_list.get(other.endpoint) is not None
        for other in others
        if other is not member
    )


def kinds(member: Member, other: Member) -> set[SourceKind]:
    """Who named another member to it."""
    known = member.torrent.peer_list.get(other.endpoint)
    return set() if known is None else {source.kind for source in known.sources}


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_knows_b_and_b_knows_c_so_a_gets_c(seed: int) -> None:
    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB, tiers=())) as world:
            c = await world.seed("c", use_trackers=False, use_pex=False)
            b = await join(world, "b", c, down=200 * KIB)
            await world.until(lambda: len(b.torrent.sessions) == 1, within=5)
            a = await join(world, "a", b)
            await world.complete([a, b], within=60)
            assert kinds(a, c) == {SourceKind.PEX}
            known = a.torrent.peer_list.get(c.endpoint)
            assert known is not None and known.worked
            assert [source.detail for source in known.sources] == [b.host.address]
            assert a.torrent.sources["pex"] > 0

    run(main, seed=seed)


def test_without_peer_exchange_a_never_hears_of_c() -> None:
    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB, tiers=())) as world:
            c = await world.seed("c", use_trackers=False)
            b = await join(world, "b", c, use_pex=False)
            a = await join(world, "a", b)
            await world.complete([a, b], within=60)
            assert knows(a, [c]) == 0

    run(main)


def test_t12_a_private_swarm_exchanges_nobody() -> None:
    async def main(network: Network) -> None:
        async with World(network, content(1 * MIB, tiers=(), private=True)) as world:
            c = await world.seed("c", use_trackers=False)
            b = await join(world, "b", c)
            a = await join(world, "a", b)
            await world.complete([a, b], within=60)
            await asyncio.sleep(2 * INTERVAL)
            assert knows(a, [c]) == 0

    run(main)


@pytest.mark.parametrize("seed", range(1, 4))
def test_b17_a_sparse_swarm_is_known_to_all_within_two_rounds(seed: int) -> None:
    """Trackers died when everybody had heard of two others at most."""

    async def main(network: Network) -> None:
        async with World(network, content(128 * KIB, tiers=())) as world:
            members: list[Member] = []
            for number in range(30):
                friends = network.random("friends").sample(members, min(2, number))
                members.append(await join(world, f"peer{number}", *friends))
            await asyncio.sleep(2 * INTERVAL)
            known = sorted(knows(member, members) for member in members)
            assert known[0] >= 15
            assert sum(known) >= 0.9 * 30 * 29

    run(main, seed=seed)


@pytest.mark.parametrize("seed", range(1, 4))
def test_r3_two_halves_become_one_swarm_by_a_single_bridge(seed: int) -> None:
    """One half has the only seed; the other learns of it through a peer that was in both for one
    minute."""

    async def main(network: Network) -> None:
        async with World(network, content(2 * MIB, tiers=())) as world:
            source = await world.seed("source", use_trackers=False)
            here = [await join(world, f"here{n}", source, down=20 * KIB) for n in range(4)]
            meeting = await join(world, "there")
            there = [meeting, *[await join(world, f"there{n}", meeting) for n in range(4)]]
            await asyncio.sleep(30)
            assert all(member.progress == 0 for member in there)
            bridge = await join(world, "bridge", here[0], meeting, down=20 * KIB)
            await asyncio.sleep(60)
            await bridge.stop()
            for near, far in ((here, there), (there, here)):
                assert all(knows(member, far) for member in near)
            await world.complete(there, within=300)

    run(main, seed=seed)


class Poisoner(Stranger):
    """Has nothing, and once a minute names fifty addresses of nobody, most in one victim's network,
    to everybody (X5, X6)."""

    PEX = 7
    """The ID under which it takes peer exchange itself."""
    VICTIM = "40.1.2."

    def __init__(self, world: World, host: Host) -> None:
        super().__init__(world, host)
        self.told = 0
        self.ids: dict[Conversation, int] = {}

    def greet(self, conversation: Conversation) -> None:
        offer = ExtensionHandshake({"ut_pex": self.PEX}, listen_port=self.endpoint.port)
        conversation.say(
            self.handshake(),
            encode_plain(MessageId.HAVE_NONE),
            encode_extended(0, offer.encode()),
        )

    async def misbehave(self) -> None:
        while True:
            await asyncio.sleep(1)
            for conversation in self.conversations:
                if conversation.is_introduced and conversation.is_open:
                    conversation.say(encode_extended(1, self.poison()))
            await asyncio.sleep(INTERVAL)

    def poison(self) -> bytes:
        self.told += 1
        victims = [Endpoint(f"{self.VICTIM}{n + 1}", 6881) for n in range(40)]
        nobody = [Endpoint(f"41.{self.told % 250}.{n}.1", 6881) for n in range(10)]
        added = b"".join(map(pack, victims + nobody))
        return encode({b"added": added, b"added.f": bytes(50)})


def chain(poisoners: int) -> tuple[float, list[tuple[str, str, float]]]:
    """Six peers that know one other each, and a seed at the end: when all had everything, and who
    dialled whom when, in five minutes."""
    dials: list[tuple[str, str, float]] = []

    async def main(network: Network) -> float:
        async with World(network, content(4 * MIB, tiers=())) as world:
            strangers = [world.stranger(Poisoner, f"poisoner{n}") for n in range(poisoners)]
            members = [await world.seed("source", use_trackers=False)]
            for number in range(6):
                member = await join(world, f"peer{number}", members[-1], down=100 * KIB)
                members.append(member)
            watch(members, dials)
            done = await world.complete(members[1:], within=120)
            await asyncio.sleep(300)
            assert all(stranger.told for stranger in strangers)
            for member in members:
                assert knows(member, members) == len(members) - 1
            return done

    return run(main), dials


def test_r11_x5_x6_poison_delays_nobody_and_victims_are_hardly_dialled() -> None:
    clean, _ = chain(poisoners=0)
    poisoned, dials = chain(poisoners=5)
    assert poisoned <= 1.5 * clean
    victims = [dial for dial in dials if dial[1].startswith(Poisoner.VICTIM)]
    assert victims, "nobody tasted the poison"
    for member in {who for who, _, _ in victims}:
        hosts = [host for who, host, _ in victims if who == member]
        assert max(map(hosts.count, hosts)) <= 3
        times = [at for who, _, at in victims if who == member]
        assert all(sum(at <= other < at + 60 for other in times) <= 2 for at in times)


def watch(members: list[Member], dials: list[tuple[str, str, float]]) -> None:
    """Note every dial: who, which host, when."""
    for member in members:
        budget = member.torrent.context.dial_budget
        dialled = budget.dialled

        def noting(
            endpoint: Endpoint,
            now: float,
            *,
            hearsay: bool,
            name: str = member.host.name,
            book: object = dialled,
        ) -> None:
            dials.append((name, endpoint.host, now))
            assert callable(book)
            book(endpoint, now, hearsay=hearsay)

        budget.dialled = noting  # type: ignore[method-assign]
